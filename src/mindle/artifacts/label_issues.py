"""`label_issues.csv` of a run: every label, the most questionable first; and the verdicts that come back.

A person fills in `verdict` (keep, relabel or set_aside) and, of a label to change, `new_label`. The file may
have gone through a spreadsheet: semicolons or tabs between the cells, a byte order mark, other columns.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

from mindle.artifacts.files import exists, first_words, unreadable, write_csv
from mindle.artifacts.reading import SpecialFile, open_regular
from mindle.artifacts.run import RunFolder
from mindle.errors import ArtifactError, DataError, did_you_mean
from mindle.text import separator_of, uncell

COLUMNS = ("path", "sha256", "split", "label", "suggested", "score", "verdict", "new_label")
ASKED = ("path", "sha256", "verdict", "new_label")
KEEP, RELABEL, SET_ASIDE = VERDICTS = ("keep", "relabel", "set_aside")
SUGGESTED = "suggested:"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What somebody decided about one image or row.

    Attributes:
        path: Its name, as in the manifest.
        sha256: Hash of what it held then.
        verdict: One of `VERDICTS`.
        new_label: What it is, of one to relabel; else "".
        line: Of the file where it stands, for messages.
    """

    path: str
    sha256: str
    verdict: str
    new_label: str = ""
    line: int = 0


def path_of(run: RunFolder) -> Path:
    """Where the label issues of a run lie."""
    return run.path / "label_issues.csv"


def write_label_issues(path: Path, rows: Iterable[Sequence[Any]]) -> None:
    """Write the labels with what is suggested, the most questionable first.

    Args:
        path: The file.
        rows: Path, sha256, split, label, suggested and score of each; None where there is none.
    """
    cells = (
        [*row[:5], "" if row[5] is None else f"{row[5]:.6f}", "", ""] for row in rows
    )  # a person fills in the last two
    write_csv(path, COLUMNS, cells)


def read_decisions(given: str | os.PathLike[str], precision: float) -> tuple[Verdict, ...]:
    """The verdicts that `--decisions` names.

    Args:
        given: A file like label_issues.csv, or "suggested:RUN" for the suggestions of a run.
        precision: Stated precision down to which suggestions are taken.

    Raises:
        TypeError: If it is no path.
        DataError: If the file is missing or a line of it is wrong, which is named.
        ArtifactError: If RUN is no run with suggestions.
    """
    if not isinstance(given, str | os.PathLike):
        raise TypeError(
            f"`decisions` must be the path of a CSV file, or {SUGGESTED}RUN. Received {type(given).__name__}."
        )
    text = os.fspath(given)
    if text.startswith(SUGGESTED):
        return suggestions(RunFolder(Path(text.removeprefix(SUGGESTED))), precision)
    return read_verdicts(Path(text))


def digest(verdicts: Iterable[Verdict]) -> str:
    """Hash of what was decided, whatever file it stood in and in whatever order."""
    content = sorted([each.sha256, each.path, each.verdict, each.new_label] for each in verdicts)
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


# ---- what a person filled in -------------------------------------------------------------------------------


def read_verdicts(path: Path) -> tuple[Verdict, ...]:
    """The verdicts of a file; rows without one say nothing.

    Raises:
        DataError: If it is missing, lacks a column, or a line of it is wrong, which is named.
    """
    found = []
    for line, cells in _lines(path, ASKED):
        verdict = re.sub(r"[\s-]+", "_", cells["verdict"].strip().lower())
        each = Verdict(
            path=cells["path"],
            sha256=cells["sha256"].strip().lower(),
            verdict=verdict,
            new_label=cells["new_label"].strip(),
            line=line,
        )
        if wrong := _wrong(each):
            raise DataError(f"{path}, line {line}: {wrong} Correct that line and give the file again.")
        if verdict:
            found.append(each)
    return tuple(found)


