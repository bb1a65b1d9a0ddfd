"""Class folders: walking them without surprises, and settling classes and splits for every kind of source.

The user's folder is only read. Every regular file below the root gets a row, also hidden and foreign ones,
which are set aside by name; what takes part is decided later from content, never from a file's extension.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.prepared import FINISHED, INDEX, PreparedIndex, read_index
from mindle.errors import DataError
from mindle.records import Dataset, FileImages, Finding, Part

PART_WORDS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}
"""Words that name a part of a split, in any case."""

LAYOUT_HELP = (
    "mindle needs one folder per class, such as photos/cat/1.jpg and photos/dog/1.jpg, or the same below "
    "photos/train and photos/test, or a CSV file with the columns path,label."
)

# Left behind by operating systems and network drives; compared in lower case.
_FOREIGN = frozenset(
    {
        "thumbs.db",
        "ehthumbs.db",
        "desktop.ini",
        "icon\r",
        "__macosx",
        "@eadir",
        "$recycle.bin",
        "system volume information",
        "lost+found",
        "__pycache__",
    }
)


@dataclass(frozen=True, slots=True)
class Found:
    """One thing met on a walk.

    Attributes:
        path: Path below the root as the disk spells it, with forward slashes.
        kind: "file", "folder", "missing" (a link to nothing), "symlink-loop" (a link to a folder that was
            walked already), "unreadable" (a folder that cannot be listed) or "special" (a pipe, a device).
        aside: "hidden" or "foreign" where the name, or that of a folder around it, says so; else "".
    """

    path: str
    kind: str
    aside: str


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Rows of a source before its classes are settled: lists of equal length.

    Attributes:
        paths: NFC paths, unique.
        labels: Class name of each row, "" where it has none.
        given: Part that came with the data, or "".
        set_aside: Why a row takes no part, or "".
    """

    paths: Sequence[str]
    labels: Sequence[str]
    given: Sequence[str]
    set_aside: Sequence[str]


def litter(name: str) -> str:
    """Why a name is passed over: "hidden", "foreign", or "" for an ordinary one.

    Example:
        >>> litter(".DS_Store"), litter("Thumbs.db"), litter("cat.jpg")
        ('hidden', 'foreign', '')
    """
    if name.startswith("."):
        return "hidden"
    return "foreign" if name.lower() in _FOREIGN else ""


def nfc(text: str) -> str:
    """The composed spelling of a name; bytes that are no text become visible escapes.

    Example:
        >>> nfc("e" + chr(0x301)) == chr(0xE9)
        True
    """
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:  # a name in another encoding; two of them must not become the same
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return unicodedata.normalize("NFC", text)


def part_of(word: str) -> Part | None:
    """The part of a split that a word names, or None.

    Example:
        >>> part_of("Validation"), part_of("cat")
        ('val', None)
    """
    return PART_WORDS.get(nfc(word).strip().lower())


def walk(root: Path) -> Iterator[Found]:
    """Everything below a folder, by name, each real folder once; links to folders come last.

    A link to a folder is followed when the folder it leads to was not walked yet, so that loops end. A link
    to a file counts as a file.

    Args:
        root: The folder.

    Yields:
        Folders when they are entered (not the root itself), files, and what could not be followed.
    """
    seen: set[tuple[int, int] | str] = set()
    stack = [Found("", "folder", "")]
    links: list[Found] = []
    while stack or links:
        found = stack.pop() if stack else links.pop(0)
        if found.kind != "folder":
            yield found
            continue
        place = os.path.join(root, found.path) if found.path else os.fspath(root)
        try:
            here = os.stat(place)
            # Some file systems know no inode numbers; there the resolved path must do.
            identity = (here.st_dev, here.st_ino) if here.st_ino else os.path.realpath(place)
            if identity in seen:
                yield Found(found.path, "symlink-loop", found.aside)
                continue
            seen.add(identity)
            with os.scandir(place) as listing:
                entries = sorted(listing, key=lambda entry: entry.name, reverse=True)
        except OSError:
            yield Found(found.path, "unreadable", found.aside)
            continue
        if found.path:
            yield found
        for entry in entries:
            child = _found(entry, found)
            if child.kind == "folder" and entry.is_symlink():
                links.append(child)
            else:
                stack.append(child)
        links.sort(key=lambda link: link.path)


