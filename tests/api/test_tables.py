"""The whole way of a table: read, check, fit, bundle, predict, report."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_iris, load_wine
from sklearn.preprocessing import normalize, scale

import mindle
from mindle.artifacts.manifest import read_manifest
from mindle.cli.tables import write_answers
from mindle.errors import ArtifactError, DataError, DataWarning
from mindle.records import SILENT, Silent
from mindle.serving.opened import open_model

QUICK: dict[str, Any] = {"model": "linear", "folds": 3, "repeats": 2, "listener": SILENT}


class Heard(Silent):
    """Keeps every sentence."""

    def __init__(self, sentences: list[str]) -> None:
        self.sentences = sentences

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)


@pytest.fixture(scope="module")
def iris(tmp_path_factory: pytest.TempPathFactory) -> tuple[mindle.Run, Path]:
    """A run on the iris table as people keep theirs: a semicolon CSV with ids and a row without a target."""
    root = tmp_path_factory.mktemp("iris")
    frame = load_iris(as_frame=True).frame
    frame["target"] = frame["target"].map({0: "들꽃", 1: "versicolor", 2: "virginica"})
    frame.insert(0, "plant", [f"P{n:03d}" for n in range(len(frame))])
    frame.loc[7, "target"] = None
    frame.to_csv(root / "iris.csv", sep=";", index=False)
    run = mindle.train(root / "iris.csv", target="target", ids=["plant"], out=root / "run", **QUICK)
    return run, root / "iris.csv"


@pytest.fixture(scope="module")
def diabetes(tmp_path_factory: pytest.TempPathFactory) -> mindle.Run:
    """A regression on an embedded table."""
    return mindle.train("diabetes", out=tmp_path_factory.mktemp("diabetes") / "run", **QUICK)


def test_every_row_judges_once_a_repeat_by_a_model_without_it(iris: Any) -> None:
    run, _ = iris
    answers = pd.read_csv(run.path / "predictions.csv")
    evaluated = answers[answers["split"] == "test"]["path"].value_counts()
    assert set(evaluated) == {2}
    assert set(evaluated.index) == {f"row {n}" for n in range(1, 151)} - {"row 8"}
    test = run.metrics["test"]
    assert test["n"] == 149
    assert test["protocol"] == "nested 3-fold cross-validation, repeated 2 times"
    assert test["accuracy"]["low"] < test["accuracy"]["value"] < test["accuracy"]["high"] <= 1
    assert test["accuracy"]["value"] > 0.9 > run.metrics["baselines"]["majority"]


def test_every_row_has_a_line_in_the_manifest(iris: Any) -> None:
    rows = {row.path: row for row in read_manifest(iris[0].path / "manifest.csv")}
    assert len(rows) == 150
    assert rows["row 8"].finding == "no-target"
    assert rows["row 1"].label == "들꽃"


def test_answers_need_no_order_of_columns_and_carry_ids(iris: Any, tmp_path: Path) -> None:
    run, file = iris
    frame = pd.read_csv(file, sep=";")
    mixed = frame[frame.columns[::-1]].assign(extra=1).iloc[::-1]
    answers = run.predict(mixed)
    assert answers["plant"].tolist() == mixed["plant"].tolist()
    plain = run.predict(file).set_index("plant")
    found = answers.set_index("plant").loc[plain.index, "p_virginica"]
    # The last bit depends on where in a batch a row stands.
    np.testing.assert_allclose(found, plain["p_virginica"], rtol=1e-12)
    rows = json.loads(frame.drop(columns="target").head(2).to_json(orient="records"))
    (tmp_path / "rows.json").write_text(json.dumps(rows), "utf-8")
    assert run.predict(tmp_path / "rows.json")["predicted"].tolist() == plain["predicted"].head(2).tolist()
    assert run.predict(rows)["confidence"].tolist() == plain["confidence"].head(2).tolist()
    assert plain["path"].unique().tolist() == [str(file)]


def test_missing_columns_are_named_all_at_once(iris: Any) -> None:
    run, file = iris
    frame = pd.read_csv(file, sep=";").drop(columns=["sepal width (cm)", "petal length (cm)"])
    with pytest.raises(DataError, match=r"without sepal width \(cm\), petal length \(cm\)"):
        run.predict(frame)


def test_a_row_that_cannot_be_read_has_a_reason(iris: Any) -> None:
    rows = [{"sepal length (cm)": 5}, dict.fromkeys(load_iris().feature_names, 5.0)]
    answers = iris[0].predict(rows)
    assert "The row lacks" in answers["reason"][0]
    assert pd.isna(answers["predicted"][0])
    assert answers["predicted"][1] in iris[0].classes


def test_new_labelled_rows_are_judged(iris: Any, tmp_path: Path) -> None:
    run, file = iris
    frame = pd.read_csv(file, sep=";")
    frame.loc[:2, "target"] = "rose"
    frame.to_csv(tmp_path / "new.csv", index=False)
    evaluated = mindle.evaluate(run, tmp_path / "new.csv", out=tmp_path / "answers.csv")
    assert evaluated["unknown_classes"] == {"rose": 3}
    assert evaluated["test"]["n"] == 146
    assert evaluated["test"]["accuracy"]["value"] > 0.9
    assert len(pd.read_csv(tmp_path / "answers.csv")) == 146
    with pytest.raises(DataError, match="must have the target 'target'"):
        mindle.evaluate(run, frame.drop(columns="target"))


def test_the_bundle_alone_answers_the_same(iris: Any) -> None:
    run, file = iris
    bundle = mindle.load(run.path / "bundle")
    pd.testing.assert_frame_equal(bundle.predict(file), run.predict(file))
    with pytest.raises(ArtifactError, match="PyTorch model"):
        run.predict(file, engine="torch")


def test_the_report_tells_columns_and_what_answers_rest_on(iris: Any, diabetes: Any, tmp_path: Path) -> None:
    page = (iris[0].path / "report.html").read_text("utf-8")
    assert "petal width (cm)" in page
    assert "들꽃" in page
    assert "보고서" in mindle.report(diabetes, lang="ko", out=tmp_path / "ko.html").read_text("utf-8")
    assert "mean absolute error" in (diabetes.path / "report.html").read_text("utf-8").lower()


def test_estimates_have_intervals_that_hold_what_they_promise(diabetes: Any) -> None:
    test = diabetes.metrics["test"]
    assert test["mae"]["value"] < 50 < 0.8 * diabetes.metrics["baselines"]["mean"]
    assert 0.85 < test["coverage"]["value"] < 0.97
    features, _ = load_diabetes(return_X_y=True, as_frame=True)
    answers = diabetes.predict(features)
    assert (answers["low"] < answers["predicted"]).all()
    assert (answers["predicted"] < answers["high"]).all()
    assert diabetes.classes == ()


def test_numbers_that_are_classes_come_back_as_numbers(tmp_path: Path) -> None:
    frame = load_iris(as_frame=True).frame.rename(columns={"target": "kind"})
    run = mindle.train(frame, target="last", out=tmp_path / "run", **{**QUICK, "repeats": 1})
    assert run.predict(frame.head(3))["predicted"].tolist() == [0, 0, 0]


def test_many_rows_are_judged_once_by_the_bundle(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(2400, 3)), columns=["a", "b", "c"])
    frame["day"] = pd.date_range("2024-01-01", periods=2400, freq="h").astype(str)
    frame["price"] = 3 * frame["a"] - frame["b"] + rng.normal(size=2400)
    run = mindle.train(frame, target="price", time="day", out=tmp_path / "run", **QUICK)
    test = run.metrics["test"]
    assert test["protocol"] == "one split"
    assert test["n"] == 360
    parts = [row.split for row in read_manifest(run.path / "manifest.csv")]
    assert parts[-360:] == ["test"] * 360
    answers = run.predict(frame.tail(360))
    written = pd.read_csv(run.path / "predictions.csv").query("split == 'test'")
    np.testing.assert_allclose(answers["predicted"], written["predicted"], rtol=1e-9)


def test_a_finished_run_is_left_alone_and_other_settings_are_refused(iris: Any) -> None:
    run, file = iris
    before = (run.path / "metrics.json").read_bytes()
    again = mindle.train(file, target="target", ids=["plant"], out=run.path, resume=True, **QUICK)
    assert (again.path / "metrics.json").read_bytes() == before
    with pytest.raises(ValueError, match=r"differs in recipe\.table\.folds: 3, now 4"):
        mindle.train(file, target="target", ids=["plant"], out=run.path, resume=True, **{**QUICK, "folds": 4})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"target": "price"}, "price"),
        ({}, "target"),
        ({"target": "target", "strategy": "probe"}, "`strategy` must be left out for a table"),
        ({"target": "target", "device": "cuda"}, "`device` must be left out for a table.*device='cuda'"),
        ({"target": "target", "model": "magic"}, "`models` must be among"),
    ],
)
def test_wrong_arguments_are_named(iris: Any, tmp_path: Path, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises((ValueError, DataError), match=said):
        mindle.train(iris[1], out=tmp_path / "run", listener=SILENT, **arguments)
    with pytest.raises(ValueError, match="`target` must be left out for images"):
        mindle.train("digits", target="x", listener=SILENT)


@pytest.mark.parametrize("call", [mindle.check, mindle.train, mindle.tune])
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"columns": ["a", "b"]}, r"`columns` .*Received columns=\('a', 'b'\)"),
        ({"kinds": {"a": "number"}}, "`kinds` .*Received kinds={'a': 'number'}"),
        ({"group": "plant"}, "`group` .*Received group='plant'"),
        ({"time": 2}, "`time` .*Received time=2"),
        ({"ids": ["plant"], "group": "plant"}, "`group` "),
    ],
)
def test_what_is_said_of_rows_is_refused_for_images(call: Any, arguments: dict[str, Any], said: str) -> None:
    pytest.importorskip("optuna")
    with pytest.raises(ValueError, match=said.replace("` ", "` must be left out for images")):
        call("digits", listener=SILENT, **arguments)


# ---- recipes and diagnoses --------------------------------------------------------------------------------

ONE_NET = """
strategy = "table"
[table]
models = ["nets"]
hidden_layer_sizes = [8]
ensemble_size = 1
epochs = 20
folds = 2
repeats = 1
"""


def test_a_recipe_and_settings_say_how_nets_are_trained(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(ONE_NET, "utf-8")
    settings = {"table.epochs": "2", "table.scale": "rows"}
    run = mindle.train(
        "diabetes", recipe=tmp_path / "mine.toml", set=settings, out=tmp_path / "run", listener=SILENT
    )
    document = run.folder.document()
    asked = document["asked"]["recipe"]["table"]
    assert (asked["epochs"], asked["hidden_layer_sizes"], asked["scale"], asked["folds"]) == (
        2,
        [8],
        "rows",
        2,
    )
    assert document["asked"]["budget_seconds"] is None  # a recipe runs to its end
    assert document["parameters"]["trainable"] == 10 * 8 + 8 + 8 + 1
    assert run.metrics["test"]["protocol"] == "nested 2-fold cross-validation"
    report = (run.path / "report.html").read_text("utf-8")
    assert "hidden_layer_sizes = [8]" in report
    assert "Columns mixed by normalising rows" in report


def test_without_a_recipe_single_settings_change_the_usual_way(tmp_path: Path) -> None:
    run = mindle.train(
        "iris", model="linear", folds=2, set={"table.repeats": 1}, out=tmp_path / "run", listener=SILENT
    )
    document = run.folder.document()
    assert document["asked"]["budget_seconds"] == 270
    assert document["asked"]["recipe"]["table"]["models"] == ["linear"]
    assert document["diagnoses"] == []
    assert 'id="diagnosis"' not in (run.path / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"recipe": "probe"}, "`recipe` must be for a table"),
        ({"set": {"train.epochs": 3}}, r"`train\.epochs` must not be set: it is about images"),
        ({"set": {"table.epoch": 3}}, r"Did you mean 'table\.epochs'"),
        ({"folds": 1}, "`folds` must lie in 2 to"),
    ],
)
def test_what_means_nothing_to_a_table_is_refused(tmp_path: Path, arguments: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        mindle.train("iris", out=tmp_path / "run", listener=SILENT, **arguments)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("kind", "title", "how"),
    [
        ("rows-normalised", "Columns mixed by normalising rows", normalize),
        ("fitted-on-test", "Scaling fitted on the test split", scale),
    ],
)
def test_what_a_file_had_been_through_is_in_run_and_report(
    tmp_path: Path, kind: str, title: str, how: Any
) -> None:
    wine = load_wine(as_frame=True)
    frame = pd.DataFrame(how(wine.data.to_numpy()), columns=wine.feature_names).round(6)
    frame.assign(kind=[f"vine {n}" for n in wine.target]).to_csv(tmp_path / "wine.csv", index=False)
    run = mindle.train(tmp_path / "wine.csv", target="kind", out=tmp_path / "run", **QUICK)
    found = run.folder.document()["diagnoses"]
    assert [each["kind"] for each in found] == [kind]
    report = (run.path / "report.html").read_text("utf-8")
    assert title in report
    assert found[0]["evidence"]["title"] in report


def test_new_rows_written_otherwise_get_the_same_answers(iris: Any, tmp_path: Path) -> None:
    run, file = iris
    assert run.bundle.spec.separator == ";"
    plain = run.predict(file)
    pd.read_csv(file, sep=";").to_csv(tmp_path / "german.csv", sep="\t", decimal=",", index=False)
    with pytest.warns(DataWarning, match="a decimal comma in sepal length"):
        german = run.predict(tmp_path / "german.csv")
    pd.testing.assert_frame_equal(german.drop(columns="path"), plain.drop(columns="path"))
    heard: list[str] = []
    evaluated = run.evaluate(tmp_path / "german.csv", listener=Heard(heard))
    assert evaluated["test"]["n"] == 149
    assert evaluated["unreadable"] == []
    assert list(evaluated["written"]) == [str(tmp_path / "german.csv")]
    assert any("a decimal comma" in sentence for sentence in heard)


def test_unreadable_cells_are_counted_by_every_call(iris: Any, tmp_path: Path) -> None:
    run, file = iris
    frame = pd.read_csv(file, sep=";").astype(object).head(6)
    name = str(frame.columns[1])
    frame.loc[2:3, name] = ["7.5 EUR", float("inf")]
    frame.to_csv(tmp_path / "odd.csv", index=False)
    cells = f"2 cells of {re.escape(repr(name))}"
    said = f"{cells}.* are not numbers and are read as missing; first in row 3: '7.5 EUR'"
    for source in (tmp_path / "odd.csv", frame, frame.to_dict("list"), frame.to_dict("records")):
        with pytest.warns(DataWarning, match=said):
            assert len(run.predict(source)) == 6
        with pytest.warns(DataWarning, match=said):
            (odd,) = run.evaluate(source)["unreadable"]
        assert (odd["column"], odd["count"], odd["row"], odd["cell"]) == (name, 2, 3, "7.5 EUR")
    opened, answered = open_model(run.path), tmp_path / "answers.json"
    write_answers(opened, opened.source.inputs([str(tmp_path / "odd.csv")]), out=None, json=str(answered))
    document = json.loads(answered.read_text("utf-8"))
    assert [odd["count"] for odd in document["unreadable"]] == [2]
    with pytest.warns(DataWarning):
        assert len(run.predict(tmp_path / "odd.csv", separator=",", header=1)) == 6
    with pytest.raises(DataError, match="separated by ';', without"):
        run.predict(tmp_path / "odd.csv", separator=";")
    frame[name] = "7.5 EUR"
    for call in (run.predict, run.evaluate):
        with pytest.raises(DataError, match=re.escape(f"none of 6 cells of {name!r} is a number")):
            call(frame)


@pytest.mark.parametrize("rows", [slice(0, 1), slice(0, 5), slice(60, 70)])
def test_few_rows_of_one_class_can_be_judged_by(iris: Any, rows: slice) -> None:
    run, file = iris
    frame = pd.read_csv(file, sep=";")[rows]
    assert run.evaluate(frame)["test"]["n"] == len(frame)


def test_one_row_can_be_judged_by_where_numbers_are_estimated(diabetes: mindle.Run) -> None:
    frame = load_diabetes(as_frame=True).frame
    heard: list[str] = []
    assert diabetes.evaluate(frame.head(1), listener=Heard(heard))["test"]["n"] == 1
    assert heard[0].endswith("(n = 1)")
