"""A listener that prints: bars on a terminal, plain lines in a notebook, a log or a pipe."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from mindle.text import printable

# What a stage counts where it does not count images.
_UNITS = {
    "train": "steps", "heads": "fits", "search": "trials", "outer folds": "folds", "columns": "columns",
}  # fmt: skip
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
        """Print one line; what a terminal would obey in it, such as in a name, becomes an escape."""
        try:
            if self._bars is not None:
                self._bars.console.print(printable(sentence), markup=False, soft_wrap=True)
            else:
                print(printable(sentence), file=self._stream, flush=True)
        except OSError:  # nobody reads what is said beside the results: no reason to stop
            if self._stream is not sys.stderr:
                raise
            os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def progress(self, stage: str, done: int, total: int) -> None:
        """Move a stage's bar; where there are no bars, one line once it is finished."""
        now = time.perf_counter()
        seconds = now - self._started.setdefault(stage, now)
        unit = _UNITS.get(stage, "images")
        rate = f"{done / seconds:,.0f} {unit}/s" if seconds > _WORTH_A_LINE_SECONDS and done else ""
        if self._bars is not None:
            if stage not in self._tasks:
                self._tasks[stage] = self._bars.add_task(stage, total=total, rate="")
            self._bars.update(self._tasks[stage], completed=done, total=total, rate=rate)
        if done >= total:
            if self._bars is not None:
                self._bars.remove_task(self._tasks.pop(stage))
            if rate and stage not in _UNITS:
                self.say(f"{stage}: {done:,} {unit} in {seconds:.1f} s, {rate}")
            self._started.pop(stage, None)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Print a line an epoch."""
        words = [f"epoch {int(row['epoch']):>3}"]
        for name in ("train_loss", "train_accuracy", "train_mae", "val_loss", "val_accuracy", "val_mae"):
            if row.get(name) is not None:
                form = ".4g" if name.endswith("mae") else ".4f"  # in the target's unit, whatever its size
                words.append(f"{name.replace('_', ' ')} {row[name]:{form}}")
        if row.get("images_per_second"):
            words.append(f"{row['images_per_second']:,.0f} images/s")
        self.say("  ".join(words))
