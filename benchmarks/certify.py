"""`mindle certify` on flowers5: how long it takes, on how many images, and what a default model withstands.

DATA holds flowers5, WEIGHTS weight files with cards; the model is that of `mindle train DATA/flowers5`, or
the run of --run. Both commands run in processes of their own. The smoke run certifies a small table.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks._turns import clean
from benchmarks.budget import small_table


def options(parser: argparse.ArgumentParser) -> None:
    """What may be asked."""
    parser.add_argument("data", nargs="?", type=Path, default=Path("../shared/data"))
    parser.add_argument("weights", nargs="?", type=Path, default=Path("../shared/weights"))
    parser.add_argument("--run", type=Path, help="a finished run of flowers5, in place of a training")
    parser.add_argument("--budget", default="4m", help="of mindle certify")


def measure(asked: argparse.Namespace) -> dict[str, Any]:
    """Train, unless there is a run, and certify."""
    with tempfile.TemporaryDirectory() as path:
        folder = Path(path)
        if asked.smoke:
            data = small_table(folder / "small.csv")
            arguments = [str(data), "--target", "y", "--model", "linear"]
            run, trained = folder / "run", mindle("train", *arguments, "--out", str(folder / "run"))
            bundle = [str(run / "bundle"), "--data", str(data), "--out", str(folder / "out")]
            return {"small": {"train_seconds": trained["seconds"], **certified(bundle, "20s", folder)}}
        run = asked.run or folder / "run"
        trained = (
            {"seconds": None}
            if asked.run
            else mindle(
                "train", str(asked.data / "flowers5"), "--weights", str(asked.weights), "--out", str(run)
            )
        )
        arguments = [str(run), "--out", str(folder / "out")]
        found = certified(arguments, asked.budget, folder)
        return {"flowers5": {"train_seconds": trained["seconds"], **found}}


def mindle(command: str, *arguments: str) -> dict[str, Any]:
    """One command: how long it took, and its exit code, which is 1 where a limit does not hold."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "mindle", command, *arguments], env=clean(), capture_output=True, text=True
    )
    if done.returncode > 1:
        raise RuntimeError(done.stderr[-2000:])
    return {"seconds": round(time.perf_counter() - began, 1), "code": done.returncode}


def certified(arguments: list[str], budget: str, folder: Path) -> dict[str, Any]:
    """A certificate in a few figures: accuracies are means over the severities."""
    file = folder / "certificate.json"
    took = mindle("certify", *arguments, "--budget", budget, "--json", str(file))
    document = json.loads(file.read_text(encoding="utf-8"))
    names = dict.fromkeys(block["name"] for block in document["corruptions"])
    return {
        "certify_seconds": took["seconds"],
        "budget": budget,
        "n": document["n"],
        "of": document["of"],
        "clean": summary([document["clean"]]),
        "corruptions": {
            name: summary([block for block in document["corruptions"] if block["name"] == name])
            for name in names
        },
        "irrelevant": {block["name"]: summary([block]) for block in document["irrelevant"]},
        "latency": document["latency"],
        "size_mb": round(document["size_bytes"] / 1e6, 1),
        "limits": {limit["name"]: [limit["found"], limit["passed"]] for limit in document["limits"]},
    }


def summary(blocks: list[dict[str, Any]]) -> dict[str, float]:
    """The mean of each score over the severities."""
    names = [name for name in ("accuracy", "mae", "coverage", "abstained", "ece") if name in blocks[0]]
    return {name: round(fmean(value(block[name]) for block in blocks), 4) for name in names}


def value(score: Any) -> float:
    """A score without its interval."""
    return float(score["value"] if isinstance(score, dict) else score)
