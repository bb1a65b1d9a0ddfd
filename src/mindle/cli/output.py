"""Documents and tables that a command prints or writes where it is asked to."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

from mindle.artifacts.files import beside, explained
from mindle.artifacts.outputs import keep_apart
from mindle.messages import current_language, in_language, known_message
from mindle.text import json_safe, printable

# Arguments by name: what is written, as it is spelled; what is read; and what is read if it is a file.
_WRITTEN = {"out": "--out", "json": "--json"}
_READ = ("data", "images", "model", "run", "runs")
_READ_FILES = ("weights", "recipe", "space", "name", "limits")
_STANDARD_OUTPUT = ("/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")


def as_stream(target: str | None) -> str | None:
    """An output as `-` where it is standard output: opened by name, a file behind that would begin anew.

    Example:
        >>> as_stream("/dev/stdout"), as_stream("answers.csv")
        ('-', 'answers.csv')
    """
    return "-" if target in _STANDARD_OUTPUT else target


def refuse_overlap(arguments: Mapping[str, Any], *, among: bool) -> None:
    """Refuse outputs of a command that lie on what it reads, or among it, before anything is opened.

    Args:
        arguments: Of the command, by name.
        among: Whether a new file may lie in a folder that is read.
    """
    written = {option: arguments.get(name) for name, option in _WRITTEN.items()}
    read: list[str] = []
    for name in _READ:
        given = arguments.get(name) or ()
        read += [given] if isinstance(given, str) else given
    read += [path for name in _READ_FILES if os.path.isfile(path := arguments.get(name) or "")]
    keep_apart(written, read, among=among)


def write_json_document(document: Mapping[str, Any], target: str | None) -> None:
    """Write what `--json` asks for: to standard output for "-", else to a file; nothing for None."""
    target = as_stream(target)
    if target is None:
        return
    text = json_safe(json.dumps(document, ensure_ascii=False, indent=1))
    if target == "-":
        print(text)
        return
    with beside(Path(target)) as draft, explained(f"--json {target}"):
        draft.write_text(text + "\n", encoding="utf-8")


def show(
    document: Mapping[str, Any], target: str | None, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> bool:
    """Write what `--json` asks for, and print the table unless that takes standard output.

    Returns:
        Whether standard output is left for more to print.
    """
    write_json_document(document, target)
    if as_stream(target) == "-":
        return False
    print_table(columns, rows)
    return True


def print_table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a plain table on standard output, columns padded to their widest cell as a terminal counts width.

    Args:
        columns: Headings, which the catalogue may have in the language of the call.
        rows: Their cells.

    Example:
        >>> print_table(("class", "n"), [("장미", 3), ("tulip", 12)])
        class  n
        장미   3
        tulip  12
    """

    def width(text: str) -> int:
        return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)

    headings = [
        known_message(f"commands.column.{re.sub(r'[ _]', '-', name.lower())}", name) for name in columns
    ]
    table = [[in_language(cell, current_language()) for cell in row] for row in (headings, *rows)]
    cells = [[printable(str(cell)) for cell in row] for row in table]
    widths = [max(width(row[i]) for row in cells) for i in range(len(columns))]
    for row in cells:
        padded = (cell + " " * (w - width(cell)) for cell, w in zip(row, widths, strict=True))
        print("  ".join(padded).rstrip())


def pairs(settings: list[str], option: str, example: str) -> dict[str, str]:
    """Turn NAME=VALUE settings into a mapping."""
    found = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.strip():
            raise ValueError(f"`{option}` must look like {example}. Received {setting!r}.")
        found[name.strip()] = value.strip()
    return found


def names(listed: str | None) -> tuple[str, ...]:
    """Turn `a, b` into its names."""
    return tuple(name.strip() for name in (listed or "").split(",") if name.strip())
