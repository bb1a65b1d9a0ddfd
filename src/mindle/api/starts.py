"""What every run begins with: its folder, what was typed, the same data, and who else is told."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindle.api.checks import finding_document, tell_findings
from mindle.artifacts.manifest import fingerprint, write_manifest
from mindle.artifacts.run import FINISHED, RunFolder, claim
from mindle.artifacts.run_log import RunLog
from mindle.records import Dataset, Listener, Table
from mindle.version import __version__

if TYPE_CHECKING:
    from mindle.training.tracking import Tracking


def start(
    out: Path | None,
    asked: Mapping[str, Any],
    *,
    name: str,
    kind: str,
    command: str,
    began: float,
    resume: bool,
    listener: Listener,
    kept: Sequence[str] = (),
) -> tuple[RunFolder, dict[str, Any], RunLog | None]:
    """Open the folder of a run that begins or goes on, and its diary.

    Args:
        out: The folder that was asked for; a numbered one unless set.
        asked: Every setting of the call; a run that goes on must have begun with the same.
        name: Of the data.
        kind: Of the data, such as "folder" or "table".
        command: What was typed.
        began: `time.time()` at the start of the process.
        resume: Whether to go on with an unfinished run.
        listener: Hears where an old run was put, and that a finished one is done.
        kept: What of run.json an interrupted call has found already, by name.

    Returns:
        The folder, the run.json of the run that goes on (empty for a fresh one), and the diary: None where
        the run is finished, and nothing is left to do.

    Raises:
        ValueError: If `out` holds a finished run, something else than a run, or a run with other settings.
    """
    folder, stored = claim(out, name, asked, resume=resume, say=listener.say)
    if stored.get("state") == FINISHED:
        listener.say(f"{folder.path} is finished; nothing is left to do. Report: {folder.report}")
        return folder, stored, None
    facts = {"asked": asked, "name": name, "kind": kind, "mindle": __version__, "command": command}
    found = {entry: stored[entry] for entry in kept if entry in stored}
    return folder, stored, RunLog(folder, stored, {**facts, **found}, began)


def write_down(
    data: Dataset | Table,
    facts: Mapping[str, Any],
    lines: Sequence[str],
    folder: RunFolder,
    run_log: RunLog,
    stored: Mapping[str, Any],
    listener: Listener,
) -> None:
    """Write down what the checked data are, and say it and what was noticed about them.

    Args:
        data: Checked, and split where they are.
        facts: What only such data have, for run.json: counts by part, columns.
        lines: What there is to learn from, in words.
        folder: Gets the manifest.
        run_log: Gets the document of the data.
        stored: The run.json of a run that goes on, whose data must be these.
        listener: Hears the lines and the findings.

    Raises:
        ValueError: If the data have changed since the run began.
    """
    from mindle.data.common.summary import set_aside_counts

    document = {
        "fingerprint": fingerprint(data),
        "images": len(data.rows()),
        "classes": list(data.classes),
        **facts,
        "set_aside": set_aside_counts(data),
        "findings": [finding_document(finding) for finding in data.findings],
    }
    _require_same_data(stored, document)
    run_log.record(data=document)
    write_manifest(folder.manifest, data)
    for line in lines:
        listener.say(line)
    tell_findings(data.findings, listener)


def _require_same_data(stored: Mapping[str, Any], document: Mapping[str, Any]) -> None:
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
    told: Tracking, track: str | None, folder: RunFolder, run_log: RunLog, stored: Mapping[str, Any]
) -> None:
    """Tell a tracker that a run begins, or goes on, and keep what it calls it."""
    from mindle.training.tracking import kind_of

    if track is None:
        return
    kind, known = kind_of(track), dict(stored.get("tracking", {}))
    asked = {**run_log.document["asked"], "command": run_log.document["command"]}
    known[kind] = told.begin(folder.path.name, run_log.document["name"], asked, known.get(kind, ""))
    run_log.record(tracking=known)
