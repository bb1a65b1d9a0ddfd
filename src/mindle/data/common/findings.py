"""Making findings: what is done about each kind, and sentences about several columns."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from mindle.messages import Message, message
from mindle.records import Finding

_LISTED = 12


@cache
def kinds() -> Mapping[str, Mapping[str, Any]]:
    """What is done about each kind of finding; see `findings.toml`.

    Example:
        >>> kinds()["two-labels"]
        {'action': 'set aside', 'decision': True}
    """
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def finding(
    kind: str, files: Iterable[str], sentence: str, *, action: str = "", decision: bool | None = None
) -> Finding:
    """A finding with what is usually done about its kind; `action` and `decision` where this case differs.

    Example:
        >>> finding("stray", ["notes.txt"], "1 file lies outside the class folders.").action
        'set aside'
    """
    usual = kinds().get(kind, {})
    return Finding(
        kind=kind,
        files=tuple(files),
        message=sentence,
        action=action or usual["action"],
        decision=usual.get("decision", False) if decision is None else decision,
    )


def listed(names: Sequence[str], most: int = _LISTED) -> str:
    """Some names with commas between them, cut short where there are many."""
    if len(names) > most:
        return message("data.list.and_more", names=list(names[:most]), n=len(names) - most)
    return message("data.list.commas", names=list(names))


def about_columns(
    kind: str, details: Mapping[str, str], *, action: str = "", advice: str = ""
) -> Iterator[Finding]:
    """A finding about some columns, with a few words on each; none where there are no columns.

    Args:
        kind: Of the finding.
        details: A few words on each column, by its name.
        action: What mindle does about it, where that is not the usual thing.
        advice: A sentence about what to do, where it is not the usual one.

    Example:
        >>> next(about_columns("mostly-missing", {"deck": "77 %", "age": "60 %"})).message
        'Most cells are missing in 2 columns: deck (77 %), age (60 %).'
    """
    if not details:
        return
    usual = kinds()[kind]
    named = [message("tables.columns.named", name=name, detail=detail) for name, detail in details.items()]
    lead = message(f"tables.lead.{usual.get('lead', kind)}")
    said = message("tables.columns.of", lead=lead, n=len(details), names=listed(named))
    if advice or usual.get("advice"):
        second = advice or message(f"tables.advice.{kind}")
        said = message("selection.sentences", first=said, second=second)
    yield finding(kind, details, said, action=action, decision=False)


COLUMN_KINDS = (
    *("constant-column", "empty-column", "id-like", "row-names", "missing-code", "missing-words"),
    *("mixed-cells", "number-texts", "returning-id", "split-column"),
)
"""The kinds of findings that reading makes about columns, in their order."""


def column_findings(noted: Mapping[str, Mapping[str, str]], missing: tuple[str, ...]) -> Iterator[Finding]:
    """What was noticed about columns, one finding a kind.

    Args:
        noted: A few words on each column concerned, by kind of finding and column name.
        missing: Texts that stand for a missing value, as the user said.
    """
    for kind in COLUMN_KINDS:
        advice = _code_advice(noted, missing) if kind == "missing-code" else ""
        yield from about_columns(kind, noted.get(kind, {}), advice=advice)


def _code_advice(noted: Mapping[str, Mapping[str, str]], missing: tuple[str, ...]) -> Message:
    """The option that reads codes as missing, beside the texts that are read so already."""
    codes = sorted(_values(noted, "missing-code", "code"))
    words = ",".join([*codes, *(missing or sorted(_values(noted, "missing-words", "word")))])
    return message("tables.advice.missing-code", words=words)


def _values(noted: Mapping[str, Mapping[str, str]], kind: str, value: str) -> set[str]:
    """Values of the sentences on columns, which `listed` put together: codes or texts."""
    lists = (detail.values["names"] for detail in noted.get(kind, {}).values() if isinstance(detail, Message))
    return {item.values[value] for items in lists for item in items}
