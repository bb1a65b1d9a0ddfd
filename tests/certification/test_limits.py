"""Limits: what may be named, what holds unless it is stated, and what passes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mindle.certification import scores
from mindle.certification.limits import Limits, compared, read_limits
from mindle.certification.measure import Measured
from mindle.certification.samples import Sample
from tests.certification.models import given

MEASURED = Measured(
    n=100,
    of=100,
    clean={
        "accuracy": {"value": 0.9, "low": 0.8, "high": 1.0},
        "ece": 0.02,
        "abstained": {"value": 0.06, "low": 0.02, "high": 0.1},
    },
    corruptions=[
        {
            "name": name,
            "severity": severity,
            "accuracy": {"value": 0.9 - severity / 10, "low": 0.0, "high": 1.0},
        }
        for name in ("blur", "noise")
        for severity in range(1, 6)
    ],
    irrelevant=[
        {"name": name, "abstained": {"value": 1.0, "low": 0.9, "high": 1.0}} for name in ("blank", "mosaic")
    ],
)
LATENCY = [{"batch": 1, "p50": 10.0, "p95": 20.0, "p99": 30.0, "memory_bytes": 200_000_000}]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return given("shapes-0", tmp_path_factory.mktemp("shapes"))[1]


def read(document: Any, sample: Sample) -> Limits:
    return read_limits(document, sample, scores.of("multiclass"))


def outcome(document: Any, sample: Sample) -> dict[str, bool]:
    given = read(document, sample).given
    return {each["name"]: each["passed"] for each in compared(given, MEASURED, LATENCY, 5_000_000)}


def test_a_file_is_read(tmp_path: Path, sample: Sample) -> None:
    file = tmp_path / "limits.toml"
    file.write_text(
        "latency_p95_ms = 15\nsize_mb = 5\n[accuracy]\nclean = 0.9\nblur.3 = 0.65\n", encoding="utf-8"
    )
    assert outcome(file, sample) == {
        "latency_p95_ms": False,
        "size_mb": True,
        "accuracy.clean": True,
        "accuracy.blur.3": False,
    }


def test_a_corruption_without_severity_means_all_of_them(sample: Sample) -> None:
    found = outcome({"accuracy": {"noise": 0.55}}, sample)
    assert found == {f"accuracy.noise.{at}": at <= 3 for at in range(1, 6)}


def test_of_errors_and_false_alarms_the_most_is_stated(sample: Sample) -> None:
    assert outcome({"ece": {"clean": 0.03}, "abstained": {"clean": 0.05, "blank": 0.95}}, sample) == {
        "ece.clean": True,
        "abstained.clean": False,
        "abstained.blank": True,
    }


def test_what_was_not_measured_has_not_passed(sample: Sample) -> None:
    assert outcome({"coverage": {"clean": 0.9}}, sample) == {"coverage.clean": False}
    limit = read({"memory_mb": 500}, sample).given
    assert [each["found"] for each in compared(limit, MEASURED, LATENCY, 1)] == [200]
    unknown = [{**LATENCY[0], "memory_bytes": 0}]  # where the system does not say it
    assert [each["passed"] for each in compared(limit, MEASURED, unknown, 1)] == [False]


def test_what_was_found_has_its_interval(sample: Sample) -> None:
    clean = {"accuracy": {"value": 0.9, "low": 0.8, "high": 0.95}, "ece": 0.02}
    limits = read({"accuracy": {"clean": 0.85}, "ece": {"clean": 0.03}}, sample).given
    found = compared(limits, replace(MEASURED, clean=clean), LATENCY, 1)
    assert [each["interval"] for each in found] == [[0.8, 0.95], None]


def test_defaults_hold_unless_they_are_stated(sample: Sample) -> None:
    def names(document: Any, **known: bool) -> list[str]:
        return [limit.name for limit in read(document, sample).all(sample, **known)]

    assert names(None, abstains=False) == ["latency_p95_ms"]
    irrelevant = [f"abstained.{one.name}" for one in sample.irrelevant]
    assert names(None, abstains=True) == ["latency_p95_ms", *irrelevant]
    assert names({"latency_p95_ms": float("inf")}, abstains=False) == []
    stated = read({"latency_p95_ms": 7}, sample).all(sample, abstains=False)
    assert [limit.bound for limit in stated] == [7]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"acuracy": {"clean": 0.9}}, r"Received acuracy\. Did you mean accuracy\?"),
        ({"accuracy": {"blurr": 0.9}}, r"Received accuracy\.blurr\. Did you mean accuracy\.blur\?"),
        ({"accuracy": {"blur": {"6": 0.9}}}, r"Received accuracy\.blur\.6\. Known are 1, 2, 3, 4, 5"),
        ({"accuracy": {"mosaic": 0.9}}, r"Received accuracy\.mosaic"),
        ({"accuracy": 0.9}, r"`accuracy` must be a table"),
        ({"accuracy": {"clean": "high"}}, r"`accuracy\.clean` must be a number"),
        ({"latency_p95_ms": True}, r"`latency_p95_ms` must be a number"),
        ({"mae": {"clean": 1}}, r"Received mae"),
        ({"card": {"oner": "me"}}, r"Received card\.oner\. Did you mean card\.owner\?"),
        ({"card": {"owner": 3}}, r"`card` must hold texts"),
    ],
)
def test_anything_else_is_refused(document: Any, said: str, sample: Sample) -> None:
    with pytest.raises(ValueError, match=said):
        read(document, sample)


def test_a_file_that_is_no_toml_is_named(tmp_path: Path, sample: Sample) -> None:
    file = tmp_path / "limits.toml"
    file.write_text("latency = ", encoding="utf-8")
    with pytest.raises(ValueError, match=r"must be a file of TOML\. Received .*limits\.toml"):
        read(file, sample)
    with pytest.raises(ValueError, match="must be a file that can be read"):
        read(tmp_path / "none.toml", sample)


def test_the_owner_states_what_only_they_know(sample: Sample) -> None:
    assert read({"card": {"owner": "Ada"}}, sample).card == {"owner": "Ada"}
