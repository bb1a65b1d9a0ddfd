"""Sides in turn: A B A B …, warmed up, each round kept, and the ratios with their spread.

    sides = [Side("mindle", ours, units=64), Side("bare", bare, units=64), rival(arguments, "keras", "fit")]
    found = in_turn(sides, rounds=arguments.rounds)

The first side is ours; `found["ratio"][other]` is how many times as fast ours is, round by round.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._machine import BUSY, Clock

RIVALS = Path(__file__).parent / "rivals"
Figures = dict[str, Any]


@dataclass(frozen=True)
class Side:
    """What takes one turn: a function, or a command that ends with a line of JSON.

    Its time is its time on the clock, unless it returns (or prints) a mapping that holds `seconds`, of what
    it wants counted; what else the mapping holds is kept with the round. A `missing` side is left out, with
    the reason.
    """

    name: str
    work: Callable[[], object] | Sequence[str] = ()
    units: float = 1
    """What one turn does, in images, rows or calls; times are compared for one of them."""
    at_least: float = 0.0
    """Seconds for which a turn repeats the function: for work that is over too soon to be timed once."""
    missing: str = ""

    def turn(self) -> Figures:
        """Once: seconds of one unit, and what else is known of it."""
        began, times, answer = Clock.now(), 0, None
        while not times or time.perf_counter() - began.wall < self.at_least:
            answer = self.work() if callable(self.work) else answer_of(self.work)
            times += 1
        figures = began.until(Clock.now())
        said = dict(answer) if isinstance(answer, Mapping) else {}
        seconds = said.pop("seconds", figures["seconds"] / times)
        units = said.pop("units", self.units)
        return {**figures, **said, "seconds": _short(seconds), "seconds_a_unit": _short(seconds / units)}


def options(parser: argparse.ArgumentParser, *, rounds: int = 5) -> None:
    """The options of a benchmark whose sides take turns."""
    parser.add_argument("--rounds", type=int, default=rounds)
    parser.add_argument(
        "--peers",
        type=Path,
        metavar="DIR",
        help="rivals' environments, made as benchmarks/rivals/README.md says",
    )


def rival(
    arguments: argparse.Namespace,
    environment: str,
    script: str,
    *typed: object,
    units: float = 1,
    name: str = "",
) -> Side:
    """A script of `benchmarks/rivals` in the environment of that name, or what it lacks to run."""
    name = name or environment
    if arguments.smoke or not arguments.peers:
        return Side(name, missing="rivals run with --peers DIR alone")
    python = arguments.peers / environment / "bin" / "python"
    if not python.exists():
        return Side(name, missing=f"--peers has no environment {environment!r}")
    return Side(name, [str(python.absolute()), str(RIVALS / f"{script}.py"), *map(str, typed)], units)


def in_turn(sides: Sequence[Side], *, rounds: int = 5, warm_up: int = 1) -> Figures:
    """Let the sides take turns: `warm_up` rounds that do not count, then those that do.

    Example:
        >>> sides = [Side("ours", lambda: {"seconds": 1.0}), Side("theirs", lambda: {"seconds": 3.0})]
        >>> found = in_turn(sides, rounds=3)
        >>> found["ratio"]["theirs"]["median"]
        3.0
    """
    there = [side for side in sides if not side.missing]
    for _ in range(warm_up):
        for side in there:
            side.turn()
    began = Clock.now()
    each = [{side.name: side.turn() for side in there} for _ in range(rounds)]
    share = began.until(Clock.now())["others_cpu_share"]
    found = summary(each) | {"skipped": {side.name: side.missing for side in sides if side.missing}}
    if share is not None and share > BUSY:
        found["note"] = f"Others used {share:.0%} of the machine: measure again when it is quiet."
    return {**found, "others_cpu_share": share}


def summary(rounds: Sequence[Mapping[str, Figures]]) -> Figures:
    """Medians of the sides, and the ratios of the first side's speed to the others'."""
    ours, *others = rounds[0]

    def all_of(name: str) -> list[float]:
        return [each[name]["seconds_a_unit"] for each in rounds]

    medians = {name: statistics.median(all_of(name)) for name in (ours, *others)}
    return {
        "sides": {
            name: {"seconds_a_unit": _short(one), "units_a_second": _short(1 / one)}
            for name, one in medians.items()
        },
        "ratio": {
            name: spread([theirs / mine for mine, theirs in zip(all_of(ours), all_of(name), strict=True)])
            for name in others
        },
        "rounds": list(rounds),
    }


def hardest(found: Mapping[str, Any]) -> tuple[str, Figures]:
    """The side that ours is least ahead of, with the ratio."""
    ratios: dict[str, Figures] = found["ratio"]
    return min(ratios.items(), key=lambda item: float(item[1]["median"]))


def spread(values: Sequence[float]) -> Figures:
    """Median, lowest and highest of some ratios."""
    return {
        "median": _short(statistics.median(values)),
        "lowest": _short(min(values)),
        "highest": _short(max(values)),
    }


def named(word: str) -> str:
    """A word of a command; of a path its last name, for where it lies is nobody's concern.

    Example:
        >>> named("/data/flowers5"), named("--rounds")
        ('flowers5', '--rounds')
    """
    return Path(word).name if os.path.isabs(word) else word


def answer_of(command: Sequence[str], **environment: str) -> Figures:
    """What a command said in its last line, where that is JSON."""
    done = subprocess.run(
        command, env=clean(**environment), stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed with {done.returncode}:\n{done.stderr[-2000:]}")
    last = (done.stdout.strip().splitlines() or [""])[-1]
    return json.loads(last) if last.startswith("{") else {}


def clean(**environment: str) -> dict[str, str]:
    """The environment of a command: quiet, offline, and modules may be stored compiled, as installed."""
    quiet = {"PYTHONWARNINGS": "ignore", "TF_CPP_MIN_LOG_LEVEL": "3", "HF_HUB_OFFLINE": "1"}
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, **quiet, **environment}


def _short(value: float) -> float:
    """Four figures that count."""
    return float(f"{value:.4g}")
