"""`check`: what would spoil a training, found before it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mindle.records import SILENT, Dataset, Finding, Listener

Source = str | os.PathLike[str]


@dataclass(frozen=True)
class Checked:
    """What `check` found.

    Attributes:
        dataset: The data, with every row's hash, size and reason for being set aside.
    """

    dataset: Dataset

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was noticed, the decisions first."""
        return self.dataset.findings

    @property
    def needs_decision(self) -> bool:
        """Whether a person should decide something before training."""
        return any(finding.decision for finding in self.findings)

    def describe(self) -> list[str]:
        """Lines that say what there is to learn from: classes, counts, what was set aside."""
        from mindle.data.summary import describe

        return describe(self.dataset)

    def as_dict(self) -> dict[str, Any]:
        """The document that `mindle check --json` writes; every file is named."""
        return {
            "schema": 1,
            "data": self.dataset.source,
            "images": len(self.dataset.rows()),
            "classes": list(self.dataset.classes),
            "findings": [finding_document(finding) for finding in self.findings],
        }


def check(data: Source, *, listener: Listener = SILENT) -> Checked:
    """Look for files and labels that would spoil a training; change nothing.

    Args:
        data: What `train` takes.
        listener: Hears progress.

    Raises:
        DataError: If there is nothing to look at.

    Example:
        >>> check("digits").needs_decision
        False
    """
    from mindle import data as data_room

    return Checked(data_room.check(data_room.read(data), listener=listener))


def tell_findings(findings: Sequence[Finding], listener: Listener, *, most: int = 12) -> None:
    """Say what was found, a line each, the decisions first."""
    for finding in findings[:most]:
        mark = "!" if finding.decision else "-"
        listener.say(f"{mark} {finding.kind}: {finding.message} ({finding.action})")
    if len(findings) > most:
        listener.say(
            f"  … and {len(findings) - most} more; the report and `mindle check --json` name them all"
        )


def finding_document(finding: Finding) -> dict[str, Any]:
    """A finding as it stands in run.json and in what `--json` writes."""
    return {
        "kind": finding.kind,
        "files": list(finding.files),
        "action": finding.action,
        "message": finding.message,
        "decision": finding.decision,
    }
