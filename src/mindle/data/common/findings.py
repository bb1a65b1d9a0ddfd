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
    """Action and decision by kind of finding about images.

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


def column_finding(
    kind: str,
    details: Mapping[str, str],
    action: str,
    *,
    lead: str = "",
    advice: str = "",
) -> Finding:
    """A finding about some columns, with a few words on each.

    Args:
        kind: Of the finding, and of the beginning of its sentence.
        details: A few words on each column, by its name.
        action: What mindle does about it.
        lead: Of the beginning, where it is not the kind.
        advice: A sentence about what to do.

    Example:
        >>> column_finding("mostly-missing", {"deck": "77 %", "age": "60 %"}, "kept").message
        'Most cells hold nothing in 2 columns: deck (77 %), age (60 %).'
    """
    named = [message("tables.columns.named", name=name, detail=detail) for name, detail in details.items()]
    beginning = message(f"tables.lead.{lead or kind}")
    said = message("tables.columns.of", lead=beginning, n=len(details), names=listed(named))
    if advice:
        said = message("selection.sentences", first=said, second=advice)
    return Finding(kind=kind, files=tuple(details), message=said, action=action)


def column_findings(noted: Mapping[str, Mapping[str, str]], missing: tuple[str, ...]) -> Iterator[Finding]:
    """What was noticed about columns, one finding a kind.

    Args:
        noted: A few words on each column concerned, by kind of finding and column name.
        missing: Texts that stand for a missing value, as the user said.
    """
    for kind, action, has_advice in (
        ("constant-column", "ignored; name a column's kind to keep it", False),
        ("empty-column", "ignored; name a column's kind to keep it", False),
        ("id-like", "ignored; name a column's kind to keep it", False),
        ("row-names", "ignored; name a column's kind to keep it", False),
        ("missing-code", "kept as a number", True),
        ("missing-words", "read as missing", True),
        ("mixed-cells", "read as missing", False),
        ("number-texts", "kept", True),
        ("returning-id", "kept", True),
        ("split-column", "kept", False),
    ):
        if noted.get(kind):
            lead = "useless" if kind in ("constant-column", "empty-column", "id-like") else ""
            advice = _advice(kind, noted, missing) if has_advice else ""
            yield column_finding(kind, noted[kind], action, lead=lead, advice=advice)


def _advice(kind: str, noted: Mapping[str, Mapping[str, str]], missing: tuple[str, ...]) -> Message:
    if kind != "missing-code":
        return message(f"tables.advice.{kind}")
    codes = sorted(_told(noted, "missing-code", "code"))  # beside the words that are read so already
    words = ",".join([*codes, *(missing or sorted(_told(noted, "missing-words", "word")))])
    return message("tables.advice.missing-code", words=words)


def _told(noted: Mapping[str, Mapping[str, str]], kind: str, value: str) -> set[str]:
    """Values of the sentences on columns, which `listed` put together: codes or words."""
    lists = (detail.values["names"] for detail in noted.get(kind, {}).values() if isinstance(detail, Message))
    return {item.values[value] for items in lists for item in items}
