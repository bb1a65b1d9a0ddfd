"""Seconds of a rival's phases and epochs, said in one line of JSON. Needs the standard library alone."""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable
from typing import Any


class Phases:
    """A stopwatch that starts when it is made: make it before the rival is imported."""

    def __init__(self) -> None:
        self.last = time.perf_counter()
        self.seconds: dict[str, float] = {}
        self.marks: list[float] = []

    def phase(self, name: str) -> None:
        """The phase of this name ends here."""
        now = time.perf_counter()
        self.seconds[name], self.last = round(now - self.last, 3), now

    def mark(self, *_: Any, **__: Any) -> None:
        """An epoch begins or ends here."""
        self.marks.append(time.perf_counter())

    def epoch_seconds(self) -> list[float]:
        """Seconds between each two marks."""
        return [round(end - begin, 3) for begin, end in zip(self.marks[::2], self.marks[1::2], strict=True)]

    def timed(self, work: Callable[[], object], times: int) -> list[float]:
        """Seconds of a piece of work, each time."""
        for _ in range(times):
            self.mark()
            work()
            self.mark()
        return self.epoch_seconds()

    def say(self, **figures: Any) -> None:
        """The last line: these figures, the phases and the largest memory."""
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(json.dumps({**figures, "phases": self.seconds, "peak_mb": peak}))
