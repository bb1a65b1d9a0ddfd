"""What each column of a table is for: learned from, ignored and why, and what is odd about its cells."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.findings import listed
from mindle.data.common.names import WORDS, all_of, split_of
from mindle.data.tables.parsing.cells import is_missing, label_of
from mindle.data.tables.parsing.columns import (
    infer_columns,
    kind_of,
    missing_cells,
    odd_cells,
    parse_cells,
    why_useless,
)
from mindle.data.tables.parsing.numbers import is_named_id
from mindle.messages import message
from mindle.records import Column

SPLIT_NOTE = message("tables.column.split")
IGNORED_NOTE = message("tables.column.ignored")
SPLIT_NAMES = frozenset(WORDS["cells"]["splits"].split())
"""What a column that holds the split is called."""

_UNNAMED = re.compile(r"(Unnamed: \d+(\.\d+)*)?")  # as pandas calls a column without a name
ID_LEAST = 20  # different values of an id that comes again
TEXT_NUMBERS = 10  # different numbers with other text around them…
TEXT_WAYS = 3  # …such as units, of which there are few
_NUMBER_TEXT = re.compile(r"(?P<before>|\D*[^\w\d+-])[+-]?\d[\d.,]*(?P<after>\D*)")
ANSWER_COLUMNS = (
    *("path", "row", "predicted", "confidence", "low", "high"),
    *("abstain", "label_set", "decision", "reason"),
)
"""What a table of answers holds besides the ids and a `p_<class>` for each class."""


def answer_ids(ids: Sequence[str], classes: Sequence[str]) -> dict[str, str]:
    """What each id column is called in a table of answers: another name where an answer has one like it.

    Args:
        ids: Names of the id columns.
        classes: Class names; empty for a regression.

    Example:
        >>> answer_ids(["no", "abstain", "p_yes"], ["no", "yes"])
        {'no': 'no', 'abstain': 'abstain (id)', 'p_yes': 'p_yes (id)'}
    """
    taken = {*ANSWER_COLUMNS, *(f"p_{name}" for name in classes)}
    names: dict[str, str] = {}
    for name in ids:
        new = name
        while new in taken or (new != name and new in ids):
            new += " (id)"
        names[name] = new
    return names


@dataclass(frozen=True, kw_only=True)
class Settled:
    """Columns with their roles, and what was noticed on the way.

    Attributes:
        columns: In the order of the source.
        cells: The values of each, by name.
        noted: A few words on each column concerned, by kind of finding and column name.
    """

    columns: tuple[Column, ...]
    cells: Mapping[str, NDArray[Any]]
    noted: Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is known about the columns of a table before they are looked at.

    Attributes:
        roles: Roles other than "feature", by column name.
        wanted: Kinds that a user names, also "ignored", by column name.
        typed: Kinds that the source itself gives, by column name.
        missing: Texts that stand for a missing value; the usual ones where empty.
        splits: Whether a column may say which rows train and test.
        row_names: Columns that only name the rows, as `row_names_in` finds.
    """

    roles: Mapping[str, str] = field(default_factory=dict)
    wanted: Mapping[str, str] = field(default_factory=dict)
    typed: Mapping[str, str] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    splits: bool = True
    row_names: tuple[str, ...] = ()

    def kinds(self) -> dict[str, str]:
        """The kinds that are known, the user's word last."""
        return {**self.typed, **{name: kind for name, kind in self.wanted.items() if kind != "ignored"}}


def settle_columns(texts: Mapping[str, Sequence[str]], used: NDArray[np.int64], asked: Asked) -> Settled:
    """Decide what each column is for, read its cells, and ignore columns that nothing can be learned from.

    Args:
        texts: The cells of each column, by its name.
        used: The rows that count; others are set aside, or have no target.
        asked: What is known.

    Example:
        >>> texts = {"no": [str(row) for row in range(30)], "x": ["1", "2", "n/a"] * 10}
        >>> found = settle_columns(texts, np.arange(30), Asked())
        >>> [(column.name, column.role, column.note) for column in found.columns]
        [('no', 'ignored', 'counts the rows'), ('x', 'feature', '')]
        >>> found.noted["missing-words"]
        {'x': "10 cells are 'n/a'"}
    """
    noted: dict[str, dict[str, str]] = defaultdict(dict)
    columns, cells = [], {}
    for place, column in enumerate(infer_columns(texts, asked.kinds(), missing=asked.missing)):
        name, written = column.name, texts[column.name]
        values = parse_cells(written, column)
        column = replace(column, role=asked.roles.get(name, "feature"))
        if column.role == "target" and kind_of(column).is_text:
            values[:] = [label_of(text, column.missing) for text in written]
        kind, note = _why_ignored(column, written, values[used], asked)
        if kind in ("", "id-like") and name not in asked.wanted:
            noted["number-texts"] |= number_texts(column, values[used])
        if note:
            column = replace(column, role="ignored", note=note)
            noted[kind][name] = note
        else:
            about = _about(column, written, values, used, first=place == 0)
            for kind, detail in about.items():
                noted[kind][name] = detail
            column = _noted(column, about)
        columns.append(kind_of(column).sized(column, values[used]))
        cells[name] = values
    return Settled(columns=tuple(columns), cells=cells, noted={k: dict(v) for k, v in noted.items() if k})


