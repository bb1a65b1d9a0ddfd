"""Methods by name, weights, and the choice between them."""

from __future__ import annotations

import numpy as np
import pytest

from mindle.training.images.options import resolve_options
from mindle.training.loop.imbalance import (
    METHODS,
    balanced_weights,
    choose_method,
    imbalance_settings,
    rarity,
    ratio,
)
from mindle.training.recipe import Recipe


@pytest.mark.parametrize("method", METHODS)
def test_every_method_sets_one_thing_and_switches_the_others_off(method: str) -> None:
    chosen = resolve_options(imbalance=method, settings=None).recipe.train
    plain = Recipe().train
    changed = [
        name
        for name in ("balance", "oversample", "focal_gamma", "thresholds")
        if getattr(chosen, name) != getattr(plain, name)
    ]
    assert len(changed) == (method != "none")
    assert set(imbalance_settings(method)) == {
        "train.balance",
        "train.oversample",
        "train.focal_gamma",
        "train.thresholds",
    }


def test_without_the_flag_a_recipe_stays_as_it_is_and_set_has_the_last_word() -> None:
    assert resolve_options(settings={"train.focal_gamma": 1.0}).recipe.train.focal_gamma == 1.0
    assert (
        resolve_options(imbalance="focal", settings={"train.focal_gamma": 1.0}).recipe.train.focal_gamma
        == 1.0
    )
    assert (
        resolve_options(imbalance="weights", settings={"train.focal_gamma": 1.0}).recipe.train.balance
        == "weights"
    )
    assert resolve_options().recipe.train == resolve_options(imbalance="none").recipe.train


def test_unknown_methods_and_methods_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="must be one of auto, none, weights"):
        resolve_options(imbalance="oversample")
    for strategy in ("scratch", "inline", "finetune"):
        with pytest.raises(ValueError, match="a net sees pictures"):
            resolve_options(strategy=strategy, imbalance="smote")


def test_weights_even_classes_out_and_absent_classes_weigh_nothing() -> None:
    labels = np.repeat([0, 1], [30, 10])
    weights = balanced_weights(labels, 3)
    assert weights.tolist() == pytest.approx([40 / 30 / 2, 40 / 10 / 2, 0])
    assert weights[labels].mean() == pytest.approx(1)
    assert rarity(labels, 3).tolist() == pytest.approx([0, 2 / 3, 1])
    assert ratio(labels) == 3


def test_a_method_is_chosen_only_where_it_is_clearly_better_and_says_why() -> None:
    rng = np.random.default_rng(0)
    labels = (rng.random(400) < 0.2).astype(np.int64)
    plain = np.where(rng.random(400) < 0.5, 0, labels)  # misses half of the minority class
    same = plain.copy()
    same[0] = 1 - same[0]
    assert choose_method(labels, plain, {"weights": labels, "thresholds": same}, 2)[0] == "weights"
    method, reason = choose_method(labels, plain, {"thresholds": same}, 2)
    assert method == "none"
    assert "standard error" in reason
    assert "thresholds" in reason
