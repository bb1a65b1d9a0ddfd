"""From where on inputs are refused: shares that hold, reasons in their order, and the panel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mindle.evaluation.trust import limits as room
from mindle.evaluation.trust.limits import Inputs, Limits, fit_limits, leaves_out, read_limits
from tests.evaluation.trust.test_unknown import known, rows

STATISTICS = ("brightness", "contrast", "sharpness", "detail", "band", "flat")


def pictures(count: int, seed: int = 0) -> Inputs:
    rng = np.random.default_rng(seed)
    quality = rng.normal([120, 50, 6, 6, 0, 0.2], [20, 8, 0.7, 0.7, 0, 0.05], (count, 6)).astype(np.float32)
    return Inputs(statistics=STATISTICS, quality=quality, sides=np.full(count, 300), model_side=224)


def test_all_reasons_together_refuse_what_was_asked() -> None:
    for refuse in (0.02, 0.05, 0.1):
        found, codes = fit_limits(rows(known(1000)), refuse=refuse, inputs=pictures(1000))
        assert (codes != "").mean() == pytest.approx(refuse, abs=0.0011)
        assert found.measured["refused"]["value"] == (codes != "").mean()
        new = [
            found.codes({"features": known(1000, seed=seed)}, quality=pictures(1000, seed=seed).quality)
            for seed in range(5, 10)
        ]
        assert np.mean([(each != "").mean() for each in new]) == pytest.approx(refuse, abs=0.025)
        only_pixels = found.decided(np.zeros(1000, bool), quality=pictures(1000).quality)
        assert 0 < (only_pixels != "").mean() < 0.018  # four statistics, tails of 0.2 % on either side


def test_the_first_reason_that_holds_is_said() -> None:
    found, _ = fit_limits(rows(known(600)), inputs=pictures(600))
    typical = np.array([120, 50, 6, 6, 0, 0.2], np.float32)
    changed = {
        "": {},
        "dark": {"brightness": 5, "sharpness": 0},
        "blurred": {"sharpness": 1},
        "unlike_training": {"flat": 0.9},
        "torn": {"band": 0.3, "brightness": 5},
    }
    quality = np.tile(typical, (len(changed), 1))
    for row, values in zip(quality, changed.values(), strict=True):
        for name, value in values.items():
            row[STATISTICS.index(name)] = value
    near = np.zeros(len(changed), bool)
    assert found.decided(near, quality=quality).tolist() == list(changed)
    blank = typical + np.array([0, -50, -6, -6, 0, 0.8], np.float32)
    assert found.decided(near[:1], quality=blank[None]).tolist() == ["unlike_training"]
    assert found.decided(near[:2], ["small", "torn"], quality[:2]).tolist() == ["small", "torn"]
    assert found.decided(~near[:1], quality=quality[:1]).tolist() == ["unlike_training"]
    assert found.side == 112


def test_few_rows_have_wide_limits_of_pixels_and_no_score() -> None:
    found, codes = fit_limits(rows(known(40)), inputs=pictures(40))
    assert found.unknown is None
    assert "unlike_training" not in found.document()["reasons"]
    assert not (codes != "").any()
    assert (fit_limits(rows(known(40)[:0]), inputs=None)[1]).shape == (0,)


def test_what_was_never_seen_is_measured() -> None:
    x = np.concatenate([known(300), known(300, seed=1) + np.linspace(-9, 9, 12, dtype=np.float32)])
    found = replace(rows(x), truth=np.repeat([0, 1], 300), outputs={"probabilities": np.zeros((600, 2))})
    assert not leaves_out(found)
    panel = fit_limits(found)[0].measured["panel"]
    assert not panel["left_out_classes"]  # of two classes one is no data to learn from
    assert panel["others"]["shuffled_columns"]["all"] > 0.5
    three = replace(found, truth=np.repeat([0, 1, 2], 200))
    shares = fit_limits(three)[0].measured["panel"]["left_out_classes"]
    assert set(shares) == {"0", "1", "2"}
    assert all(0 <= value <= 1 for one in shares.values() for value in one.values())
    named = fit_limits(three)[0].foreign(("cat", "dog", "fox"))
    assert set(named["left_out_classes"]) == {"cat", "dog", "fox"}
    assert named["held_out"] == 600
    seen = replace(pictures(600), others={"noise": x[:50] * 40})
    blocks = replace(found, blocks=(12,))
    assert fit_limits(blocks, inputs=seen)[0].measured["panel"]["others"]["noise"]["all"] == 1.0


def test_one_part_alone_is_taken_only_where_it_clearly_refuses_more() -> None:
    even = {"all": 0.5, "distance": 0.55, "angle": 0.4, "relative": 0.1}
    clear = {"all": 0.5, "distance": 0.65, "angle": 0.4, "relative": 0.1}
    assert room._parts({"others": {"a": even}}) == room.SCORES
    assert room._parts({"others": {"a": clear, "b": {}}}) == ("distance",)
    assert room._parts({"others": {"a": {}}}) == room.SCORES


def test_after_writing_the_codes_are_the_same() -> None:
    found, _ = fit_limits(rows(known(600)), inputs=pictures(600))
    again = read_limits(found.document(), found.arrays())
    new, quality = {"features": known(200, seed=2) * 1.3}, pictures(200, seed=2).quality
    assert np.array_equal(again.codes(new, quality=quality), found.codes(new, quality=quality))
    assert again.document() == found.document()
    few = Inputs(statistics=("missing",), quality=np.zeros((40, 1), np.float32), one_hot=[(0, 3)])
    small, _ = fit_limits(rows(np.eye(3)[np.arange(40) % 3]), inputs=few)
    assert small.unknown is None  # too few rows, but their categories are known
    read = read_limits(small.document(), small.arrays())
    assert read == small
    unseen = {"features": np.zeros((1, 3))}
    assert read.codes(unseen, quality=np.zeros((1, 1))).tolist() == ["unlike_training"]
    none = Limits()
    assert read_limits(none.document(), none.arrays()) == none
    assert none.codes({"estimate": np.zeros(3)}).tolist() == ["", "", ""]
