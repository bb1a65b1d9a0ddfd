"""`check`: what would spoil a training, found before it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from mindle.api.shortcuts import shortcut_findings, shortcuts
from mindle.data.reading import ReadingKeywords, ReadingOptions, takes_reading_options
from mindle.messages import known_message, message, message_document
from mindle.records import SILENT, Dataset, Finding, Listener, Table

if TYPE_CHECKING:
    from mindle.evaluation.doctor.shortcuts import Shortcut

Source = str | os.PathLike[str]


@dataclass(frozen=True)
class Checked:
    """What `check` found.

    Attributes:
        dataset: The data, with every row's hash, size and reason for being set aside.
        shortcuts: How much each cue, such as the border of images or a column, says of the target alone.
    """

    dataset: Dataset | Table
    shortcuts: tuple[Shortcut, ...] = ()

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
        from mindle.data import sources

        return sources.of(self.dataset).describe(self.dataset)

    def as_dict(self) -> dict[str, Any]:
        """The document that `mindle check --json` writes; every file is named."""
        return {
            "schema": 1,
            "data": self.dataset.source,
            self.dataset.unit: len(self.dataset.rows()),
            "classes": list(self.dataset.classes),
            "findings": [finding_document(finding) for finding in self.findings],
            "shortcuts": [found.document() for found in self.shortcuts],
        }


@takes_reading_options()
def check(
    data: Any,
    *,
    split_seed: int = 0,
    listener: Listener = SILENT,
    **reading: Unpack[ReadingKeywords],
) -> Checked:
    """Check images and labels, or a table, for what would spoil a training; change nothing.

    Args:
        data: What `train` takes.
        split_seed: Seed by which `per_class` draws images.
        listener: Receives progress.
        **reading: How the data are read, see `ReadingOptions`.

    Raises:
        DataError: If there is nothing to check.
        ValueError: If an argument is about a table and the data are images, or names no column.

    Example:
        >>> check("digits").needs_decision, check("wine").needs_decision
        (False, False)
    """
    from mindle.data import sources
    from mindle.data.common.summary import decided

    options = ReadingOptions.of(reading, check)
    found = options.read(data, split_seed=split_seed)
    source = sources.of(found)
    checked = decided(source.check(found, listener=listener), partial(source.ready, seed=split_seed))
    alone = shortcuts(checked, checked.rows(), seed=split_seed)
    findings = (*checked.findings, *shortcut_findings(alone, checked))
    ordered = tuple(sorted(findings, key=lambda finding: not finding.decision))
    return Checked(replace(checked, findings=ordered), tuple(alone))


def require_classes(dataset: Dataset, what: str) -> None:
    """Refuse a list of numbers where only classes will do.

    Raises:
        ValueError: If the images have numbers.
    """
    if not dataset.classes:
        raise ValueError(
            f"{what} must be of images in classes. Received {dataset.source!r}, where "
            f"{dataset.target!r} holds numbers to estimate. `mindle train` and `mindle check` take it."
        )


def tell_findings(findings: Sequence[Finding], listener: Listener, *, most: int = 12) -> None:
    """Say what was found, a line each, the decisions first."""
    for finding in findings[:most]:
        mark = "!" if finding.decision else "-"
        facts = {"kind": finding.kind, "message": finding.message, "action": action_of(finding)}
        listener.say(message("commands.finding.line", mark=mark, **facts))
    if len(findings) > most:
        listener.say(message("commands.finding.more", n=len(findings) - most))


def action_of(finding: Finding) -> str:
    """What is done about a finding, from the catalogue where that has it."""
    return known_message(f"report.action.{finding.action}", finding.action)


def finding_document(finding: Finding) -> dict[str, Any]:
    """A finding as it stands in run.json and in what `--json` writes."""
    return {**vars(finding), "files": list(finding.files), **message_document(finding.message)}
