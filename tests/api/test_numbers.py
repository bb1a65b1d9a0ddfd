"""Images whose target is a number, from the CSV to answers."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mindle
from mindle.artifacts.bundle import read_bundle
from mindle.artifacts.manifest import read_manifest
from mindle.errors import DataError
from mindle.records import Silent
from mindle.training.recipe import Recipe
from mindle.training.settings import ModelSettings, TrainSettings
from tests.discs import discs, write_discs
from tests.pictures import photo_folder
from tests.processes import mindle as typed
from tests.processes import python

LAYERS: tuple[Mapping[str, Any], ...] = (
    {"kind": "conv", "channels": 8, "activation": "relu"},
    {"kind": "max_pool"},
    {"kind": "flatten"},
    {"kind": "dense", "units": 32, "activation": "relu"},
    {"kind": "dense", "units": "classes"},
)
TINY = Recipe(
    strategy="scratch",
    model=ModelSettings(layers=LAYERS),
    train=TrainSettings(epochs=12, batch_size=16, learning_rate=3e-3),
)
SIDE = 16


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a list of discs, and a cache of its own."""
    folder = tmp_path_factory.mktemp("numbers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINDLE_CACHE", str(folder / "cache"))
        write_discs(folder / "data", 120, side=SIDE)
        yield folder


@pytest.fixture(scope="module")
def run(root: Path) -> mindle.Run:
    """A tiny net, trained on them."""
    return mindle.train(root / "data" / "discs.csv", recipe=TINY, out=root / "run", listener=Silent())