def _why_ignored(column: Column, texts: Sequence[str], used: NDArray[Any], asked: Asked) -> tuple[str, str]:
    """Why nothing is learned from a column: a kind of finding, "" where none is needed, and a few words."""
    if column.role != "feature":
        return "", ""
    if asked.wanted.get(column.name) == "ignored":
        return "", IGNORED_NOTE
    if column.name in asked.wanted:
        return "", ""
    if asked.splits and _is_split(column, texts):
        return "split-column", SPLIT_NOTE
    return (
        ("row-names", message("tables.column.row-names"))
        if column.name in asked.row_names
        else why_useless(column, used)
    )


def _is_split(column: Column, texts: Sequence[str]) -> bool:
    if column.name.casefold() not in SPLIT_NAMES:
        return False
    values = {text for text in set(texts) if not is_missing(text, column.missing)}
    return bool(values) and all(map(split_of, values))


def _about(
    column: Column, texts: Sequence[str], values: NDArray[Any], used: NDArray[np.int64], *, first: bool
) -> dict[str, str]:
    """What is odd about a column that is used, by kind of finding."""
    # A target is missing where its row is of no use: all of its cells are looked at.
    rows = np.arange(len(texts)) if column.role == "target" else used
    found = {"missing-words": missing_words([texts[row] for row in rows.tolist()], column.missing)}
    odd = kind_of(column).unreadable(texts, column, values)
    if odd:
        found["mixed-cells"] = odd_cells(texts, odd)
    if column.role == "feature":
        found["missing-code"] = missing_code(column, values[used])
        found["returning-id"] = _returning_id(column, values[used], first=first)
        if column.name.casefold() in SPLIT_NAMES:
            found["split-column"] = message("tables.column.no-split")
    return {kind: detail for kind, detail in found.items() if detail}


def _noted(column: Column, about: Mapping[str, str]) -> Column:
    """The column with a note on what its cells hold, where that decides about rows."""
    notes = [column.note]
    if column.role == "target":
        notes.append(about.get("missing-words", ""))
    if "mixed-cells" in about:
        notes.append(message("tables.column.unreadable", cells=about["mixed-cells"]))
    said = [note for note in notes if note]
    return replace(column, note=all_of(said, "data.list.semicolon")) if said else column


def row_names_in(names: Sequence[str], texts: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The first columns that only name rows: without a name, and whole numbers that all differ.

    Args:
        names: Names of the columns as the source spells them.
        texts: The cells by the names that columns go by here, in the same order.

    Example:
        >>> row_names_in(["", "a"], {"c1": ["7", "3"], "a": ["1", "2"]})
        ('c1',)
    """
    found: list[str] = []
    for name, (known, cells) in zip(names, texts.items(), strict=True):
        plain = {cell.strip() for cell in cells}
        differ = 1 < len(cells) == len(plain) and all(map(str.isdecimal, plain))
        if not _UNNAMED.fullmatch(name.strip()) or not differ:
            break
        found.append(known)
    return tuple(found)


def missing_words(texts: Sequence[str], missing: tuple[str, ...]) -> str:
    """The texts that are read as missing, with how many cells hold each: "10 cells are 'None'".

    Example:
        >>> missing_words(["1", "", "None", "?", "None"], ())
        "2 cells are 'None', 1 cell is '?'"
    """
    counts = Counter(text.strip() for text in texts if text.strip() and is_missing(text, missing))
    found = [message("tables.column.word", n=count, word=word) for word, count in counts.most_common(3)]
    return listed(found) if found else ""


def number_texts(column: Column, values: NDArray[Any]) -> dict[str, str]:
    """A few words about a category whose cells are numbers with other text, by its name; none for others.

    A letter right before the digits makes a code of them, such as C85.

    Example:
        >>> cells = np.array([f"{n} kg" for n in range(10)], object)
        >>> number_texts(Column(name="mass", kind="category"), cells)
        {'mass': "such as '0 kg'"}
    """
    if not kind_of(column).is_text or column.role != "feature":
        return {}
    texts = list(dict.fromkeys(values[~missing_cells(values)].tolist()))
    if len(texts) < TEXT_NUMBERS or not _NUMBER_TEXT.fullmatch(texts[0]):
        return {}
    found = [match for text in texts if (match := _NUMBER_TEXT.fullmatch(text))]
    around = {(match["before"].strip(), match["after"].strip()) for match in found}
    is_counted = not any(after for _, after in around) and not any(
        "." in text or "," in text for text in texts
    )
    if len(found) < len(texts) or len(around) > TEXT_WAYS or ("", "") in around or is_counted:
        return {}
    return {column.name: message("tables.column.such-as", shown=texts[0])}


def missing_code(column: Column, values: NDArray[Any]) -> str:
    """The values of a column that may stand for "missing", with how many cells hold each.

    Example:
        >>> missing_code(Column(name="t", kind="number"), np.array([*range(20), -200, -200, -200]) / 1.0)
        '-200 in 3 cells'
    """
    found = [message("tables.column.code", code=code, n=n) for code, n in kind_of(column).codes(values)]
    return listed(found) if found else ""


def _returning_id(column: Column, values: NDArray[Any], *, first: bool) -> str:
    """How many values there are in how many rows, where they name something that comes again."""
    filled = values[~missing_cells(values)]
    different = len(set(filled.tolist()))
    if different < ID_LEAST or different == len(filled):
        return ""
    least = kind_of(column).id_share(filled, named=is_named_id(column.name), first=first)
    if different / len(filled) < least:
        return ""
    return message("tables.column.returning", different=different, n=len(filled))
