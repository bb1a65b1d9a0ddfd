"""Runs on disk beside each other; the folders are written as a training writes them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mindle
from mindle.artifacts.manifest import COLUMNS
from mindle.artifacts.run import FINISHED, RunFolder
from mindle.errors import ArtifactError
from mindle.evaluation.metrics import score
from mindle.evaluation.regression import score_estimates
from mindle.records import SILENT, Estimates, Predictions


def write(folder: Path, answers: Predictions | Estimates, *, sha256: str = "a") -> Path:
    folder.mkdir(parents=True)
    run = RunFolder(folder)
    metrics: dict[str, Any] = {"strategy": "probe", "seconds": {"total": 12.0}}
    if isinstance(answers, Predictions):
        run.write_answers({"test": answers})
        metrics |= {"task": "multiclass", "test": score(answers), "images_per_second": {}}
    else:
        run.write_answers({"test": answers})
        metrics |= {"task": "regression", "test": score_estimates(answers)}
    run.write_metrics(metrics)
    kind = "folder" if isinstance(answers, Predictions) else "table"
    run.write_document({"state": FINISHED, "name": "flowers", "kind": kind})
    rows = [f"{path},{sha256}{path},,test,,0,0," for path in answers.paths]
    run.manifest.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n", encoding="utf-8")
    return folder


def answers(
    strength: float, *, classes: tuple[str, ...] = ("민들레", "rose", "oak"), n: int = 150
) -> Predictions:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 3, n)
    logits = generator.normal(size=(n, 3)) + strength * np.eye(3)[labels]
    odds = np.exp(logits)
    return Predictions(
        classes=classes,
        paths=tuple(f"{i}.jpg" for i in range(n)),
        probabilities=odds / odds.sum(axis=1, keepdims=True),
        labels=labels,
    )


def estimates(spread: float, repeats: int = 1) -> Estimates:
    generator = np.random.default_rng(0)
    truth = np.tile(generator.normal(size=80), repeats)
    return Estimates(
        paths=tuple(f"row {i}" for i in range(80)) * repeats,
        values=truth + spread * generator.normal(size=80 * repeats),
        targets=truth,
        repeats=repeats,
    )


def test_every_two_runs_are_compared_on_what_they_wrote(tmp_path: Path) -> None:
    folders = [write(tmp_path / f"run-{i}", answers(strength)) for i, strength in enumerate((0.5, 2.5, 2.6))]
    found = mindle.compare(folders)
    assert [run["name"] for run in found.runs] == ["run-0", "run-1", "run-2"]
    assert [pair[:2] for pair in found.pairs] == [("run-0", "run-1"), ("run-0", "run-2"), ("run-1", "run-2")]
    assert [comparison.main.better for _, _, comparison, _ in found.pairs] == ["second", "second", ""]
    assert all(adjusted >= comparison.main.chance for _, _, comparison, adjusted in found.pairs)
    said = found.sentences()
    assert said[0].startswith("“run-1” is clearly better than “run-0”. Accuracy over the same 150 images")
    assert "the same 150 images" in said[0]
    assert "150장" in found.sentences("ko")[0]
    document = found.as_dict()
    assert json.loads(json.dumps(document, allow_nan=False)) == document
    assert document["pairs"][0]["differences"]["accuracy"]["better"] == "second"
    assert document["runs"][0]["scores"]["accuracy"] == mindle.load(folders[0]).metrics["test"]["accuracy"]


@pytest.mark.parametrize("repeats", [1, 3])
def test_runs_that_estimate_numbers(tmp_path: Path, repeats: int) -> None:
    folders = [
        write(tmp_path / name, estimates(spread, repeats)) for name, spread in (("a", 1.0), ("b", 0.4))
    ]
    found = mindle.compare(folders)
    comparison = found.pairs[0][2]
    assert (comparison.n, comparison.repeats, comparison.main.name) == (80, repeats, "mae")
    assert comparison.main.better == "second"
    assert "the same 80 rows" in found.sentences()[0]
    assert set(found.runs[0]["scores"]) == {"mae", "rmse", "r2"}


def test_runs_of_one_name_keep_their_paths(tmp_path: Path) -> None:
    folders = [
        write(tmp_path / part / "run", answers(strength)) for part, strength in (("x", 1.0), ("y", 2.0))
    ]
    assert [run["name"] for run in mindle.compare(folders).runs] == [str(folder) for folder in folders]


def test_what_differs_is_named(tmp_path: Path) -> None:
    plain = write(tmp_path / "plain", answers(1.0))
    others = {
        "classes": answers(1.0, classes=("민들레", "rose", "ash")),
        "rows": answers(1.0, n=149),
        "task": estimates(1.0),
    }
    words = {
        "classes": "Only in the second: 'ash'",
        "rows": "Only in the first: '149.jpg'",
        "task": "one of each",
    }
    for name, other in others.items():
        folder = write(tmp_path / name, other)
        with pytest.raises(ValueError, match=f"plain .* and {name} .* cannot be compared.*{words[name]}"):
            mindle.compare([plain, folder])


def test_files_that_changed_in_between_are_not_the_same_rows(tmp_path: Path) -> None:
    one = write(tmp_path / "one", answers(1.0))
    two = write(tmp_path / "two", answers(2.0), sha256="b")
    with pytest.raises(ValueError, match="150 changed in between, first '0.jpg'"):
        mindle.compare([one, two])


def test_a_comparison_takes_two_finished_runs(tmp_path: Path) -> None:
    one = write(tmp_path / "one", answers(1.0))
    with pytest.raises(ValueError, match="two runs or more"):
        mindle.compare([one])
    with pytest.raises(ValueError, match="two runs or more"):
        mindle.compare(str(one))
    with pytest.raises(ValueError, match="different runs"):
        mindle.compare([one, one])
    with pytest.raises(ArtifactError, match="neither"):
        mindle.compare([one, tmp_path / "nowhere"])
    with pytest.raises(ValueError, match="`lang` must be one of en, ko"):
        mindle.compare([one, one], lang="fr")
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "bundle.json").write_text("{}", encoding="utf-8")
    with pytest.raises(ArtifactError, match="keeps no predictions"):
        mindle.compare([one, bundle])


@pytest.mark.slow
def test_tables_judged_by_the_same_folds_are_compared_over_them(tmp_path: Path) -> None:
    runs = {
        model: mindle.train(
            "wine", model=model, folds=3, repeats=2, seed=seed, out=tmp_path / model, listener=SILENT
        )
        for seed, model in enumerate(("linear", "baseline"))  # the folds are of --split-seed, not of --seed
    }
    found = mindle.compare([runs["linear"].path, runs["baseline"].path]).pairs[0][2]
    assert {each.test for each in found.differences} == {"nadeau-bengio"}
    assert (found.n, found.repeats) == (178, 2)
    assert found.main.better == "first"
    assert found.main.low < found.main.value < found.main.high < -0.3
    # What has no folds, as runs of old, is compared over the rows.
    answers = RunFolder(runs["linear"].path)
    answers.write_answers({"test": replace(answers.answers()["test"], folds=None)})
    plain = mindle.compare([runs["linear"].path, runs["baseline"].path]).pairs[0][2]
    assert plain.main.test == "swaps"
    assert plain.main.value == pytest.approx(found.main.value)
    other = mindle.train(
        "wine", model="linear", folds=3, repeats=2, split_seed=1, out=tmp_path / "other", listener=SILENT
    )
    assert mindle.compare([other.path, runs["baseline"].path]).pairs[0][2].main.test == "swaps"
