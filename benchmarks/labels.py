"""Wrong labels: how many of those that were exchanged a training finds, and whether suggestions undo them.

DATA holds dogs-vs-cats, WEIGHTS weight files with cards. For each seed 5 % of the labels of its train folder
are exchanged; `mindle train` lists them in label_issues.csv, and trains again with `--decisions
suggested:RUN`. All runs are evaluated on the same val folder, whose labels are as they were. The smoke run
does so on pictures of two digits.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray

import mindle
from benchmarks._weights import random_weights
from mindle.artifacts.files import read_rows, write_rows
from mindle.artifacts.run import RunFolder
from mindle.records import SILENT

EXCHANGED, LISTED = 0.05, 0.1
SMALL = "mobilenetv3_small_050"
Rows = list[dict[str, Any]]
Train = Callable[[Path, Path, str | None], mindle.Run]


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("data", nargs="?", type=Path, default=Path("../shared/data"))
    parser.add_argument("weights", nargs="?", type=Path, default=Path("../shared/weights"))
    parser.add_argument("--model", default="tf_efficientnet_lite0")
    parser.add_argument("--seeds", type=int, default=10)


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """The untouched set, then one seed after the other, each trained as it is and with its suggestions."""
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        if asked.smoke:
            weights = random_weights(folder / "weights", SMALL, 32)
            rows, train = photos(digits(folder / "digits"), weights, SMALL)
        else:
            rows, train = photos(asked.data / "dogs-vs-cats", asked.weights, asked.model)
        clean = train(listed(folder / "clean.csv", rows), folder / "clean", None)
        count = 1 if asked.smoke else asked.seeds
        seeds = [_seed(folder, rows, train, clean, seed) for seed in range(count)]
        labels, accuracy = document(clean)["doctor"]["labels"], clean.metrics["test"]["accuracy"]
    return {
        "untouched": {
            "share": labels["share"],
            "suggested": labels["suggestions"].get("90", 0),
            "accuracy": accuracy,
        },
        "seeds": seeds,
        "found_in_first_tenth": spread(each["found_in_first_tenth"] for each in seeds),
        "share": spread(each["share"]["value"] for each in seeds),
        "interval_covers": sum(each["covers"] for each in seeds),
        "suggested": spread(each["suggested"] for each in seeds),
        "precision_of_suggestions": spread(each["precision"] for each in seeds),
        "accuracy": {
            name: spread(each[name]["accuracy"] for each in seeds) for name in ("exchanged", "mended")
        },
        "mended_as_clean": sum(each["mended"]["low"] <= 0 <= each["mended"]["high"] for each in seeds),
    }


def spread(values: Any) -> dict[str, float]:
    """Mean, least and most of some figures."""
    found = list(values)
    return {"mean": round(fmean(found), 4), "least": round(min(found), 4), "most": round(max(found), 4)}


def document(run: mindle.Run) -> dict[str, Any]:
    """run.json."""
    return RunFolder(run.path).document()


def _seed(folder: Path, rows: Rows, train: Train, clean: mindle.Run, seed: int) -> dict[str, Any]:
    """Exchange labels, train, see what was found, and train again with what is suggested."""
    exchanged = exchange(rows, seed)
    file = listed(folder / f"{seed}.csv", exchanged)
    run = train(file, folder / f"exchanged-{seed}", None)
    mended = train(file, folder / f"mended-{seed}", f"suggested:{run.path}")
    pairs = zip(exchanged, rows, strict=True)
    wrong = {short(row["path"]) for row, was in pairs if row["label"] != was["label"]}
    issues = read_rows(run.path / "label_issues.csv")
    first = {short(row["path"]) for row in issues[: round(LISTED * len(issues))]}
    labels, decided = document(run)["doctor"]["labels"], document(mended)["data"]["findings"]
    taken = [
        short(path) for finding in decided if finding["kind"] == "relabelled" for path in finding["files"]
    ]
    true_share = len(wrong) / len(issues)
    return {
        "found_in_first_tenth": len(first & wrong) / len(wrong),
        "share": labels["share"],
        "covers": labels["share"]["low"] <= true_share <= labels["share"]["high"],
        "suggested": len(taken),
        "precision": len(set(taken) & wrong) / max(len(taken), 1),
        "exchanged": against(clean, run),
        "mended": against(clean, mended),
    }


def short(path: str) -> str:
    """What a list and the run of it both call a file: runs cut off what all paths have in common."""
    return "/".join(Path(path).parts[-2:])


def against(clean: mindle.Run, run: mindle.Run) -> dict[str, float]:
    """Accuracy on the test split, and how it differs from that of the clean labels, with its interval."""
    gap = mindle.compare([clean, run]).pairs[0][2].main
    return {
        "accuracy": round(gap.second, 4),
        "difference": round(gap.value, 4),
        "low": round(gap.low, 4),
        "high": round(gap.high, 4),
    }


def exchange(rows: Rows, seed: int) -> Rows:
    """The rows, a share of those that are learned from with the label of another class."""
    generator = np.random.default_rng(seed)
    learned = [at for at, row in enumerate(rows) if row["split"] == "train"]
    classes = sorted({row["label"] for row in rows})
    changed = [dict(row) for row in rows]
    chosen: NDArray[np.int64] = generator.permutation(learned)[: round(EXCHANGED * len(learned))]
    for at in chosen.tolist():
        others = [each for each in classes if each != rows[at]["label"]]
        changed[at]["label"] = others[int(generator.integers(len(others)))]
    return changed


def listed(file: Path, rows: Sequence[dict[str, Any]]) -> Path:
    """Rows as a CSV."""
    write_rows(file, rows)
    return file


def photos(folder: Path, weights: Path, model: str) -> tuple[Rows, Train]:
    """A folder as a list of files, and what trains a head on it; the val folder is the test split."""
    root = folder.resolve()
    rows: Rows = [
        {"path": str(path), "label": path.parent.name, "split": split}
        for split, part in (("train", "train"), ("test", "val"))
        for path in sorted((root / part).glob("*/*.jpg"))
    ]
    settings = {"probe.views": 0, "probe.heads": ["rbf"]}

    def train(file: Path, out: Path, decisions: str | None) -> mindle.Run:
        return mindle.train(
            file, strategy="probe", model=model, weights=weights, set=settings, decisions=decisions, out=out,
            listener=SILENT,
        )  # fmt: skip

    return rows, train


def digits(folder: Path) -> Path:
    """Small pictures of two digits in folders like those of dogs-vs-cats."""
    from PIL import Image
    from sklearn.datasets import load_digits

    bunch = load_digits(n_class=2)
    for at, (picture, label) in enumerate(zip(bunch.images, bunch.target.tolist(), strict=True)):
        part = folder / ("val" if at % 4 == 0 else "train") / str(label)
        part.mkdir(parents=True, exist_ok=True)
        Image.fromarray((picture * 15).astype(np.uint8)).resize((32, 32)).save(part / f"{at}.jpg")
    return folder
