"""Class imbalance, the whole way: what is asked for, what is named, and what the bundle repeats."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mindle
from mindle.data.images.sources.source import read
from mindle.evaluation.thresholds import macro_f1, named_classes
from mindle.records import SILENT, ArrayImages

SETTINGS: dict[str, Any] = {"strategy": "scratch", "split_seed": 1, "listener": SILENT}


@pytest.fixture(scope="module")
def thinned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The digits 0, 3 and 8, the last two thinned out to a sixth."""
    digits = read("digits")
    assert isinstance(digits.images, ArrayImages)
    rng = np.random.default_rng(0)
    rows = [row for row in range(len(digits)) if digits.labels[row] in (0, 3, 8)]
    rows = [row for row in rows if digits.labels[row] == 0 or rng.random() < 1 / 6]
    images = digits.images.array[rows].astype(int) + rng.integers(
        -110, 111, (len(rows), 8, 8)
    )  # hard to tell
    file = tmp_path_factory.mktemp("thinned") / "thinned.npz"
    np.savez(
        file,
        data=np.clip(images, 0, 255).astype(np.uint8),
        targets=np.array([str(digits.labels[row]) for row in rows]),
    )
    return file


def trained(data: Path, out: Path, epochs: int = 8, **settings: Any) -> mindle.Run:
    few = {"train.epochs": epochs, "train.batch_size": 32}
    return mindle.train(data, out=out, set=few, **SETTINGS, **settings)


def test_thresholds_say_what_is_named_everywhere(thinned: Path, tmp_path: Path) -> None:
    run = trained(thinned, tmp_path / "run", epochs=4, imbalance="thresholds")
    document = json.loads((run.path / "bundle" / "bundle.json").read_text())
    assert document["thresholds"] == run.metrics["thresholds"]
    assert sum(document["thresholds"].values()) == pytest.approx(1)
    thresholds = np.array([document["thresholds"][name] for name in run.classes])

    for split, answers in run.folder.answers().items():
        likeliest = answers.probabilities.argmax(axis=1)
        assert np.array_equal(answers.predicted, named_classes(answers.probabilities, thresholds))
        assert answers.labels is not None
        confusion = run.metrics[split]["confusion"]
        assert np.trace(confusion) == (answers.predicted == answers.labels).sum()
        if split == "val":  # fitted there, where it can only help
            reached = macro_f1(answers.labels, answers.predicted, 3)
            assert reached >= macro_f1(answers.labels, likeliest, 3)

    images = np.load(thinned)["data"]
    table = run.predict(images[..., None].repeat(3, axis=3))
    columns = [f"p_{name}" for name in run.classes]
    named = named_classes(table[columns].to_numpy(float), thresholds)
    assert table["predicted"].tolist() == [run.classes[label] for label in named]
    rows = np.arange(len(table))
    assert table["confidence"].tolist() == table[columns].to_numpy(float)[rows, named].tolist()
    both = run.predict(images[:40, ..., None].repeat(3, axis=3), engine="torch")
    assert both["predicted"].tolist() == table["predicted"].tolist()[:40]


@pytest.mark.slow
def test_thresholds_leave_probabilities_alone(thinned: Path, tmp_path: Path) -> None:
    plain = trained(thinned, tmp_path / "plain")
    run = trained(thinned, tmp_path / "run", imbalance="thresholds")
    for split, answers in run.folder.answers().items():
        assert np.array_equal(answers.probabilities, plain.folder.answers()[split].probabilities)
    assert run.metrics["test"]["log_loss"] == plain.metrics["test"]["log_loss"]
    assert plain.metrics["thresholds"] == plain.bundle.details["thresholds"] == {}


@pytest.mark.slow
def test_auto_says_what_it_chose_and_why_and_a_resumed_run_says_the_same(
    thinned: Path, tmp_path: Path
) -> None:
    run = trained(thinned, tmp_path / "run", imbalance="auto")
    notes = [attempt for attempt in run.folder.document()["tried"] if attempt["name"].startswith("imbalance")]
    assert len(notes) == 1
    assert "macro F1" in notes[0]["note"]
    assert bool(run.metrics["thresholds"]) == (notes[0]["name"] == "imbalance: thresholds")
    assert "imbalance" in run.report().read_text(encoding="utf-8")

    (run.path / "metrics.json").unlink()
    document = run.folder.document() | {"state": "running"}
    run.folder.write_document(document)
    again = trained(thinned, tmp_path / "run", imbalance="auto", resume=True)
    assert again.metrics["thresholds"] == run.metrics["thresholds"]
    assert [a["name"] for a in again.folder.document()["tried"]] == [a["name"] for a in document["tried"]]


@pytest.mark.slow
@pytest.mark.parametrize("method", ["weights", "sampling", "augment", "focal"])
def test_every_method_trains(thinned: Path, tmp_path: Path, method: str) -> None:
    run = trained(thinned, tmp_path / "run", epochs=2, imbalance=method)
    assert run.metrics["thresholds"] == {}
    assert run.metrics["test"]["n"] > 10


@pytest.mark.slow
def test_balanced_classes_are_left_alone(tmp_path: Path) -> None:
    run = trained(Path("digits"), tmp_path / "run", epochs=1, imbalance="auto")
    (note,) = [a for a in run.folder.document()["tried"] if a["name"].startswith("imbalance")]
    assert "1.0 times" in note["note"]
    assert run.metrics["thresholds"] == {}
