"""What reading a table file took for granted, said: separator, header, row names, the length of rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mindle.data.common.names import count_of, name_of
from mindle.data.tables.parsing.delimited import Layout
from mindle.data.tables.parsing.dialect import spelled
from mindle.errors import DataError
from mindle.records import Finding

_PLAIN = (",", ";", "\t")
_UNNAMED = re.compile(r"(Unnamed: \d+(\.\d+)*)?")  # as pandas calls a column without a name
_SETTLE = (
    "Say what separates cells with --separator, how many lines of header there are with --header, or name"
)


def layout_findings(
    place: Path, layout: Layout, *, settled: bool, separated: bool = False
) -> Iterator[Finding]:
    """What was assumed about how a file is written, where it is not plain.

    Args:
        place: The file.
        layout: What was found out.
        settled: Whether the user said how many lines of header there are, or named the columns.
        separated: Whether the user said what stands between cells.
    """
    name = name_of(place.name)
    if not layout.encoding.startswith("utf-8"):
        codec = layout.encoding.upper()
        message = f"{name} is not UTF-8 and was read as {codec}."
        yield Finding(kind="encoding", files=(name,), message=message, action=f"read as {codec}")
    assumed = list(_assumed(layout, settled, separated))
    if assumed:
        message = f"Of {name} it was assumed that {' and that '.join(assumed)}."
        yield Finding(kind="layout", files=(name,), message=message, action="read so")
    if layout.header > 1 and not settled:
        joined = next((joined for _, joined in layout.aliases), layout.names[0])
        yield Finding(
            kind="header-lines",
            files=(name,),
            message=f"The first {layout.header} lines of {name} look like a header; each column was named by "
            f"all of them, such as {joined!r}. Say --header {layout.header} to settle it, or --header 1 "
            "where only the first line is one.",
            action="joined",
            decision=True,
        )


def _assumed(layout: Layout, settled: bool, separated: bool) -> Iterator[str]:
    if not separated and (layout.separator not in _PLAIN or layout.others):
        others = f" rather than by {' or '.join(map(spelled, layout.others))}" if layout.others else ""
        yield f"cells are separated by {spelled(layout.separator)}{others}"
    if layout.before:
        yield f"the table begins after {count_of(layout.before, 'line', 'lines')} of other text"
    if not layout.header and not settled:
        yield "no line names the columns"


def told(layout: Layout) -> str:
    """How the cells of a file were found, as errors about its columns say it.

    Example:
        >>> told(Layout(encoding="utf-8", separator=";", header=1, names=("a",), width=1))
        "Cells were separated by ';'."
    """
    return f"Cells were separated by {spelled(layout.separator)}."


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
        plain = [cell.strip() for cell in cells]
        if not _UNNAMED.fullmatch(name.strip()) or not _all_differ(plain):
            break
        found.append(known)
    return tuple(found)


def _all_differ(cells: Sequence[str]) -> bool:
    return 1 < len(cells) == len(set(cells)) and all(cell.isdecimal() for cell in cells)


def require_whole_rows(source: str, layout: Layout, cells: Sequence[int], rows: int) -> None:
    """Refuse a table most of whose rows have another number of cells than there are columns.

    Args:
        source: What the user typed.
        layout: How the file was read.
        cells: How many cells each row of another length has.
        rows: How many rows there are.

    Raises:
        DataError: With the likely cause.
    """
    width = len(layout.names)
    if not rows:
        raise DataError(
            f"A table must have rows with a cell for each of its {width} columns. Received {source!r} with "
            "only a header. Check the file, or name its columns with `columns`."
        )
    if 2 * len(cells) <= rows:
        return
    usual = Counter(cells).most_common(1)[0][0]
    cause = (
        "The likely cause are numbers with decimal commas, which the commas between cells cut in two: write "
        "the file with another separator, or with decimal points."
        if layout.separator == "," and usual > width
        else f"{_SETTLE} the {max(usual, width)} columns with --columns."
    )
    raise DataError(
        f"A table must have rows with a cell for each of its {width} columns. Received {source!r}, where "
        f"{len(cells):,} of {count_of(rows, 'row', 'rows')} have another number of cells, mostly {usual}. "
        f"{told(layout)} {cause}"
    )
