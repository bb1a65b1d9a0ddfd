"""The keeper of run.json while a run is under way: what was decided, how long each stage took, what is done.

It writes after every decision, so that a run killed at any moment can be taken up where it was: decisions are
replayed, and the time already spent counts against the budget.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from mindle.artifacts.environment import hardware, libraries
from mindle.artifacts.run import FINISHED, RUNNING, RunFolder


class RunLog:
    """Writes run.json as a run goes on.

    Args:
        folder: The run.
        stored: run.json of the interrupted run that is being resumed, or an empty mapping.
        facts: What does not change: data, settings, command.
        began: `time.time()` at the start of the process, from which a budget counts.
    """

    def __init__(
        self, folder: RunFolder, stored: Mapping[str, Any], facts: Mapping[str, Any], began: float
    ) -> None:
        self._folder = folder
        self._began = began
        self.spent_before: float = float(stored.get("spent_seconds", 0.0))
        self.decisions: list[dict[str, Any]] = list(stored.get("decisions", []))
        self._seconds: dict[str, float] = {}
        self._images: dict[str, int] = {}
        self.document: dict[str, Any] = {
            **facts,
            "state": RUNNING,
            "created": stored.get("created", datetime.now(UTC).isoformat(timespec="seconds")),
            "hardware": hardware(),
            "libraries": libraries(),
            "decisions": self.decisions,
        }
        self.save()

    def save(self) -> None:
        """Write run.json with the time spent so far."""
        self.document["spent_seconds"] = round(self.spent(), 3)
        self._folder.write_document(self.document)

    def spent(self) -> float:
        """Seconds from the start of the process until now, and those of the interrupted runs before it."""
        return self.spent_before + time.time() - self._began

    def record(self, **facts: Any) -> None:
        """Add facts to run.json."""
        self.document.update(facts)
        self.save()

    def decide(self, decision: Mapping[str, Any]) -> None:
        """Keep a decision, so that a resumed run repeats it whatever its clock says."""
        self.decisions.append(dict(decision))
        self.save()

    @contextmanager
    def stage(self, name: str, images: int = 0) -> Iterator[None]:
        """Time a stage.

        Args:
            name: The key in metrics.json's "seconds".
            images: How many images it handles, for the rate.
        """
        started = time.perf_counter()
        yield
        self.add_stage(name, time.perf_counter() - started, images)

    def add_stage(self, name: str, seconds: float, images: int = 0) -> None:
        """Add to a stage what was timed elsewhere."""
        self._seconds[name] = self._seconds.get(name, 0.0) + seconds
        self._images[name] = self._images.get(name, 0) + images

    def seconds(self) -> dict[str, float]:
        """Seconds per stage and in total, as in metrics.json."""
        return {
            **{name: round(value, 3) for name, value in self._seconds.items()},
            "total": round(self.spent(), 3),
        }

    def rates(self) -> dict[str, float]:
        """Images per second of each stage that handled images."""
        return {
            name: round(count / self._seconds[name], 1)
            for name, count in self._images.items()
            if count and self._seconds.get(name, 0) > 0
        }

    def finish(self) -> None:
        """Say that nothing is left to do."""
        self.document["state"] = FINISHED
        self.record(seconds=self.seconds())