def _found(entry: os.DirEntry[str], around: Found) -> Found:
    path = f"{around.path}/{entry.name}" if around.path else entry.name
    aside = around.aside or litter(entry.name)
    try:
        if entry.is_dir():
            return Found(path, "folder", aside)
        if entry.is_file():
            return Found(path, "file", aside)
        return Found(path, "missing" if entry.is_symlink() else "special", aside)
    except OSError:  # a link that leads to itself
        return Found(path, "missing", aside)


def read_folder(root: Path, *, name: str, source: str, label_from: str | None = None) -> Dataset:
    """Read a folder of class folders, flat or below train and test folders.

    A folder that `mindle prepare` made is read in the order of its source, with its class names and groups.

    Args:
        root: The folder; it is only read.
        name: Short name of the data set.
        source: What the user typed.
        label_from: A template such as "{class}_{n}" by which file names hold their labels.

    Returns:
        One row a file, in the order of their NFC paths; classes in order of their names.

    Raises:
        DataError: If the folder cannot be listed, is empty, or holds no class folders.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for label in ("cat", "dog"):
        ...         place = Path(folder, label)
        ...         place.mkdir()
        ...         for number in range(2):
        ...             _ = (place / f"{number}.png").write_bytes(b"")
        ...     read_folder(Path(folder), name="pets", source=folder).classes
        ('cat', 'dog')
    """
    split = _split_folders(root)
    index = read_index(root) if split else None
    found = _in_order(walk(root), index)
    files = [one for one in found if one.kind in ("file", "missing")]
    _refuse_empty(root, files, split)
    paths, collisions = numbered_paths([nfc(one.path) for one in files], [one.path for one in files])
    labels = [_class_of(one, split) for one in files]
    given = [split.get(one.path.split("/", 1)[0], "") for one in files]
    set_aside = [_aside(one, label) for one, label in zip(files, labels, strict=True)]
    declared = [_class_of(one, split) for one in found if one.kind == "folder" and not one.aside]
    given, held_out = settle_given(given, spelled=tuple(split))
    groups = ("",) * len(files)
    order: tuple[str, ...] = ()
    if index is not None:
        labels, declared = [
            [index.class_of.get(name, name) for name in names] for names in (labels, declared)
        ]
        of_path = {file.path: file.group for file in index.files}
        groups = tuple(of_path.get(path, "") for path in paths)
        order = (*index.classes, *sorted_classes({*labels, ""} - {*index.classes, ""}))

    columns = Columns(paths=paths, labels=labels, given=given, set_aside=set_aside)
    classes, indices, set_aside, findings = settle_classes(columns, declared=declared, order=order)
    if not classes:
        raise DataError(
            f"A folder to learn from must hold images in class folders{' below train' if split else ''}. "
            f"Received {str(root)!r} with none. {LAYOUT_HELP}"
        )
    return Dataset(
        name=name,
        kind="folder",
        source=source,
        classes=classes,
        paths=tuple(paths),
        labels=indices,
        given=tuple(given),
        groups=groups,
        images=FileImages(root=root, names=tuple(one.path for one in files)),
        set_aside=tuple(set_aside),
        findings=(
            *held_out,
            *_unfinished_finding(index),
            *_spelling_findings(found, split),
            *collisions,
            *_walk_findings(found),
            *_aside_findings(paths, set_aside),
            *findings,
        ),
    )


def _in_order(found: Iterable[Found], index: PreparedIndex | None) -> list[Found]:
    """By name; or as the source of a prepared folder had it, and what came later by name."""
    if index is None:
        return sorted(found, key=lambda one: (nfc(one.path), one.path))
    place = {file.path: position for position, file in enumerate(index.files)}
    return sorted(
        (one for one in found if one.path != INDEX),
        key=lambda one: (place.get(nfc(one.path), len(place)), nfc(one.path), one.path),
    )


