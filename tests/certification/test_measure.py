"""Every corruption is measured on the same sample, as large as the time allows."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from mindle.certification.measure import LEAST, conditions, measure
from mindle.records import SILENT
from tests.certification.models import given


def test_all_conditions_are_measured_on_one_sample(tmp_path: Path) -> None:
    opened, sample = given("iris", tmp_path)
    found = measure(opened, sample, seed=0, deadline=time.monotonic() + 600, listener=SILENT)
    assert (found.n, found.of) == (150, 150)
    named = [(block["name"], block["severity"]) for block in found.corruptions]
    assert named == [(one.name, at) for one, at in conditions(sample) if one not in sample.irrelevant]
    assert not found.abstains  # a bundle of before
    assert found.irrelevant == [{"name": "unrelated"}]
    worst = {block["name"]: block["accuracy"]["value"] for block in found.corruptions}
    assert found.clean["accuracy"]["value"] > 0.9 > worst["missing-cells"]


def test_the_same_seed_gives_the_same_figures(tmp_path: Path) -> None:
    opened, sample = given("diabetes", tmp_path)
    first, again, other = (
        measure(opened, sample, seed=seed, deadline=time.monotonic() + 600, listener=SILENT)
        for seed in (0, 0, 1)
    )
    assert first == again
    assert first.corruptions != other.corruptions
    # All rows are measured whatever the seed.
    assert first.clean["mae"]["value"] == pytest.approx(other.clean["mae"]["value"])


def test_what_there_is_time_for_does_not_change_the_figures_of_a_row(tmp_path: Path) -> None:
    opened, sample = given("iris", tmp_path)
    few = measure(opened, sample, seed=3, deadline=time.monotonic() + 0.5, listener=SILENT)
    drawn = sample.some(np.random.default_rng(3).permutation(150)[: few.n])
    alone = measure(opened, drawn, seed=3, deadline=time.monotonic() + 600, listener=SILENT)
    assert (few.n, few.of) == (alone.n, 150)
    blocks = zip([few.clean, *few.corruptions], [alone.clean, *alone.corruptions], strict=True)
    assert all(one["accuracy"] == two["accuracy"] for one, two in blocks)


def test_a_sample_is_drawn_where_time_is_short(tmp_path: Path) -> None:
    opened, sample = given("iris", tmp_path)
    with pytest.raises(ValueError, match=f"must leave time for {LEAST} images or rows under each of 17"):
        measure(opened, sample, seed=0, deadline=time.monotonic(), listener=SILENT)
