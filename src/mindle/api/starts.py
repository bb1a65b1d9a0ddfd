"""What every run begins with: when it began, what was typed, the same data, and who else is told."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindle.artifacts.diary import Diary
from mindle.artifacts.run import RunFolder

if TYPE_CHECKING:
    from mindle.training.tracking import Tracking


def require_same_data(stored: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Refuse to go on with a run whose data have changed since it began."""
    before = stored.get("data", {}).get("fingerprint")
    if before is not None and before != document["fingerprint"]:
        raise ValueError(
            "`resume` must find the data as they were when the run began. They have changed since: "
            f"{stored['data']['images']:,} images then, {document['images']:,} now. "
            "Leave out --resume to begin a new run."
        )


def process_start() -> float:
    """`time.time()` when the process began: the prompt wrote it down; elsewhere it is now."""
    return float(os.environ.pop("MINDLE_STARTED", time.time()))


def command() -> str:
    """What was typed, where the call comes from the prompt."""
    program = Path(sys.argv[0]).name
    return shlex.join(["mindle", *sys.argv[1:]]) if program in ("mindle", "mindle.exe") else ""


def begin_tracking(
    told: Tracking, track: str | None, folder: RunFolder, diary: Diary, stored: Mapping[str, Any]
) -> None:
    """Tell a tracker that a run begins, or goes on, and keep what it calls it."""
    from mindle.training.tracking import kind_of

    if track is None:
        return
    kind, known = kind_of(track), dict(stored.get("tracking", {}))
    asked = {**diary.document["asked"], "command": diary.document["command"]}
    known[kind] = told.begin(folder.path.name, diary.document["name"], asked, known.get(kind, ""))
    diary.record(tracking=known)
