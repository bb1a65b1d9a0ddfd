"""What surrounds a run and travels as one object: folder, log, seeds, language, listener."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindle.api.beside import Beside
from mindle.api.check import finding_document, tell_findings
from mindle.artifacts.manifest import fingerprint, write_manifest
from mindle.artifacts.run import RunFolder
from mindle.artifacts.run_log import RunLog
from mindle.console import Console
from mindle.messages import require_language
from mindle.records import Dataset, Listener, Table

if TYPE_CHECKING:
    from mindle.training.budget import Deadline
    from mindle.training.loop.job import TrainingContext
    from mindle.training.tracking import Tracking


def process_start() -> float:
    """`time.time()` when the process began: the prompt wrote it down; elsewhere it is now."""
    return float(os.environ.pop("MINDLE_STARTED", time.time()))


def command() -> str:
    """What was typed, where the call comes from the prompt."""
    program = Path(sys.argv[0]).name
    return shlex.join(["mindle", *sys.argv[1:]]) if program in ("mindle", "mindle.exe") else ""


@dataclass(kw_only=True)
class RunRequest:
    """How a caller wants a run to be stored and followed; see `mindle.train` for each.

    Attributes:
        out: The run folder; a numbered one where None.
        resume: Whether to go on with an unfinished run.
        seed: Of the training.
        split_seed: Of the split.
        lang: Language of the report and of what is printed.
        track: Where else settings and scores are logged.
        listener: Hears sentences and progress.
        began: `time.time()` at the start of the process, from which a budget counts.
        command: What was typed; "" in Python.

    Raises:
        TypeError: If a seed is no whole number.
        ValueError: If mindle does not speak the language, or there is no such tracker.
    """

    out: str | os.PathLike[str] | None = None
    resume: bool = False
    seed: int = 0
    split_seed: int = 0
    lang: str = "en"
    track: str | None = None
    listener: Listener | None = None
    began: float = field(default_factory=process_start)
    command: str = field(default_factory=command)

    def __post_init__(self) -> None:
        from mindle.training.tracking import require_tracker

        for name, seed in (("seed", self.seed), ("split_seed", self.split_seed)):
            if not isinstance(seed, Integral):
                raise TypeError(f"`{name}` must be a whole number. Received {name}={seed!r}.")
        require_language(self.lang)
        require_tracker(self.track)

    @property
    def hears(self) -> Listener:
        """The listener; prints to standard output unless the caller has one."""
        return self.listener or Console(sys.stdout)


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """The surroundings of a run that is under way.

    Attributes:
        folder: Its files.
        log: Keeps run.json.
        stored: run.json of the interrupted run that goes on, or an empty mapping.
        request: Seeds, language, and how it is followed.
        listener: Hears sentences and progress, and passes scores on to a tracker.
        beside: Does what need not wait for the stage that is under way.
    """

    folder: RunFolder
    log: RunLog
    stored: Mapping[str, Any]
    request: RunRequest
    listener: Tracking
    beside: Beside = field(default_factory=Beside)

    def deadline(self, budget_seconds: float | None) -> Deadline:
        """When everything must be over, what has been spent before counted in."""
        from mindle.training.budget import Deadline

        return Deadline(budget_seconds, spent_seconds=self.log.spent())

    def training(self, deadline: Deadline | None = None) -> TrainingContext:
        """What a training gets of these surroundings, to be over by a deadline."""
        from mindle.training.budget import Deadline
        from mindle.training.decisions import DecisionLog
        from mindle.training.loop.job import TrainingContext

        return TrainingContext(
            seed=self.request.seed,
            folder=self.folder.path,
            resume=bool(self.stored),
            deadline=deadline or Deadline(None),
            decisions=DecisionLog(tuple(self.log.decisions), self.log.decide),
            listener=self.listener,
        )

    def add_stages(self, seconds: Mapping[str, float], images: Mapping[str, int] | None = None) -> None:
        """Add stages that a training timed, and how many images each handled."""
        for name, each in seconds.items():
            self.log.add_stage(name, each, (images or {}).get(name, 0))

    def record_data(self, data: Dataset | Table) -> None:
        """Write down what the checked data are, and say it and what was noticed about them.

        Raises:
            ValueError: If the data have changed since the run began.
        """
        from mindle.data import sources
        from mindle.data.common.counts import set_aside_counts

        source = sources.of(data)
        document = {
            "fingerprint": fingerprint(data),
            "images": len(data.rows()),
            "classes": list(data.classes),
            **source.facts(data),
            "set_aside": set_aside_counts(data),
            "findings": [finding_document(finding) for finding in data.findings],
        }
        self._require_same_data(document)
        self.log.record(data=document)
        write_manifest(self.folder.manifest, data)
        for line in source.describe(data):
            self.listener.say(line)
        tell_findings(data.findings, self.listener)

    def _require_same_data(self, document: Mapping[str, Any]) -> None:
        """Refuse to go on with a run whose data have changed since it began."""
        before = self.stored.get("data", {})
        if before and before["fingerprint"] != document["fingerprint"]:
            raise ValueError(
                "`resume` must find the data as they were when the run began. They have changed since: "
                f"{before['images']:,} images then, {document['images']:,} now. "
                "Leave out --resume to begin a new run."
            )


def begin_tracking(
    tracked: Tracking, track: str | None, folder: RunFolder, log: RunLog, stored: Mapping[str, Any]
) -> None:
    """Tell a tracker that a run begins, or goes on, and record what it calls it."""
    from mindle.training.tracking import kind_of

    if track is None:
        return
    kind, known = kind_of(track), dict(stored.get("tracking", {}))
    asked = {**log.document["asked"], "command": log.document["command"]}
    known[kind] = tracked.begin(folder.path.name, log.document["name"], asked, known.get(kind, ""))
    log.record(tracking=known)
