"""Slices are named where the model is clearly worse, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest

from mindle.evaluation.doctor.slices import SHARES, SIZES, at_least, find_slices, fisher, ranked
from mindle.records import Cue

ROWS = 1000


def drawn(seed: int = 0) -> tuple[np.random.Generator, list[Cue], np.ndarray]:
    """Three cues and five classes of a data set in which one answer in ten is wrong everywhere."""
    generator = np.random.default_rng(seed)
    cues = [Cue(name=name, values=generator.normal(size=(ROWS, 1))) for name in ("brightness", "sharpness")]
    cameras = np.eye(3)[generator.integers(0, 3, ROWS)]
    return generator, [*cues, Cue(name="camera", values=cameras, parts=("x", "y", "z"))], np.arange(ROWS) % 5


NAMES = ("a", "b", "c", "d", "e")


def test_data_without_a_slice_have_none() -> None:
    named = 0
    for seed in range(20):
        generator, cues, labels = drawn(seed)
        wrong = (generator.random(ROWS) < 0.1).astype(float)
        named += bool(find_slices(cues, wrong, SHARES, labels=labels, names=NAMES))
    assert named <= 1


def test_a_dark_fifth_of_one_class_is_named() -> None:
    generator, cues, labels = drawn()
    brightness = cues[0].values[:, 0]
    dark = (labels == 3) & (brightness < np.quantile(brightness[labels == 3], 0.2))
    wrong = (generator.random(ROWS) < np.where(dark, 0.6, 0.05)).astype(float)
    (first, *_) = find_slices(cues, wrong, SHARES, labels=labels, names=NAMES)
    assert (first.name, first.side, first.label) == ("brightness", "low", "d")
    assert first.value > 0.4 > 0.1 > first.rest
    document = first.document([f"{row}.jpg" for row in range(ROWS)], wrong)
    assert document["n"] == 40
    assert all(dark[int(name.removesuffix(".jpg"))] for name in document["examples"])


def test_a_difficult_class_is_no_slice_of_brightness() -> None:
    generator, cues, labels = drawn()
    wrong = (generator.random(ROWS) < np.where(labels == 3, 0.5, 0.02)).astype(float)
    assert find_slices(cues[:2], wrong, SHARES, labels=labels, names=NAMES) == []


def test_a_camera_and_a_category_are_named() -> None:
    generator, cues, _ = drawn()
    kinds = Cue(name="kind", values=generator.integers(0, 2, (ROWS, 1)).astype(float), parts=("p", "q"))
    for cue, rows, part in ((cues[2], cues[2].values[:, 1] == 1, "y"), (kinds, kinds.values[:, 0] == 1, "q")):
        wrong = (generator.random(ROWS) < np.where(rows, 0.3, 0.05)).astype(float)
        (first, *_) = find_slices([cue], wrong, SHARES)
        assert (first.name, first.side, first.part) == (cue.name, "is", part)


def test_errors_of_numbers_are_compared_by_rank() -> None:
    generator, cues, _ = drawn()
    bright = cues[0].values[:, 0] > np.quantile(cues[0].values, 0.8)
    errors = np.abs(generator.normal(size=ROWS)) * np.where(bright, 3.0, 1)
    (first,) = find_slices(cues, errors, SIZES)
    assert (first.name, first.side) == ("brightness", "high")
    assert first.value > 1.5 * first.rest


def test_a_cluster_counts_only_where_the_model_is_worse_than_it_says() -> None:
    generator = np.random.default_rng(0)
    place = np.arange(ROWS) % 10
    features = np.eye(10)[place] * 8 + generator.normal(size=(ROWS, 10))
    risk = np.where(place == 4, 0.4, 0.05)
    wrong = (generator.random(ROWS) < risk).astype(float)
    assert find_slices([], wrong, SHARES, expected=risk, features=features) == []
    (found,) = find_slices([], wrong, SHARES, expected=np.full(ROWS, 0.08), features=features)
    assert (found.side, found.name) == ("cluster", "cluster")
    assert (place[found.rows] == 4).mean() > 0.9


def test_a_column_counts_only_where_the_model_is_worse_than_it_says() -> None:
    generator, cues, _ = drawn()
    column = Cue(name="age", values=cues[0].values, content="all")
    risk = np.where(cues[0].values[:, 0] < -1, 0.4, 0.05)
    wrong = (generator.random(ROWS) < risk).astype(float)
    assert find_slices([column], wrong, SHARES, expected=risk) == []
    (found, *_) = find_slices([column], wrong, SHARES, expected=np.full(ROWS, 0.1))
    assert (found.name, found.side, found.expected) == ("age", "low", True)


def test_rare_events_are_counted_as_scipy_does() -> None:
    stats = pytest.importorskip("scipy.stats")
    for hits, expected in ((3, 0.2), (40, 20.0), (700, 500.0)):
        assert at_least(hits, expected) == pytest.approx(stats.poisson.sf(hits - 1, expected), rel=1e-8)


def test_unknown_and_constant_values_are_no_slice() -> None:
    wrong = (np.arange(ROWS) < 100).astype(float)
    nothing = Cue(name="brightness", values=np.full((ROWS, 1), np.nan))
    same = Cue(name="contrast", values=np.full((ROWS, 1), 3.0))
    assert find_slices([nothing, same], wrong, SHARES) == []


@pytest.mark.parametrize("seed", range(5))
def test_p_values_are_those_of_scipy(seed: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    generator = np.random.default_rng(seed)
    inside, outside = generator.random(40) < 0.3, generator.random(300) < 0.2
    table = [[inside.sum(), (~inside).sum()], [outside.sum(), (~outside).sum()]]
    assert fisher(inside.astype(float), outside.astype(float)) == pytest.approx(
        stats.fisher_exact(table, alternative="greater")[1], rel=1e-9
    )
    first, second = generator.integers(0, 9, 40).astype(float), generator.integers(0, 8, 300).astype(float)
    expected = stats.mannwhitneyu(first, second, alternative="greater", method="asymptotic").pvalue
    assert ranked(first, second) == pytest.approx(expected, rel=1e-9)


def test_slices_of_the_same_rows_are_named_once() -> None:
    generator, cues, _ = drawn()
    again = Cue(name="contrast", values=3 * cues[0].values + 0.01 * generator.normal(size=(ROWS, 1)))
    dark = cues[0].values[:, 0] < np.quantile(cues[0].values, 0.2)
    wrong = (generator.random(ROWS) < np.where(dark, 0.5, 0.05)).astype(float)
    assert len(find_slices([*cues, again], wrong, SHARES)) == 1
