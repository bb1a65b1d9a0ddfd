"""Results that may not change by accident: fixed recipes give the answers and the scores they gave."""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path

import pytest

from tests.golden import held
from tests.golden.pins import run_pinned, why_not
from tests.golden.recipes import BOSTON, RECIPES
from tests.golden.wanted import DIFFERENCES, VALUES, WANTED, expected, wanted

MARKS = {
    "boston": (
        pytest.mark.shared,
        pytest.mark.skipif(not BOSTON.exists(), reason=f"needs {BOSTON}, which strangers do not have"),
    )
}


@pytest.fixture(scope="module")
def results(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the golden runs that were asked for give, from one process: imports cost more than they."""
    items = [item for item in request.session.items if "results" in getattr(item, "fixturenames", ())]
    asked = [item.callspec.params["golden"] for item in items]  # type: ignore[attr-defined]  # a function
    out = tmp_path_factory.mktemp("golden")
    run_pinned(out, [name for name in asked if name != "boston" or BOSTON.exists()])
    return out


@pytest.mark.slow
@pytest.mark.skipif(bool(why_not()), reason=why_not())
@pytest.mark.parametrize("golden", [pytest.param(name, marks=MARKS.get(name, ())) for name in RECIPES])
def test_a_run_gives_what_it_gave(golden: str, results: Path) -> None:
    differences = held.differences(expected(golden), held.read(results / golden).values())
    assert differences == {}, "a wanted difference stands in tests/golden/wanted.py with its reason"


def test_every_golden_run_has_values() -> None:
    assert {file.stem for file in VALUES.iterdir()} == set(RECIPES)


@pytest.mark.parametrize("golden", RECIPES)
def test_every_wanted_difference_has_a_reason_and_every_reason_a_difference(golden: str) -> None:
    reasons = WANTED.get(golden, {})
    names = held.differences(held.read(VALUES / golden).values(), expected(golden))
    assert set(wanted(golden)) == set(names), "differences/ must hold nothing but what differs"
    assert [name for name in names if not any(fnmatch(name, pattern) for pattern in reasons)] == []
    assert [pattern for pattern in reasons if not any(fnmatch(name, pattern) for name in names)] == []
    assert all(reasons.values())


def test_no_difference_is_wanted_of_a_run_that_is_not_there() -> None:
    assert {*WANTED, *(file.stem for file in DIFFERENCES.glob("*"))} <= set(RECIPES)


def test_what_is_further_than_the_tolerance_is_a_difference() -> None:
    before = {"metrics.a": 0.5, "metrics.mae": 100.0, "answers.x.p": 0.5, "answers.x.predicted": "cat"}
    near = {
        "metrics.a": 0.5 + 9e-7,
        "metrics.mae": 100.00009,
        "answers.x.p": 0.500009,
        "answers.x.predicted": "cat",
    }
    far = {
        "metrics.a": 0.5 + 2e-6,
        "metrics.mae": 100.0002,
        "answers.x.p": 0.50002,
        "answers.x.predicted": "dog",
    }
    assert held.differences(before, {**near, "metrics.new": 1.0}) == {}
    assert held.differences(before, far) == far
    assert held.differences(before, {}) == dict.fromkeys(before)
