"""`check`: what would spoil a training, found before it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from mindle.records import SILENT, Dataset, Finding, Listener, Table

Source = str | os.PathLike[str]


@dataclass(frozen=True)
class Checked:
    """What `check` found.

    Attributes:
        dataset: The data, with every row's hash, size and reason for being set aside.
    """

    dataset: Dataset | Table

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
        from mindle.data.tables.summary import describe_table

        return describe_table(self.dataset) if isinstance(self.dataset, Table) else describe(self.dataset)

    def as_dict(self) -> dict[str, Any]:
        """The document that `mindle check --json` writes; every file is named."""
        return {
            "schema": 1,
            "data": self.dataset.source,
            "rows" if isinstance(self.dataset, Table) else "images": len(self.dataset.rows()),
            "classes": list(self.dataset.classes),
            "findings": [finding_document(finding) for finding in self.findings],
        }


@dataclass(frozen=True, kw_only=True)
class TableOptions:
    """What a user may say about a table; see `mindle.train` for each.

    Attributes:
        target: The column to learn, by name, position from 1, or "last".
        task: "classification" or "regression"; None where the target tells.
        columns: Names for a file without a header.
        kinds: "number", "category", "date" or "ignored" by column name.
        group: A column whose equal values hold rows together.
        time: A column in whose order rows came.
        ids: Columns that name a row.
    """

    target: str | int | None = None
    task: str | None = None
    columns: tuple[str, ...] = ()
    kinds: Mapping[str, str] | None = None
    group: str | int | None = None
    time: str | int | None = None
    ids: tuple[str | int, ...] = ()

    def said(self) -> dict[str, Any]:
        """What the user said, by name, without what was left open.

        Example:
            >>> TableOptions(target="price", ids=("number",)).said()
            {'target': 'price', 'ids': ('number',)}
        """
        return {field.name: value for field in fields(self) if (value := getattr(self, field.name))}

    def about_rows(self) -> dict[str, Any]:
        """What the user said that a list of images cannot be told: all but what is learned, and how."""
        return replace(self, target=None, task=None).said()

    def read(self, data: Any) -> Table:
        """Read a table as the options say.

        Raises:
            DataError: If the source is no table, or its target cannot be learned.
            ValueError: If an option names a column that is not there.
        """
        from mindle.data.tables.reader import read_table

        return read_table(
            data,
            target=self.target,
            task=self.task,
            columns=self.columns or None,
            kinds=self.kinds,
            group=self.group,
            time=self.time,
            ids=self.ids,
        )


def check(
    data: Any,
    *,
    target: str | int | None = None,
    task: str | None = None,
    columns: Sequence[str] = (),
    kinds: Mapping[str, str] | None = None,
    group: str | int | None = None,
    time: str | int | None = None,
    ids: Sequence[str | int] = (),
    listener: Listener = SILENT,
) -> Checked:
    """Look for files and labels, or columns and rows, that would spoil a training; change nothing.

    Args:
        data: What `train` takes.
        target: Of a table or a CSV of images: what to learn; see `mindle.train`, also for the six below.
        task: Of these: "classification" or "regression".
        columns: Of a table: names for a file without a header.
        kinds: Of a table: kinds by column name, where the guess is wrong.
        group: Of a table: a column whose equal values hold rows together.
        time: Of a table: a column in whose order rows came.
        ids: Of a table: columns that name a row.
        listener: Hears progress.

    Raises:
        DataError: If there is nothing to look at.
        ValueError: If an argument is about a table and the data are images, or names no column.

    Example:
        >>> check("digits").needs_decision, check("wine").needs_decision
        (False, False)
    """
    from mindle import data as data_room
    from mindle.data.tables.checks import check_table
    from mindle.data.tables.reader import is_table

    options = TableOptions(
        target=target, task=task, columns=tuple(columns), kinds=kinds, group=group, time=time, ids=tuple(ids)
    )
    if is_table(data, target):
        return Checked(check_table(options.read(data), listener=listener))
    refuse(options.about_rows(), "a table", "images")
    return Checked(data_room.check(data_room.read(data, target=target, task=task), listener=listener))


def refuse(arguments: Mapping[str, Any], theirs: str, ours: str) -> None:
    """Refuse arguments that say something about other data than these.

    Raises:
        ValueError: Naming the first of them.
    """
    given = [name for name, value in arguments.items() if value]
    if given:
        raise ValueError(
            f"`{given[0]}` must be left out for {ours}: it is about {theirs}. Received "
            f"{given[0]}={arguments[given[0]]!r}."
        )


def require_classes(dataset: Dataset, what: str) -> None:
    """Refuse a list of numbers where only classes will do.

    Raises:
        ValueError: If the images have numbers.
    """
    if dataset.task == "regression":
        raise ValueError(
            f"{what} must be of images in classes. Received {dataset.source!r}, where "
            f"{dataset.target!r} holds numbers to estimate. `mindle train` and `mindle check` take it."
        )


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
