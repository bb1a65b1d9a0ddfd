"""Costs from a file to decisions: on train, predict and evaluate, in what is written, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mindle
from mindle.api.costs import costs_for
from mindle.errors import DataError, DeviceError
from mindle.records import SILENT
from tests.processes import mindle as typed

QUICK: dict[str, Any] = {"model": "linear", "folds": 3, "repeats": 1, "listener": SILENT}
CLASSES = ("setosa", "versicolor", "virginica")
TABLE = """truth;setosa;versicolor;virginica;abstain
setosa;0;1;1;0,4
virginica;1;30;0;0,4
versicolor;1;1;0,5;0,4
"""


@pytest.fixture(scope="module")
def costed(tmp_path_factory: pytest.TempPathFactory) -> tuple[mindle.Run, Path]:
    """A run on the iris table, with costs from a spreadsheet."""
    root = tmp_path_factory.mktemp("costs")
    file = root / "costs.csv"
    file.write_text(TABLE.replace("\n", "\r\n"), encoding="utf-8-sig")
    return mindle.train("iris", out=root / "run", cost=file, **QUICK), file


def test_decisions_stand_beside_what_is_predicted(costed: tuple[mindle.Run, Path]) -> None:
    run, file = costed
    answers = pd.read_csv(run.path / "predictions.csv", keep_default_na=False)
    costs = costs_for(file, CLASSES)
    assert costs is not None
    probabilities = answers[[f"p_{name}" for name in CLASSES]].to_numpy()
    expected = probabilities @ np.column_stack([costs.table, costs.abstain])
    wanted = np.array([*CLASSES, "abstain"])[expected.argmin(axis=1)]
    wanted[answers["abstain"] != ""] = "abstain"
    assert (answers["decision"] == wanted).mean() > 0.99  # eight decimals may tie
    assert (answers["predicted"] == np.array(CLASSES)[probabilities.argmax(axis=1)]).all()
    test = run.metrics["test"]
    of_test = (answers["split"] == "test").to_numpy()
    at = [CLASSES.index(label) for label in answers["label"][of_test]]
    names = [*CLASSES, "abstain"]
    paid = np.column_stack([costs.table, costs.abstain])[
        at, [names.index(one) for one in answers["decision"][of_test]]
    ]
    assert test["cost"]["value"] == pytest.approx(paid.mean())
    assert test["cost"]["low"] <= paid.mean() <= test["cost"]["high"]
    assert test["cost_without_abstaining"] >= 0


def test_new_rows_are_decided_by_the_bundle_or_by_other_costs(
    costed: tuple[mindle.Run, Path], tmp_path: Path
) -> None:
    run, _ = costed
    row = {
        "sepal length (cm)": [6.0],
        "sepal width (cm)": [2.8],
        "petal length (cm)": [4.9],
        "petal width (cm)": [1.7],
    }
    columns = pd.DataFrame(row)
    own = mindle.predict(run.path / "bundle", columns)
    assert own["decision"][0] in (*CLASSES, "abstain")
    other = tmp_path / "other.csv"
    zero = "truth,setosa,versicolor,virginica\n" + "".join(f"{name},0,9,9\n" for name in CLASSES)
    other.write_text(zero)
    assert mindle.predict(run, columns, cost=other)["decision"].tolist() == ["setosa"]
    data = tmp_path / "new.csv"
    columns.assign(target="versicolor").to_csv(data, index=False)
    found = mindle.evaluate(run, data, cost=other)["test"]
    assert found["cost"]["value"] == 0.0
    assert found["conformal"]["target"] == 0.9


def test_a_run_goes_on_only_with_the_same_costs(costed: tuple[mindle.Run, Path], tmp_path: Path) -> None:
    run, file = costed
    document = json.loads((run.path / "run.json").read_text("utf-8"))
    assert document["asked"]["cost"]["classes"] == list(CLASSES)
    moved = tmp_path / "moved.csv"
    moved.write_bytes(file.read_bytes())
    again = mindle.train("iris", out=run.path, cost=moved, resume=True, **QUICK)  # the content is what counts
    assert again.path == run.path
    moved.write_text(TABLE.replace("30", "31"))
    with pytest.raises(ValueError, match="cost"):
        mindle.train("iris", out=run.path, cost=moved, resume=True, **QUICK)


def test_what_is_no_table_of_these_classes_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "costs.csv"
    file.write_text(TABLE)
    with pytest.raises(ValueError, match="estimates a number"):
        mindle.train("diabetes", cost=file, out=tmp_path / "run", **QUICK)
    with pytest.raises(ValueError, match="a, b"):
        costs_for(file, ("a", "b"))
    with pytest.raises(DataError, match="absent"):
        costs_for(tmp_path / "absent.csv", CLASSES)
    with pytest.raises(DeviceError):
        costs_for("/dev/null", CLASSES)
    assert costs_for(None, ()) is None


@pytest.mark.slow
def test_at_the_prompt_a_number_has_no_costs(tmp_path: Path) -> None:
    (tmp_path / "costs.csv").write_text(TABLE)
    done = typed("train", "diabetes", "--cost", "costs.csv", "--model", "linear", cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert "estimates a number" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_names_may_be_copied_from_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "costs.csv"
    file.write_text("truth,'=SUM(1),b\n'=SUM(1),0,1\nb,1,0\n")
    costs = costs_for(file, ("=SUM(1)", "b"))
    assert costs is not None
    assert costs.classes == ("=SUM(1)", "b")


def test_a_file_that_is_no_table_of_cells_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "costs.csv"
    file.write_text("truth,a,b\na,0\r1,1\n")
    with pytest.raises(DataError, match="new-line character"):
        costs_for(file, ("a", "b"))


def test_what_is_no_path_is_refused() -> None:
    given: Any = [["truth", "a", "b"]]
    with pytest.raises(TypeError, match="`cost` must be the path of a CSV file. Received list"):
        costs_for(given, ("a", "b"))
