"""What is watched of a run, and that watching changes nothing."""

from __future__ import annotations

import numpy as np

from mindle.training.loop.fit import fit
from mindle.training.loop.monitor import FIRST_LOOKS, FIRST_STEPS, LOOK_EVERY, TrainingMonitor
from mindle.training.settings import TrainSettings
from tests.training.nets import data, net, recipe, stripes


def test_it_keeps_the_first_steps_and_looks_now_and_then() -> None:
    images, labels = stripes(180)
    chosen = recipe(epochs=10)
    watch = TrainingMonitor(chosen.train, classes=3)
    fit(net(), data((images, labels), (images, labels)), chosen, callbacks=[watch])
    seen = watch.seen()
    assert seen.steps == 120
    assert seen.from_start
    assert len(seen.losses) == len(seen.counts) == FIRST_STEPS
    assert seen.looked == (*range(FIRST_LOOKS), LOOK_EVERY, 2 * LOOK_EVERY)
    assert seen.gradients.shape == (len(seen.looked), 2)  # a convolution and a dense layer
    assert (seen.norms > 0).all()
    assert seen.counts[:12].sum() == 180
    assert seen.moved > 0.1


def test_it_sees_what_the_net_is_given() -> None:
    images, labels = stripes(60)
    chosen = recipe(epochs=1)
    watch = TrainingMonitor(chosen.train, classes=3)
    fit(net(), data((images, labels), (images, labels)), chosen, callbacks=[watch])
    seen = watch.seen()
    share = images / 255
    assert abs(seen.pixel_std - share.std()) < 0.03  # augmented
    assert abs(seen.input_std - share.std() / 0.2) < 0.15
    assert abs(seen.input_mean - (share.mean() - 0.4) / 0.2) < 0.15


def test_nothing_was_seen_of_no_run() -> None:
    seen = TrainingMonitor(TrainSettings(), classes=4).seen()
    assert seen.counts.shape == (0, 4)
    assert np.isnan(seen.input_std)
