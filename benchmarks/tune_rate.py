"""How long a search over heads takes on features that are embedded already.

    python benchmarks/tune_rate.py PHOTOS [--trials 200] [--workers 1] [--weights FOLDER]

The photos are checked, split and embedded first; then the clock runs, from the first trial to the last. It
prints the seconds, those of a trial by kind of head, and the best trial.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import median

import mindle
from mindle.records import SILENT


def main() -> None:
    """Search twice, and time the second time: the first one fills the cache of features."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("photos")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--weights")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, trials in (("warm", 1), ("timed", given.trials)):
            began = time.perf_counter()
            run = mindle.tune(
                given.photos,
                strategy="probe",
                trials=trials,
                workers=given.workers if name == "timed" else 1,
                weights=given.weights,
                out=Path(folder) / name,
                listener=SILENT,
            )
            seconds = time.perf_counter() - began
        search = run.metrics["seconds"]["search"]
        by_kind: dict[str, list[float]] = defaultdict(list)
        for trial in run.folder.trials():
            heads = "+".join(trial["settings"].get("probe.heads", ["?"]))
            by_kind[f"{heads}, {trial['settings'].get('probe.views', 0)} views"].append(trial["seconds"])
        print(
            f"{given.trials} trials in {search:.1f} s, {given.workers} at a time; "
            f"{seconds:.1f} s with all the rest"
        )
        for kind, each in sorted(by_kind.items()):
            print(f"  {kind}: {len(each)} trials, median {median(each):.3f} s, {sum(each):.1f} s together")
        found = run.folder.document()["search"]
        print(f"  best: trial {found['best']}; test accuracy {run.metrics['test']['accuracy']['value']:.4f}")


if __name__ == "__main__":
    main()