def _unfinished_finding(index: PreparedIndex | None) -> list[Finding]:
    if index is None or index.state == FINISHED:
        return []
    return [
        Finding(
            kind="unfinished",
            files=(INDEX,),
            message="This folder was being prepared and is not complete. Give the same `mindle prepare` "
            "command again.",
            action="read as far as it goes",
            decision=True,
        )
    ]


def _split_folders(root: Path) -> dict[str, str]:
    """Part of each top-level folder, as the disk spells it; empty where these folders are classes."""
    try:
        with os.scandir(root) as listing:
            entries = [_found(entry, Found("", "folder", "")) for entry in listing]
    except OSError as error:
        raise DataError(
            f"A data folder must be readable. Received {str(root)!r} ({error.strerror}). Check its "
            f"permissions."
        ) from error
    folders = sorted(entry.path for entry in entries if entry.kind == "folder" and not entry.aside)
    parts = {folder: part_of(folder) for folder in folders}
    if None in parts.values() or "train" not in parts.values():
        return {}
    return {folder: part for folder, part in parts.items() if part}


def _class_of(found: Found, split: dict[str, str]) -> str:
    """Name of the class a path belongs to, "" where it lies above or outside the class folders."""
    above = found.path.split("/")
    folders = above if found.kind == "folder" else above[:-1]
    depth = 1 if split else 0
    if len(folders) <= depth or any(litter(folder) for folder in folders[: depth + 1]):
        return ""
    return nfc(folders[depth])


def _aside(found: Found, label: str) -> str:
    if found.aside:
        return found.aside
    if found.kind == "missing":
        return "missing"
    return "" if label else "stray"


def _refuse_empty(root: Path, files: Sequence[Found], split: dict[str, str]) -> None:
    visible = [one.path for one in files if not one.aside]
    if not visible:
        raise DataError(f"A data folder must hold images. Received {str(root)!r} without any. {LAYOUT_HELP}")
    loose = [path for path in visible if path.count("/") <= (1 if split else 0)]
    if len(loose) == len(visible):
        raise DataError(
            f"Images must lie in class folders. Received {str(root)!r} with "
            f"{count_of(len(loose), 'file that lies', 'files that lie')} in none, such as {loose[0]!r}. "
            f"{LAYOUT_HELP}"
        )


def numbered_paths(paths: list[str], spelled: Sequence[str]) -> tuple[list[str], list[Finding]]:
    """Tell two files apart whose names only differ in Unicode spelling: the later one gets a number."""
    if len(set(paths)) == len(paths):
        return paths, []
    taken = set(paths)
    met: set[str] = set()
    same = []
    for position, path in enumerate(paths):
        if path in met:
            stem, dot, ending = path.rpartition(".")
            number = 2
            while (changed := f"{stem} ({number}).{ending}" if dot else f"{path} ({number})") in taken:
                number += 1
            same.append(path)
            taken.add(changed)
            paths[position] = changed
        met.add(path)
    return paths, [
        Finding(
            kind="unicode-normalised",
            files=tuple(same),
            message=f"{count_of(len(same), 'file name is', 'file names are')} there twice, spelled with "
            f"different Unicode characters that look the same; first: {same[0]}.",
            action="both kept, the second under a numbered name",
        )
    ]


def settle_given(given: Sequence[str], *, spelled: Sequence[str] = ()) -> tuple[list[str], list[Finding]]:
    """Decide what a given split means where it has only one held-out part, or none.

    A single held-out part is the sealed test part, whatever its name; validation is cut from train later.
    Rows that are all train are no split at all.

    Args:
        given: Part of each row as the data say, or "".
        spelled: The words of the data for the finding.

    Returns:
        The parts to use, and a finding where a name was reinterpreted.

    Example:
        >>> settle_given(["train", "val"])[0]
        ['train', 'test']
    """
    parts = set(given) - {""}
    if parts == {"train"}:
        return [""] * len(given), []
    if parts != {"train", "val"}:
        return list(given), []
    word = next((word for word in spelled if part_of(word) == "val"), "val")
    finding = Finding(
        kind="held-out",
        files=(word,),
        message=f"Only one held-out part is given, {word!r}: it is kept sealed as the test part, and "
        f"validation is cut from the training part.",
        action="used as the test part",
    )
    return ["test" if part == "val" else part for part in given], [finding]


