"""What a call writes never lies on what it reads, nor among it: refused before anything is opened.

Files are compared by what they are, not by their names: links and other spellings are seen through.
"""

from __future__ import annotations

import csv
import glob
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mindle.artifacts.files import draft_of, is_special

STREAM = "-"
ANSWERS, PAGES = (".csv", ".json"), (".html", ".htm")
# How the files of answers begin that `predict` and `evaluate` write, which may be written anew.
_OWN = (
    b"path,predicted",
    b"path,row,",
    b"path,label,predicted",
    b"path,target,predicted",
    b'{"schema": 1, "predictions": [',
)
# By which a folder is known that may be written anew.
_OWN_DOCUMENTS = ("certificate.json",)
_LISTS = (".csv", ".tsv", ".txt")
_LINES_LOOKED_AT = 20

Source = str | os.PathLike[str]


@dataclass(frozen=True)
class Output:
    """Something that a call was asked to write.

    Attributes:
        option: How it was asked for, such as "--out".
        path: The file or folder.
    """

    option: str
    path: Path

    def is_one_of(self, path: Source) -> bool:
        """Whether a path leads to this output, or to what it is until it is whole."""
        real = os.path.realpath(path)
        paths = (self.path, draft_of(self.path))
        return any(real == os.path.realpath(each) or _same(each, path) for each in paths)


def outputs_of(asked: Mapping[str, Source | None]) -> list[Output]:
    """The outputs of a call that are files or folders, by option; streams and devices are none.

    Raises:
        ValueError: If two of them are one file.
    """
    found = [
        Output(option, Path(path))
        for option, path in asked.items()
        if path is not None and os.fspath(path) != STREAM and not is_special(Path(path))
    ]
    for one, two in itertools.combinations(found, 2):
        if one.is_one_of(two.path):
            raise ValueError(
                f"`{one.option}` and `{two.option}` must be different files. Received {one.path} for both."
            )
    return found


def keep_apart(asked: Mapping[str, Source | None], inputs: Iterable[Any], *, among: bool = False) -> None:
    """Refuse outputs that lie on what is read, or among it.

    Args:
        asked: Outputs by option; None where none was asked for.
        inputs: Files, folders, patterns and runs that are read; anything else is passed over.
        among: Whether a new file may lie in a folder that is read, because it is no data there.

    Raises:
        ValueError: Naming the option and what it lies on.

    Example:
        >>> _ = open("houses.csv", "w").write("price")  # doctest: +SKIP
        >>> keep_apart({"--out": "houses.csv"}, ["houses.csv"])  # doctest: +SKIP
        Traceback (most recent call last):
        ValueError: `--out` must not be a file that is read. Received houses.csv. Choose another.
    """
    outputs = outputs_of(asked)
    for output in outputs:
        if output.path.is_file() and is_made(output.path.parent) and not _is_own(output.path):
            raise _taken(output, output.path)
    for given in inputs if outputs else ():
        for source in _expanded(given):
            for output in outputs:
                _refuse(output, source, among)


def _expanded(given: Any) -> Iterator[str]:
    """A path as typed, the matches of a pattern, and of a run its data too."""
    if not isinstance(given, str | os.PathLike):
        return
    typed = os.path.expanduser(os.fspath(given))
    if not os.path.lexists(typed):
        yield from glob.iglob(typed, recursive=True) if glob.has_magic(typed) else ()
        return
    yield typed
    if (source := _source_of(Path(typed))) is not None:
        yield source