def table(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_a_run_is_judged_as_a_regression(run: mindle.Run) -> None:
    metrics = run.metrics
    assert (metrics["task"], metrics["classes"], metrics["target"]) == ("regression", [], "target")
    test = metrics["test"]
    assert 18 <= test["n"] <= 20
    # The net has learned the size of the discs, and chance does not look like that on eighteen images.
    assert test["mae"]["high"] < metrics["baselines"]["mean"]
    assert test["r2"]["value"] > 0.7
    assert {"mae", "rmse", "r2", "correlation", "median_absolute_error", "coverage"} <= set(test)
    assert test["interval_level"] == 0.9
    assert test["coverage"]["value"] > 0.6
    assert set(metrics["baselines"]) == {"mean", "colour"}
    history = run.folder.history()
    assert float(history[-1]["val_mae"]) < float(history[0]["val_mae"])


def test_files_of_a_run(run: mindle.Run, root: Path) -> None:
    rows = table(run.path / "predictions.csv")
    assert list(rows[0]) == ["path", "split", "target", "predicted", "low", "high", "abstain"]
    test = [row for row in rows if row["split"] == "test"]
    assert all(float(row["low"]) <= float(row["predicted"]) <= float(row["high"]) for row in test)
    listed = {row["path"]: row["target"] for row in table(root / "data" / "discs.csv")}
    manifest = read_manifest(run.path / "manifest.csv")
    assert {row.path: float(row.label) for row in manifest} == {k: float(v) for k, v in listed.items()}
    bundle = read_bundle(run.path / "bundle")
    assert (bundle.classes, bundle.details["task"], bundle.details["target"]) == ((), "regression", "target")
    assert set(bundle.intervals()) == {"errors", "counts"}
    assert bundle.details["parity"]["largest_difference"] < 1e-4
    report = (run.path / "report.html").read_text(encoding="utf-8")
    assert "Largest errors" in report
    assert "data:image/jpeg" in report


def test_the_bundle_answers_files_and_arrays(run: mindle.Run, root: Path) -> None:
    images, diameters = discs(120, side=SIDE)
    picture = root / "data" / "0003.png"
    answers = mindle.load(run).predict([str(picture), images[3], "gone.png"])
    assert list(answers.columns) == ["path", "predicted", "low", "high", "abstain", "reason"]
    assert answers["predicted"][0] == pytest.approx(answers["predicted"][1])
    assert abs(answers["predicted"][0] - diameters[3]) < diameters.std()
    assert answers["reason"][2]
    assert np.isnan(answers["predicted"][2])
    own = mindle.predict(run, [str(picture)], engine="torch")
    assert own["predicted"][0] == pytest.approx(answers["predicted"][0], rel=1e-4)
    assert own["high"][0] == pytest.approx(answers["high"][0], rel=1e-4)


def test_serving_needs_no_torch(run: mindle.Run, root: Path) -> None:
    program = (
        "import sys, mindle\n"
        f"mindle.predict({str(run.path / 'bundle')!r}, [{str(root / 'data' / '0000.png')!r}])\n"
        "assert 'torch' not in sys.modules\n"
    )
    python(program)


def test_new_pictures_are_judged(run: mindle.Run, tmp_path: Path) -> None:
    file = write_discs(tmp_path / "new", 40, side=SIDE, seed=5)
    found = mindle.evaluate(run, file, out=tmp_path / "answers.csv")
    assert found["test"]["n"] == 40
    assert found["test"]["r2"]["value"] > 0.5
    assert list(table(tmp_path / "answers.csv")[0]) == [
        "path",
        "target",
        "predicted",
        "low",
        "high",
        "abstain",
    ]
    with pytest.raises(DataError, match="a column of numbers"):
        mindle.evaluate(run, photo_folder(tmp_path / "photos", 2))


def test_the_worst_come_first(run: mindle.Run) -> None:
    mistakes = run.mistakes
    assert list(mistakes.columns) == ["path", "target", "predicted", "error"]
    assert mistakes["error"].abs().is_monotonic_decreasing
    assert "mean absolute error" in run._repr_html_().lower()


class Interrupts(Silent):
    """Presses Ctrl-C after some epochs."""

    def __init__(self, epoch: int) -> None:
        self.last = epoch

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Stop there."""
        if row["epoch"] == self.last:
            raise KeyboardInterrupt


def test_an_interrupted_run_ends_with_the_same_numbers(run: mindle.Run, root: Path) -> None:
    data, out = root / "data" / "discs.csv", root / "interrupted"
    with pytest.raises(KeyboardInterrupt):
        mindle.train(data, recipe=TINY, out=out, listener=Interrupts(4))
    again = mindle.train(data, recipe=TINY, out=out, resume=True, listener=Silent())
    assert (again.path / "predictions.csv").read_bytes() == (run.path / "predictions.csv").read_bytes()


def test_two_runs_are_compared(run: mindle.Run, root: Path) -> None:
    other = mindle.train(
        root / "data" / "discs.csv",
        recipe=TINY,
        set={"train.epochs": 1},
        out=root / "short",
        listener=Silent(),
    )
    found = json.dumps(mindle.compare([run, other]).as_dict())
    assert "mae" in found


def test_a_column_is_named(root: Path, tmp_path: Path) -> None:
    file = write_discs(tmp_path, 60, side=SIDE, column="diameter", extra="gone.png,3\n0000.png,99")
    checked = mindle.check(file, target="diameter")
    assert checked.dataset.task == "regression"
    assert {finding.kind for finding in checked.findings} == {"missing", "two-targets", "few-numbers"}
    assert "to estimate diameter" in checked.describe()[0]
    run = mindle.train(
        file, target="diameter", recipe=TINY, set={"train.epochs": 1}, out=tmp_path / "run", listener=Silent()
    )
    assert run.metrics["target"] == "diameter"
    # The report finds its pictures again, and the data are evaluated by the column that was learned.
    assert "data:image/jpeg" in run.report().read_text(encoding="utf-8")
    assert mindle.evaluate(run, file)["test"]["n"] == 59


def test_arrays_with_numbers_are_learned_answered_and_judged(root: Path, tmp_path: Path) -> None:
    images, diameters = discs(120, side=SIDE)
    np.savez(tmp_path / "discs.npz", data=images, targets=diameters)
    run = mindle.train(tmp_path / "discs.npz", recipe=TINY, out=tmp_path / "run", listener=Silent())
    assert (run.metrics["task"], run.metrics["target"]) == ("regression", "target")
    assert run.metrics["test"]["mae"]["high"] < run.metrics["baselines"]["mean"]
    assert "data:image/jpeg" in run.report(out=tmp_path / "again.html").read_text(encoding="utf-8")
    answers = mindle.predict(run, list(images[:30]))
    assert np.abs(answers["predicted"] - diameters[:30]).mean() < diameters.std()
    # What was learned is estimated again, also of arrays that happen to hold whole numbers, and of a list.
    np.savez(tmp_path / "whole.npz", data=images[:40], targets=np.round(diameters[:40]))
    assert mindle.check(tmp_path / "whole.npz").dataset.task == "multiclass"
    assert mindle.evaluate(run, tmp_path / "whole.npz")["test"]["n"] == 40
    evaluated = mindle.evaluate(run, root / "data" / "discs.csv")["test"]
    assert evaluated["mae"]["value"] < diameters.std()
    with pytest.raises(ValueError, match=r"`target` must be left out"):
        mindle.train(tmp_path / "discs.npz", target="targets", out=tmp_path / "no", listener=Silent())


def test_a_model_of_classes_is_not_judged_by_numbers(root: Path, tmp_path: Path) -> None:
    run = mindle.train(
        photo_folder(tmp_path / "photos", 6),
        strategy="scratch",
        set={"train.epochs": 1},
        out=tmp_path / "run",
        listener=Silent(),
    )
    with pytest.raises(DataError, match=r"must hold classes.*'target' holds numbers"):
        mindle.evaluate(run, root / "data" / "discs.csv")


def test_labels_that_are_numbers_stay_classes_unless_asked(tmp_path: Path) -> None:
    file = write_discs(tmp_path, 12, side=SIDE, column="label")
    assert mindle.check(file).dataset.task == "multiclass"
    assert mindle.check(file, task="regression").dataset.task == "regression"


def test_what_has_no_numbers_says_so(run: mindle.Run, root: Path, tmp_path: Path) -> None:
    data = root / "data" / "discs.csv"
    with pytest.raises(ValueError, match="holds numbers to estimate"):
        mindle.prepare(data, tmp_path / "out")
    with pytest.raises(ValueError, match="must predict classes"):
        mindle.ensemble([run, run])
    with pytest.raises(ValueError, match="train.balance"):
        mindle.train(data, imbalance="weights", out=tmp_path / "run", listener=Silent())
    with pytest.raises(ValueError, match="`target` must be a column"):
        mindle.train(data, target="size", out=tmp_path / "run", listener=Silent())
    with pytest.raises(ValueError, match="`task` must be left out"):
        mindle.train("digits", task="regression", out=tmp_path / "run", listener=Silent())


def test_a_search_is_for_classes(root: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    with pytest.raises(ValueError, match="A search of recipes must be of images in classes"):
        mindle.tune(root / "data" / "discs.csv", trials=1, out=tmp_path / "run", listener=Silent())


def test_a_table_with_a_column_called_path_stays_one(tmp_path: Path) -> None:
    lines = [f"logs/{row}.txt,{row % 7},{3.5 * (row % 7) + row / 100}" for row in range(60)]
    file = tmp_path / "table.csv"
    file.write_text("\n".join(["path,size,cost", *lines]), encoding="utf-8")
    assert type(mindle.check(file, target="cost").dataset).__name__ == "Table"


def test_at_the_prompt(root: Path, tmp_path: Path) -> None:
    file = write_discs(tmp_path / "data", 40, side=SIDE, column="size")
    out = tmp_path / "run"
    recipe = ["--strategy", "scratch", "--set", "train.epochs=1"]
    done = typed("train", str(file), "--target", "size", *recipe, "--out", str(out))
    assert "test mean absolute error" in done.stderr
    assert "always the mean" in done.stderr
    answers = typed("predict", str(out), str(file.parent / "0001.png"))
    assert answers.stdout.splitlines()[0] == "path,predicted,low,high,abstain,reason"
    typed("check", str(file), "--target", "size")


@pytest.mark.slow
def test_heads_on_a_frozen_backbone(tmp_path: Path) -> None:
    file = write_discs(tmp_path / "data", 80, side=40)
    run = mindle.train(
        file,
        strategy="probe",
        model="tf_efficientnet_lite0",
        set={"probe.views": 1},
        out=tmp_path / "run",
        listener=Silent(),
    )
    assert run.metrics["strategy"] == "probe"
    assert run.metrics["test"]["mae"]["high"] < run.metrics["baselines"]["mean"] / 3
    tried = [attempt["name"] for attempt in run.folder.document()["tried"]]
    assert [name.split(" on ")[0] for name in tried][:4] == [
        "mean",
        "rbf head",
        "ridge head",
        "rbf and ridge heads",
    ]
    assert any(name.endswith(", 1 view") for name in tried)
    assert len(read_bundle(run.path / "bundle").intervals()["counts"]) == 5
    own = mindle.predict(run, [str(file.parent)], engine="torch")
    served = mindle.predict(run.path / "bundle", [str(file.parent)])
    assert np.allclose(own["predicted"], served["predicted"], rtol=1e-4, equal_nan=True)


@pytest.mark.slow
def test_auto_takes_the_closest(tmp_path: Path) -> None:
    file = write_discs(tmp_path / "data", 80, side=24)
    run = mindle.train(
        file, model="tf_efficientnet_lite0", budget=120, out=tmp_path / "run", listener=Silent()
    )
    tried = {attempt["name"]: attempt for attempt in run.folder.document()["tried"]}
    chosen = [attempt for attempt in tried.values() if attempt["chosen"]]
    assert len(chosen) == 1
    assert any(name.startswith("scratch") for name in tried)
    known = [attempt["value"] for attempt in tried.values() if attempt["value"] is not None]
    assert chosen[0]["value"] < tried["mean"]["value"]
    assert min(known) <= chosen[0]["value"] <= 1.5 * min(known)