def _wrong(each: Verdict) -> str:
    """What is wrong with a verdict, or ""."""
    if each.verdict not in ("", *VERDICTS):
        return (
            f"`verdict` must be keep, relabel, set_aside or empty. Received {each.verdict!r}."
            f"{did_you_mean(each.verdict, VERDICTS)}"
        )
    if each.verdict == RELABEL and not each.new_label:
        return "`new_label` must say what the label is to be, as `verdict` is relabel. Received none."
    if each.verdict != RELABEL and each.new_label:
        stands = f"`verdict` is {each.verdict}" if each.verdict else "`verdict` is empty"
        return (
            f"`new_label` must be empty unless `verdict` is relabel. Received {each.new_label!r}; {stands}."
        )
    if each.verdict and not re.fullmatch("[0-9a-f]{64}", each.sha256):
        return f"`sha256` must be the 64 digits of label_issues.csv. Received {each.sha256[:70]!r}."
    return ""


def _lines(path: Path, asked: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Number and the cells that are asked for of each line, whatever stands between the cells."""
    try:
        with open_regular(path) as file, io.TextIOWrapper(file, "utf-8-sig", newline="") as lines:
            separator = separator_of(lines.readline())
            lines.seek(0)
            reader = csv.reader(lines, delimiter=separator)
            header = [name.strip().lower() for name in next(reader, [])]
            if missing := [name for name in asked if name not in header]:
                raise DataError(
                    f"{path} must have the columns {', '.join(asked)}. Missing: {', '.join(missing)}. "
                    "label_issues.csv of a run has them."
                )
            for cells in reader:
                row = dict(zip(header, map(uncell, cells), strict=False))
                if any(cells):
                    yield reader.line_num, {name: row.get(name, "") for name in asked}
    except FileNotFoundError as error:
        raise DataError(
            f"`decisions` must be a file like label_issues.csv, or {SUGGESTED}RUN. Received {path}, which is "
            "not there."
        ) from error
    except (UnicodeDecodeError, csv.Error, SpecialFile, IsADirectoryError) as error:
        raise DataError(
            f"`decisions` must be a CSV file in UTF-8. Received {path} ({first_words(error)}). Save it as "
            "“CSV UTF-8”."
        ) from error
    except OSError as error:
        raise unreadable(path, error) from error


# ---- what a run suggests -----------------------------------------------------------------------------------


def suggestions(run: RunFolder, precision: float) -> tuple[Verdict, ...]:
    """The longest list of a run's suggestions whose stated precision is at least so high.

    Raises:
        ArtifactError: If it is no run, or has no suggestions at a stated precision.
    """
    counts = _stated(run)
    wanted = counts.get(str(ceil(round(100 * precision, 6))), 0)
    found = [row for _, row in _lines(path_of(run), COLUMNS) if row["suggested"]]
    found.sort(key=_score)
    return tuple(
        Verdict(path=row["path"], sha256=row["sha256"], verdict=RELABEL, new_label=row["suggested"])
        for row in found[:wanted]
    )


def _score(row: Mapping[str, str]) -> float:
    """The score of a row: a spreadsheet may have sorted them otherwise, and writes numbers as its country."""
    with suppress(ValueError):
        return float(row["score"].replace(",", "."))
    return float("inf")


def _stated(run: RunFolder) -> Mapping[str, int]:
    stated = run.document().get("doctor", {}).get("labels", {}).get("suggestions")
    if stated is None:
        raise ArtifactError(
            f"{SUGGESTED}RUN must be a run that suggests labels. Received {run.path}, a run of numbers or of "
            "an older version. Fill in `verdict` in a label_issues.csv instead."
        )
    counts: Mapping[str, int] = stated
    return counts


# ---- what a report shows -----------------------------------------------------------------------------------


def questioned(path: Path, found: Mapping[str, Any], most: int) -> list[dict[str, str]]:
    """The first rows of label_issues.csv that are probably wrong, by column name; none of an absent file.

    It may have gone through a spreadsheet since.

    Args:
        path: The file.
        found: What run.json keeps of the labels: of numbers, only their share is probably wrong.
        most: How many rows at most.
    """
    if not exists(path):
        return []
    certain = most if "suggestions" in found else round(found["n"] * (found["share"]["value"] or 0.0))
    rows = [{**row, "score": str(_score(row))} for _, row in _lines(path, COLUMNS) if row["suggested"]]
    return sorted((row for row in rows if row["score"] != "inf"), key=_score)[: min(most, certain)]
