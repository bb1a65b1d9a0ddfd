"""Whether confidences and label sets hold what they say, on many seeds and splits of photos.

Heads on frozen backbones, as `mindle train` fits them, on features that the cache keeps. For each seed of the
training the expected calibration error on the test part of flowers5 and dogs-vs-cats, beside what chance
makes of a perfectly calibrated model with the same confidences: its mean, and what it exceeds one time in
twenty. Label sets are calibrated on answers out of fold and counted on the test part of random splits of
flowers5. DATA holds both data sets, WEIGHTS weight files with cards.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks._heads import MODEL, Headed, checked, fitted
from mindle.evaluation.calibration import expected_calibration_error
from mindle.evaluation.trust.label_sets import fit_label_sets, needed
from mindle.evaluation.trust.scores import calibration_scores

SETS = ("flowers5", "dogs-vs-cats")
LEVELS = (0.9, 0.99)


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("data", nargs="?", type=Path, default=Path("../shared/data"))
    parser.add_argument("weights", nargs="?", type=Path, default=Path("../shared/weights"))
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--splits", type=int, default=20)


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Calibration by data set, and label sets by level."""
    with tempfile.TemporaryDirectory() as path:
        if asked.smoke:
            asked.seeds = asked.splits = 1
            return _measured(asked, {"drawings": drawings(Path(path))}, None, "tf_efficientnet_lite0")
        return _measured(asked, {name: asked.data / name for name in SETS}, asked.weights, asked.model)


def drawings(folder: Path) -> Path:
    """A few pictures in two classes, which are easily told apart."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for kind, name in enumerate(("bright", "dark")):
        (folder / name).mkdir(parents=True)
        for number in range(40):
            pixels = rng.integers(0, 120, (40, 40, 3)) + (120 if kind else 0)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


def _measured(
    asked: argparse.Namespace, sets: dict[str, Path], weights: Path | None, model: str
) -> dict[str, Any]:
    found: dict[str, Any] = {"calibration": {}, "label_sets": {}}
    for at, (name, folder) in enumerate(sets.items()):
        dataset = checked(folder)
        errors = [
            calibration_of(fitted(dataset, weights, model=model, seed=seed)) for seed in range(asked.seeds)
        ]
        found["calibration"][name] = {
            figure: round(float(np.mean([one[figure] for one in errors])), 4) for figure in errors[0]
        } | {"seeds": asked.seeds, "highest": round(max(one["ece"] for one in errors), 4)}
        if at == 0:
            splits = [
                sets_of(fitted(dataset, weights, model=model, seed=seed, anew=True))
                for seed in range(asked.splits)
            ]
            found["label_sets"] = {str(level): _summary([one[level] for one in splits]) for level in LEVELS}
    return found


def calibration_of(headed: Headed) -> dict[str, float]:
    """The error on the test part, what it was before, and what chance makes."""
    probabilities, labels = headed.probabilities()
    found = calibration_scores(probabilities, labels, temperature=headed.outcome.temperature)
    ece, chance = expected_calibration_error(probabilities, labels), found["ece_by_chance"]
    return {
        "ece": ece,
        "ece_uncalibrated": found["ece_uncalibrated"],
        "ece_classwise": found["ece_classwise"],
        "by_chance": chance["mean"],
        "by_chance_high": chance["high"],
        "within": float(ece <= chance["high"]),
        "accuracy": float((probabilities.argmax(axis=1) == labels).mean()),
    }


def sets_of(headed: Headed) -> dict[float, dict[str, float]]:
    """Coverage and mean size of label sets on the test part, by level."""
    known = headed.outcome.out_of_fold
    probabilities, labels = headed.probabilities()
    found = {}
    for level in LEVELS:
        sets = fit_label_sets(known.outputs["probabilities"], known.truth, level=level).of(probabilities)
        found[level] = {
            "coverage": float(sets[np.arange(len(labels)), labels].mean()),
            "size": float(sets.sum(axis=1).mean()),
            "promised": float(len(known) >= needed(level)),
        }
    return found


def _summary(splits: list[dict[str, float]]) -> dict[str, float]:
    coverage, size = ([one[figure] for one in splits] for figure in ("coverage", "size"))
    return {
        "splits": len(splits),
        "coverage": round(float(np.mean(coverage)), 4),
        "least_coverage": round(min(coverage), 4),
        "size": round(float(np.mean(size)), 3),
        "largest_size": round(max(size), 3),
    }
