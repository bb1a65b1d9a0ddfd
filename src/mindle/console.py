"""A listener that prints: bars on a terminal, plain lines in a notebook, a log or a pipe."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from mindle.messages import current_language, in_language, known_message, message
from mindle.text import printable

# What a stage counts where it does not count images.
_UNITS = {
    "train": "steps", "heads": "fits", "search": "trials", "outer folds": "folds", "columns": "columns",
    "certify": "answers",
}  # fmt: skip
# What stands in a line about an epoch, in order.
_COLUMNS = ("train_loss", "train_accuracy", "train_mae", "val_loss", "val_accuracy", "val_mae")
# Shorter stages than this are not worth a line.
_WORTH_A_LINE_SECONDS = 0.2


class Console:
    """Prints what a long call does.

    Args:
        stream: Where to; standard error unless set, so that standard output stays free for results.

    Example:
        >>> with Console(sys.stdout) as console:
        ...     console.say("3 classes")
        3 classes
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr or open(os.devnull, "w")  # closed: nobody listens
        self._terminal = self._stream.isatty()
        self._started: dict[str, float] = {}
        self._bars: Any = None
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Console:
        if self._terminal:
            from rich.console import Console as RichConsole
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._bars = Progress(
                TextColumn("{task.description:>10}", markup=False),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"),
                TimeRemainingColumn(),
                console=RichConsole(file=self._stream, highlight=False),
                transient=True,
            )
            self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bars is not None:
            self._bars.stop()
            self._bars = None

    def say(self, sentence: str) -> None:
        """Print one line in the language of the call; what a terminal would obey in it becomes an escape."""
        line = printable(in_language(sentence, current_language()))
        try:
            if self._bars is not None:
                self._bars.console.print(line, markup=False, soft_wrap=True)
            else:
                print(line, file=self._stream, flush=True)
        except OSError:  # nobody reads what is said beside the results: no reason to stop
            if self._stream is not sys.stderr:
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def progress(self, stage: str, done: int, total: int) -> None:
        """Move a stage's bar; where there are no bars, one line once it is finished."""
        now = time.perf_counter()
        seconds = now - self._started.setdefault(stage, now)
        fast = done / seconds if seconds > _WORTH_A_LINE_SECONDS and done else 0.0
        if self._bars is not None:
            language = current_language()
            if stage not in self._tasks:
                self._tasks[stage] = self._bars.add_task(
                    in_language(_stage(stage), language), total=total, rate=""
                )
            rate = message(f"console.rate.{_UNITS.get(stage, 'images')}", rate=fast).in_language(language)
            self._bars.update(self._tasks[stage], completed=done, total=total, rate=rate if fast else "")
        if done >= total:
            if self._bars is not None:
                self._bars.remove_task(self._tasks.pop(stage))
            if fast and stage not in _UNITS:
                self.say(message("console.done", stage=_stage(stage), n=done, seconds=seconds, rate=fast))
            self._started.pop(stage, None)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Print a line an epoch."""
        facts = [message("console.epoch", n=int(row["epoch"]))]
        for name in _COLUMNS:
            if row.get(name) is not None:
                form = ".4g" if name.endswith("mae") else ".4f"  # in the target's unit, whatever its size
                facts.append(message(f"console.{name}", value=format(row[name], form)))
        if row.get("images_per_second"):
            facts.append(message("console.rate.images", rate=row["images_per_second"]))
        self.say("  ".join(in_language(fact, current_language()) for fact in facts))


def _stage(name: str) -> str:
    """The name of a stage as people read it."""
    return known_message(f"console.stage.{name.replace(' ', '-')}", name)