def sorted_classes(names: Iterable[str]) -> list[str]:
    """Class names in order: by code points, or by value where all are whole numbers.

    Example:
        >>> sorted_classes({"10", "9"}), sorted_classes({"b", "a", "10"})
        (['9', '10'], ['10', 'a', 'b'])
    """
    names = list(names)
    if names and all(name.isascii() and name.isdigit() for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def settle_classes(
    columns: Columns, *, declared: Iterable[str] = (), order: Sequence[str] = ()
) -> tuple[tuple[str, ...], NDArray[np.int64], list[str], list[Finding]]:
    """Decide which classes there are, and tell what is odd about them.

    A class is learned when the training part has a row of it; in data without training part, all are. Rows of
    a class that only a held-out part has are set aside.

    Args:
        columns: The rows.
        declared: Further class names, which may have no rows; "" is ignored.
        order: All class names in the order to keep; sorted where empty.

    Returns:
        Class names, the class index of each row (-1 for none), why rows are set aside, and the findings.
    """
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[str, str] = {}
    for path, label, part, aside in zip(
        columns.paths, columns.labels, columns.given, columns.set_aside, strict=True
    ):
        if label and not aside:
            counts[label, part] += 1
            first.setdefault(label, path)
    parts = {part for _, part in counts} - {""}
    everything = {label for label, _ in counts}
    learned = {label for label, part in counts if "train" not in parts or part == "train"}
    classes = [label for label in order if label in learned] or sorted_classes(learned)
    index = {label: position for position, label in enumerate(classes)}

    extra: dict[str, list[str]] = defaultdict(list)
    set_aside = list(columns.set_aside)
    for position, label in enumerate(columns.labels):
        if label in everything and label not in learned and not set_aside[position]:
            set_aside[position] = "class-extra"
            extra[label].append(columns.paths[position])
    indices = np.fromiter((index.get(label, -1) for label in columns.labels), np.int64, len(columns.labels))

    empty = sorted_classes(({*declared, *order} | set(columns.labels)) - everything - {""})
    findings = [_empty_class(label) for label in empty]
    findings += [_class_extra(label, files) for label, files in sorted(extra.items())]
    for part in sorted(parts - {"train"}) if "train" in parts else []:
        findings += [_class_missing(label, part) for label in classes if not counts[label, part]]
    for label in classes:
        if counts[label, "train" if "train" in parts else ""] == 1:
            findings.append(_single(label, first[label]))
    findings += lookalikes(classes)
    if len(classes) == 1:
        findings.append(_one_class(classes[0]))
    return tuple(classes), indices, set_aside, findings


def count_of(number: int, one: str, many: str) -> str:
    """A number with its noun: "1 file", "1,200 files"."""
    return f"{number:,} {one if number == 1 else many}"


def _empty_class(label: str) -> Finding:
    return Finding(
        kind="empty-class",
        files=(label,),
        message=f"Class {label!r} has no images.",
        action="left out of the classes",
        decision=True,
    )


def _class_extra(label: str, files: list[str]) -> Finding:
    return Finding(
        kind="class-extra",
        files=tuple(files),
        message=f"Class {label!r} has no images in the training part, only "
        f"{count_of(len(files), 'image', 'images')} held out; first: {files[0]}. It cannot be learned.",
        action="set aside",
        decision=True,
    )


def _class_missing(label: str, part: str) -> Finding:
    return Finding(
        kind="class-missing",
        files=(label,),
        message=f"Class {label!r} has no images in the {part} part, so nothing is measured for it there.",
        action="kept",
        decision=True,
    )


def _single(label: str, path: str) -> Finding:
    return Finding(
        kind="single",
        files=(path,),
        message=f"Class {label!r} has one image to learn from, {path}; learning and judging it take more.",
        action="kept",
        decision=True,
    )


def _one_class(label: str) -> Finding:
    return Finding(
        kind="one-class",
        files=(label,),
        message=f"There is only one class, {label!r}, and a classifier needs two. If the class folders lie "
        f"one level deeper, give that folder instead.",
        action="kept",
        decision=True,
    )


def alike_names(names: Iterable[str]) -> list[list[str]]:
    """Names that differ only in case, width or spaces.

    Example:
        >>> alike_names(["Cat", "dog", "cat "])
        [['Cat', 'cat ']]
    """
    alike: dict[str, list[str]] = defaultdict(list)
    for name in names:
        alike[" ".join(unicodedata.normalize("NFKC", name).casefold().split())].append(name)
    return [some for some in alike.values() if len(some) > 1]


def lookalikes(classes: Sequence[str]) -> list[Finding]:
    """Classes that differ only in case or spaces: probably one class, but that is for a person to say."""
    return [
        Finding(
            kind="name-collision",
            files=tuple(labels),
            message=f"The class names {' and '.join(map(repr, labels))} differ only in case, width or "
            f"spaces. Rename one folder or label if they are the same class.",
            action="kept as different classes",
            decision=True,
        )
        for labels in alike_names(classes)
    ]


def _spelling_findings(found: Sequence[Found], split: dict[str, str]) -> list[Finding]:
    """Class folders with one NFC name and several spellings on the disk."""
    spellings: dict[str, dict[str, str]] = defaultdict(dict)
    for one in found:
        label = _class_of(one, split)
        if label and one.kind == "folder":
            folders = one.path.split("/")[: 2 if split else 1]
            spellings[label].setdefault(folders[-1], "/".join(folders))
    return [
        Finding(
            kind="unicode-normalised",
            files=tuple(forms.values()),
            message=f"Class {label!r} has {len(forms)} folders whose names look the same but are spelled "
            f"with different Unicode characters (composed and decomposed).",
            action="read as one class",
        )
        for label, forms in spellings.items()
        if len(forms) > 1
    ]


def _walk_findings(found: Sequence[Found]) -> list[Finding]:
    """What the walk met that is no row: loops, locked folders, pipes."""
    texts = {
        "symlink-loop": (
            "link leads to a folder that is read already",
            "links lead to folders that are read already",
            "not followed",
            False,
        ),
        "unreadable": ("folder cannot be listed", "folders cannot be listed", "passed over", True),
        "special": (
            "entry is neither a file nor a folder",
            "entries are neither files nor folders",
            "never opened",
            False,
        ),
    }
    findings = []
    for kind, (one, many, action, decision) in texts.items():
        files = tuple(nfc(it.path) for it in found if it.kind == kind)
        if files:
            message = f"{count_of(len(files), one, many)}; first: {files[0]}."
            findings.append(
                Finding(kind=kind, files=files, message=message, action=action, decision=decision)
            )
    return findings


def _aside_findings(paths: Sequence[str], set_aside: Sequence[str]) -> list[Finding]:
    """Hidden, foreign, stray and missing files, each kind in one finding."""
    texts = {
        "hidden": ("hidden file lies", "hidden files lie", "in the folder"),
        "foreign": (
            "file of the operating system lies",
            "files of the operating system lie",
            "in the folder",
        ),
        "stray": ("file lies", "files lie", "outside the class folders"),
        "missing": ("link leads", "links lead", "to files that do not exist"),
    }
    findings = []
    for kind, (one, many, where) in texts.items():
        files = tuple(path for path, aside in zip(paths, set_aside, strict=True) if aside == kind)
        if files:
            message = f"{count_of(len(files), one, many)} {where}; first: {files[0]}."
            findings.append(Finding(kind=kind, files=files, message=message, action="set aside"))
    return findings