def _source_of(run: Path) -> str | None:
    """Where the data of a run lie, if they still do."""
    try:
        document = json.loads((run / "run.json").read_bytes())
        source = document["asked"]["source"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return source if isinstance(source, str) and os.path.exists(source) else None


def _refuse(output: Output, source: str, among: bool) -> None:
    files: Iterable[str] = ()
    if os.path.isdir(source):
        _refuse_inside(output, source, among or is_made(source))
        if output.path.is_file() and not _is_own(output.path):
            files = files_below(source)
    elif output.is_one_of(source):
        raise _taken(output, source)
    elif output.path.is_file() and source.lower().endswith(_LISTS):
        files = _listed(Path(source))
    for file in files:
        if _same(output.path, file):  # under another name, such as a hard link
            raise _taken(output, file)


def _refuse_inside(output: Output, folder: str, among: bool) -> None:
    if not is_inside(output.path, folder):
        return
    if not among:
        raise ValueError(
            f"`{output.option}` must lie outside of the data. Received {output.path}, which is inside "
            f"{folder}. Choose another folder with {output.option}."
        )
    if output.path.exists() and not _is_own(output.path):
        raise _taken(output, output.path)


def _taken(output: Output, source: Source) -> ValueError:
    other = "" if os.fspath(source) == os.fspath(output.path) else f", which is {os.fspath(source)}"
    return ValueError(
        f"`{output.option}` must not be a file that is read. Received {output.path}{other}. Choose another."
    )


def is_inside(path: Path, folder: Source) -> bool:
    """Whether a path is a folder or lies below it, whatever both are called.

    Example:
        >>> is_inside(Path("photos/oak/../runs"), "photos"), is_inside(Path("photos"), "runs")
        (True, False)
    """
    real, root = Path(os.path.realpath(path)), os.path.realpath(folder)
    return any(os.fspath(each) == root or _same(each, folder) for each in (real, *real.parents))


def _same(one: Source, two: Source) -> bool:
    try:
        return os.path.samefile(one, two)
    except OSError:  # one is not there
        return False


def files_below(folder: Source) -> Iterator[str]:
    """Every file in a folder, behind links too, each folder once."""
    seen = set()
    for path, folders, files in os.walk(folder, followlinks=True):
        here = os.stat(path)
        if (here.st_dev, here.st_ino) in seen:
            folders.clear()
            continue
        seen.add((here.st_dev, here.st_ino))
        yield from (os.path.join(path, name) for name in files)


def _listed(file: Path) -> Iterator[str]:
    """The files that a list names, in whichever column; none for a table."""
    for delimiter in ",;\t":
        with file.open(encoding="utf-8", errors="surrogateescape", newline="") as lines:
            rows = csv.reader(lines, delimiter=delimiter)
            first = list(itertools.islice(rows, _LINES_LOOKED_AT))
            columns = {at for row in first for at, cell in enumerate(row) if (file.parent / cell).is_file()}
            for row in itertools.chain(first, rows if columns else ()):
                yield from (os.path.join(file.parent, row[at]) for at in columns if at < len(row))


def _is_own(file: Path) -> bool:
    """Whether something is a page, answers or a certificate that mindle wrote, which may be written anew."""
    if file.is_dir():
        return any((file / name).is_file() for name in _OWN_DOCUMENTS)
    if file.suffix.lower() in PAGES:
        return True
    with file.open("rb") as stream:
        return stream.read(40).startswith(_OWN)


def is_made(folder: Source) -> bool:
    """Whether a folder is a run or a bundle, which is never data."""
    return any(os.path.isfile(os.path.join(folder, name)) for name in ("run.json", "bundle.json"))


def require_ending(option: str, path: Source | None, endings: tuple[str, ...]) -> None:
    """Refuse a file whose name promises another format than the one that is written.

    Example:
        >>> require_ending("--out", "answers.xlsx", (".csv", ".json"))
        Traceback (most recent call last):
        ValueError: `--out` must end in .csv or .json. Received answers.xlsx. Choose another name.
    """
    if path is None or os.fspath(path) == STREAM or is_special(Path(path)):
        return
    if not os.fspath(path).lower().endswith(endings):
        raise ValueError(
            f"`{option}` must end in {' or '.join(endings)}. Received {os.fspath(path)}. Choose another name."
        )
