"""Makes golden runs, and writes down what they give:

python -m tests.golden run OUT NAME…    train them here and now, each into OUT/NAME.json and .csv
python -m tests.golden record NAME…     write `values/`: for a new run only, else they are no longer golden
python -m tests.golden want NAME…       write `differences/`: where today's results differ from `values/`
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.golden import held, pins
from tests.golden.recipes import RECIPES
from tests.golden.wanted import DIFFERENCES, VALUES


def run(out: Path, names: Sequence[str]) -> None:
    """Train in this process, on one core: one thread also where their number goes by that of the cores."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for name in names:
        (out / name).mkdir(parents=True)
        held.of_run(RECIPES[name](out / name).path).write(out / name)


def record(name: str, out: Path) -> None:
    """Make a result golden."""
    for suffix in (".json", ".csv"):
        shutil.copy(out / f"{name}{suffix}", VALUES)


def want(name: str, out: Path) -> None:
    """Write down where a result differs; each must be given a reason in wanted.py."""
    differences = held.differences(held.read(VALUES / name).values(), held.read(out / name).values())
    file = DIFFERENCES / f"{name}.json"
    file.unlink(missing_ok=True)
    if differences:
        file.parent.mkdir(exist_ok=True)
        held.write_values(differences, file)
    print(f"{name}: {len(differences)} differences", *differences, sep="\n  ")


def main(verb: str, *arguments: str) -> None:
    """Do what was asked."""
    if verb == "run":
        run(Path(arguments[0]), arguments[1:])
        return
    with tempfile.TemporaryDirectory() as folder:
        pins.run_pinned(Path(folder), arguments)
        for name in arguments:
            {"record": record, "want": want}[verb](name, Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
