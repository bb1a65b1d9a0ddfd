"""Sides take turns, ratios are of one round, and what is missing is said."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from benchmarks._turns import Side, hardest, in_turn, rival
from tests.processes import program


def test_sides_take_turns_after_a_warm_up() -> None:
    order: list[str] = []
    sides = [Side("a", lambda: order.append("a")), Side("b", lambda: order.append("b"))]
    found = in_turn(sides, rounds=2, warm_up=1)
    assert order == ["a", "b"] * 3
    assert [list(each) for each in found["rounds"]] == [["a", "b"]] * 2


def test_a_ratio_is_taken_within_each_round_and_for_one_unit() -> None:
    ours, theirs = iter([1.0, 1.0, 2.0, 4.0]), iter([1.0, 4.0, 4.0, 4.0])
    found = in_turn(
        [
            Side("ours", lambda: {"seconds": next(ours)}, units=10),
            Side("theirs", lambda: {"seconds": next(theirs), "units": 5, "accuracy": 0.9}),
            Side("third", lambda: {"seconds": 0.05}),
        ],
        rounds=3,
    )
    assert found["ratio"]["theirs"] == {"median": 4.0, "lowest": 2.0, "highest": 8.0}
    assert found["sides"]["ours"] == {"seconds_a_unit": 0.2, "units_a_second": 5.0}
    assert found["rounds"][0]["theirs"]["accuracy"] == 0.9
    assert hardest(found)[0] == "third"


def test_a_short_function_is_repeated_until_its_time_is_up() -> None:
    times: list[int] = []
    turn = Side("a", lambda: times.append(1), units=2, at_least=0.02).turn()
    assert len(times) > 1
    assert turn["seconds"] == pytest.approx(0.02 / len(times), rel=0.5)
    assert turn["seconds_a_unit"] == pytest.approx(turn["seconds"] / 2, rel=0.01)


def test_a_command_says_its_figures_in_its_last_line() -> None:
    command = program("""print('starting'); print('{"seconds": 3, "units": 6}')""")
    assert Side("a", command).turn()["seconds_a_unit"] == 0.5
    with pytest.raises(SystemExit, match="failed with 1:\n.*no such net"):
        Side("b", program("raise SystemExit('no such net')")).turn()


def test_a_rival_without_its_environment_is_left_out_with_the_reason(tmp_path: Path) -> None:
    without = argparse.Namespace(smoke=False, peers=None)
    elsewhere = argparse.Namespace(smoke=False, peers=tmp_path)
    sides = [
        Side("ours", lambda: None),
        rival(without, "keras", "fit"),
        rival(elsewhere, "fastai", "fit", name="three epochs"),
    ]
    found = in_turn(sides, rounds=1)
    assert found["ratio"] == {}
    assert list(found["skipped"]) == ["keras", "three epochs"]
    assert "'fastai'" in found["skipped"]["three epochs"]


def test_a_rival_is_a_command_in_its_environment(tmp_path: Path) -> None:
    python = tmp_path / "keras" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    side = rival(argparse.Namespace(smoke=False, peers=tmp_path), "keras", "fit", "photos", "--epochs", 3)
    assert side.work[0] == str(python)
    assert side.work[2:] == ["photos", "--epochs", "3"]
