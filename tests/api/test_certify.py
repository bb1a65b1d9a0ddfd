"""`certify`: what is refused before anything is measured, and whole certificates."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mindle
from mindle.certification.document import DOCUMENT, PAGE, Certificate
from mindle.errors import DataError
from mindle.records import SILENT
from tests.certification.models import data_of, recorded
from tests.pictures import fingerprints


def certify(name: str, folder: Path, **options: Any) -> Certificate:
    bundle = recorded(name, folder) / "bundle"
    options = {"data": data_of(name, folder), "out": folder / "certificate", "budget": 300, **options}
    return mindle.certify(bundle, listener=SILENT, **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"out": None}, "`out` must be given for a bundle"),
        ({"data": None}, "`data` must be given for a bundle"),
        ({"limits": {"acuracy": {}}}, "Did you mean accuracy"),
        ({"budget": "soon"}, "`budget` must be a time"),
        ({"lang": "de"}, "`lang` must be one of"),
    ],
)
def test_wrong_calls_write_nothing(options: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=said):
        certify("iris", tmp_path, **options)
    assert not (tmp_path / "certificate").exists()


def test_nothing_of_the_user_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "certificate").mkdir()
    (tmp_path / "certificate" / "notes.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ValueError, match=r"Received .*certificate, which holds other files"):
        certify("iris", tmp_path)
    with pytest.raises(ValueError, match="which is a file"):
        certify("iris", tmp_path, out=tmp_path / "certificate" / "notes.txt")
    with pytest.raises(ValueError, match="must lie outside of the data"):
        certify("shapes-0", tmp_path, out=tmp_path / "photos" / "certificate")
    assert fingerprints(tmp_path / "certificate").keys() == {".", "notes.txt"}


def test_data_that_the_model_knows_nothing_of_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="must have every column"):
        certify("iris", tmp_path, data={"other": [1, 2]})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["shapes-0", "discs", "iris", "diabetes"])
def test_a_certificate_of_each_corner_of_the_house(name: str, tmp_path: Path) -> None:
    limits = {"latency_p95_ms": float("inf"), "size_mb": 1000, "card": {"intended_use": "a test"}}
    made = certify(name, tmp_path, limits=limits)
    document = json.loads((made.path / DOCUMENT).read_text(encoding="utf-8"))
    assert document["limits"] == [
        {
            "name": "size_mb",
            "bound": "most",
            "limit": 1000,
            "found": pytest.approx(0, abs=1),
            "interval": None,
            "passed": True,
        }
    ]
    assert made.passed
    assert document["n"] == document["of"] == len(data(name, tmp_path))
    assert not document["abstains"]  # recorded before models could
    assert {block["severity"] for block in document["corruptions"]} == {1, 2, 3, 4, 5}
    for block in document["corruptions"]:
        assert block["difference"]["low"] <= block["difference"]["value"] <= block["difference"]["high"]
    assert [each["batch"] for each in document["latency"]] == [1, 8, 32]
    assert document["card"]["intended_use"]["intended_use"] == "a test"
    page = (made.path / PAGE).read_text(encoding="utf-8")
    assert "cannot abstain" in page
    assert "<script" not in page
    certify(name, tmp_path, limits=limits, lang="ko")  # an earlier certificate is written anew
    assert "인증서" in (made.path / PAGE).read_text(encoding="utf-8")


def data(name: str, folder: Path) -> range:
    """As many as there are labelled images or rows."""
    return range({"shapes-0": 24, "discs": 24, "iris": 150, "diabetes": 292}[name])


@pytest.mark.slow
def test_a_limit_that_does_not_hold(tmp_path: Path) -> None:
    made = certify("iris", tmp_path, limits={"accuracy": {"missing-cells": {"5": 0.99}}})
    assert not made.passed
    assert [limit["passed"] for limit in made.limits if limit["name"] == "accuracy.missing-cells.5"] == [
        False
    ]


@pytest.mark.slow
def test_a_model_that_can_abstain_does_so_on_rows_unlike_its_training(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).normal(size=(300, 2))
    table = {"a": numbers[:, 0], "b": numbers[:, 1], "y": np.where(numbers.sum(axis=1) > 0, "yes", "no")}
    learned = {name: column[:150].tolist() for name, column in table.items()}
    new = {name: column[150:].tolist() for name, column in table.items()}
    how: dict[str, Any] = {"recipe": "table", "model": "linear", "folds": 3, "repeats": 1}
    run = mindle.train(learned, target="y", out=tmp_path / "run", listener=SILENT, **how)
    made = run.certify(data=new, budget=120, limits={"latency_p95_ms": 1e6}, listener=SILENT)
    document = made.document
    assert made.path == tmp_path / "run" / "certificate"
    assert made.passed
    assert {limit["name"]: limit["limit"] for limit in made.limits}["abstained.unrelated"] == 0.95
    assert document["n"] == 150
    assert document["clean"]["abstained"]["value"] < 0.2
    assert document["clean"]["coverage"]["value"] > 0.8
    assert "cannot abstain" not in made.page.read_text(encoding="utf-8")
    with pytest.raises(DataError, match="Received 150 images or rows of its own training"):
        run.certify(data=learned, listener=SILENT)


@pytest.mark.slow
def test_a_table_that_was_split_is_measured_on_its_test_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    numbers = np.random.default_rng(0).normal(size=(2100, 2))
    lines = [f"{a:.4f};{b:.4f};{a + 2 * b:.4f}" for a, b in numbers.tolist()]
    Path("rows.csv").write_text("\n".join(["a;b;y", *lines]) + "\n", encoding="utf-8")
    run = mindle.train("rows.csv", target="y", model="linear", out="run", listener=SILENT)
    made = run.certify(budget=120, limits={"mae": {"clean": 0.1}, "latency_p95_ms": 1e6}, listener=SILENT)
    scores = run.metrics["test"]
    assert made.document["n"] == scores["n"]
    assert made.document["clean"]["mae"]["value"] == pytest.approx(scores["mae"]["value"], rel=1e-4)
    assert made.passed
    Path("rows.csv").write_text("\n".join(["a;b;y", *lines[::-1]]) + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"changed since, first 'row \d+'"):
        run.certify(listener=SILENT)
    Path("rows.csv").unlink()
    with pytest.raises(DataError, match=r"does not exist.*give labelled data with --data"):
        run.certify(listener=SILENT)
