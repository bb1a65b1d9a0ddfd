"""Class folders: walking them without surprises, and settling classes and splits for every kind of source.

The user's folder is only read. Every regular file below the root gets a row, also hidden and foreign ones,
which are set aside by name; what takes part is decided later from content, never from a file's extension.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mindle.artifacts.outputs import is_made
from mindle.artifacts.prepared import FINISHED, INDEX, PreparedIndex, read_index
from mindle.data.common.classes import numbered_paths, sorted_classes
from mindle.data.common.filenames import (
    LabelTemplate,
    infer_template,
    is_picture_name,
    parse_template,
    suggest_template,
)
from mindle.data.common.findings import finding
from mindle.data.common.names import count_of, litter, name_of
from mindle.data.images.sources.entries import Entries
from mindle.data.images.sources.layouts import Layout, prepared_layout, settle_layout
from mindle.errors import DataError
from mindle.messages import message
from mindle.records import FileImages, Finding, Texts

LAYOUT_HELP = (
    "mindle needs one folder per class, such as photos/cat/1.jpg and photos/dog/1.jpg, or the same below "
    "photos/train and photos/test, or a CSV file with the columns path,label."
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
        if _is_made(place, entries, found.path):
            yield Found(found.path, "made", found.aside)
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


def _is_made(place: str, entries: Sequence[os.DirEntry[str]], path: str) -> bool:
    """Whether mindle made a folder: a run, a bundle, a prepared split below the root; or all in it."""
    if is_made(place) or (path and read_index(Path(place)) is not None):
        return True
    return bool(path and entries) and all(is_made(entry.path) for entry in entries)


def _found(entry: os.DirEntry[str], around: Found) -> Found:
    path = f"{around.path}/{entry.name}" if around.path else entry.name
    aside = around.aside or litter(entry.name)
    try:
        if entry.is_dir():
            return Found(path, "folder", aside)
        if entry.is_file():
            return Found(path, "file", aside)
        # A link to nothing has no status; one to a pipe or a device is as special as that.
        return Found(path, "special" if entry.stat() else "missing", aside)
    except OSError:  # a link that leads to itself
        return Found(path, "missing", aside)


def read_folder(root: Path, label_from: str | None = None) -> Entries:
    """Read a folder of class folders, flat or below train and test folders.

    A folder that `mindle prepare` made is read in the order of its source, with its class names and groups.

    Args:
        root: The folder; it is only read.
        label_from: A template such as "{class}_{n}" by which file names hold their labels.

    Returns:
        One image a file, in the order of their NFC paths; classes in order of their names.

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
        ...     read_folder(Path(folder)).labels
        ['cat', 'cat', 'dog', 'dog']
    """
    index = read_index(root)
    found = _in_order(walk(root), index)
    files = [one for one in found if one.kind in ("file", "missing")]
    _require_files(root, found, files)
    layout = settle_layout(found) if index is None else prepared_layout(found)
    template = _template(root, layout, files, label_from)
    paths, collisions = numbered_paths([name_of(one.path) for one in files], [one.path for one in files])
    once: dict[str, str] = {}  # one text a class, not one an image
    labels = [once.setdefault(label, label) for label in (_class_of(one, layout, template) for one in files)]
    set_aside = [_aside(one, label, layout, template) for one, label in zip(files, labels, strict=True)]
    folders = [one for one in found if one.kind == "folder" and not one.aside]
    entries = Entries(
        kind="folder",
        images=FileImages(root=root, names=Texts(one.path for one in files)),
        paths=paths,
        labels=labels,
        # A split whose images have no labels holds nothing out.
        given=[
            "" if why == "unlabelled" else layout.split(one.path)
            for one, why in zip(files, set_aside, strict=True)
        ],
        split_words=layout.split_words,
        set_aside=set_aside,
        declared=[_class_of(one, layout, None) for one in folders] if template is None else (),
        findings=(
            *_unfinished_finding(index),
            *(layout.findings if label_from is None else ()),
            *_named_finding(template, labels),
            *_spelling_findings(folders, layout),
            *collisions,
            *_walk_findings(found, paths, set_aside),
        ),
    )
    if not any(label and not why for label, why in zip(labels, set_aside, strict=True)):
        raise DataError(
            f"A folder to learn from must hold images in class folders"
            f"{' below train' if layout.split_words else ''}. Received {str(root)!r} with none. {LAYOUT_HELP}"
        )
    return entries if index is None else _with_index(entries, index)


def _with_index(entries: Entries, index: PreparedIndex) -> Entries:
    """The same with the class names, their order and the groups that a prepared folder writes down."""
    labels, declared = (
        [index.class_of.get(name, name) for name in names] for names in (entries.labels, entries.declared)
    )
    group_of = {file.path: file.group for file in index.files}
    return replace(
        entries,
        labels=labels,
        declared=declared,
        order=(*index.classes, *sorted_classes({*labels, ""} - {*index.classes, ""})),
        groups=[group_of.get(path, "") for path in entries.paths],
    )


def _in_order(found: Iterable[Found], index: PreparedIndex | None) -> list[Found]:
    """By name; or as the source of a prepared folder had it, and what came later by name."""
    if index is None:
        return sorted(found, key=lambda one: (name_of(one.path), one.path))
    place = {file.path: position for position, file in enumerate(index.files)}
    return sorted(
        (one for one in found if one.path != INDEX),
        key=lambda one: (place.get(name_of(one.path), len(place)), name_of(one.path), one.path),
    )


def _unfinished_finding(index: PreparedIndex | None) -> Iterator[Finding]:
    if index is not None and index.state != FINISHED:
        yield finding("unfinished", [INDEX], message("data.folders.unfinished"))


def _class_of(found: Found, layout: Layout, template: LabelTemplate | None) -> str:
    """Name of the class a path belongs to, "" where nothing says one."""
    path = f"{found.path}/" if found.kind == "folder" else found.path
    base, below = layout.place(path)
    if base is None:
        return ""
    if template is not None:
        fits = not found.aside and is_picture_name(found.path)
        return (template.label(found.path) or "") if fits else ""
    if base.label or base.flat or len(below) < 2:
        return base.label
    around = path.split("/")[: 1 - len(below)]
    return "" if any(map(litter, around)) else name_of(below[0])


def _aside(found: Found, label: str, layout: Layout, template: LabelTemplate | None) -> str:
    if found.aside or found.kind == "missing":
        return found.aside or "missing"
    if label:
        return ""
    base, _ = layout.place(found.path)
    by_name = template is not None
    wanted = base is not None and (base.flat or by_name) and is_picture_name(found.path)
    return "unlabelled" if wanted else "stray"


def _template(
    root: Path, layout: Layout, files: Sequence[Found], label_from: str | None
) -> LabelTemplate | None:
    """Where the class stands in file names: as was asked, or inferred from them where no folder says it."""
    if label_from is None and not layout.flat:
        return None
    learned = layout.learned(layout.pictures(files))
    if label_from is not None:
        template = parse_template(label_from)
        if not any(template.label(path) for path in learned):
            raise DataError(
                f"`label_from` must fit the names of files. Received {label_from!r}, which fits none of "
                f"{count_of(len(learned), 'file', 'files')} in {str(root)!r}, such as "
                f"{learned[0] if learned else files[0].path!r}. Correct it."
            )
        return template
    inferred = infer_template(learned)
    if inferred is None:
        shown = [one.path for one in files if not one.aside]
        raise DataError(
            "Images must lie in class folders, or be called by their class and a number, such as cat.1.jpg. "
            f"Received {str(root)!r} with "
            f"{count_of(len(shown), 'file that lies', 'files that lie')} in none, such as {shown[0]!r}. "
            f"{LAYOUT_HELP} Where the names of files hold the class, say where with --label-from, such as "
            f"--label-from '{suggest_template(learned)}'."
        )
    return inferred


def _named_finding(template: LabelTemplate | None, labels: Sequence[str]) -> Iterator[Finding]:
    """Say that labels come from file names, so that nobody believes that they come from folders."""
    if template is not None:
        counts = Counter(filter(None, labels))
        shown = [f"{label} {count:,}" for label, count in counts.most_common(8)]
        about = {"template": template.text, "n": len(counts), "classes": shown + ["…"] * (len(counts) > 8)}
        sentence = message("data.folders.labelled-by-name", **about)
        yield finding("labelled-by-name", sorted_classes(counts), sentence)


def _require_files(root: Path, found: Sequence[Found], files: Sequence[Found]) -> None:
    """Refuse a folder that the system does not list, or that holds no files."""
    if [(one.path, one.kind) for one in found] == [("", "unreadable")]:
        raise DataError(
            f"A data folder must be readable. Received {str(root)!r}, which cannot be listed. Check its "
            "permissions."
        )
    if all(one.aside for one in files):
        raise DataError(f"A data folder must hold images. Received {str(root)!r} without any. {LAYOUT_HELP}")


def _spelling_findings(folders: Sequence[Found], layout: Layout) -> Iterator[Finding]:
    """Class folders with one NFC name and several spellings on the disk."""
    spellings: dict[str, dict[str, str]] = defaultdict(dict)
    for one in folders:
        label = _class_of(one, layout, None)
        _, below = layout.place(f"{one.path}/")
        if label and len(below) == 2 and name_of(below[0]) == label:
            spellings[label].setdefault(below[0], one.path)
    for label, forms in spellings.items():
        if len(forms) > 1:
            sentence = message("data.folders.unicode-normalised", label=label, count=len(forms))
            yield finding("unicode-normalised", forms.values(), sentence)


# What the walk meets that is no image of the data; of such things other actions are usual than of images.
_MET = ("symlink-loop", "made", "unreadable", "special")
WALK_ACTIONS = {"unreadable": "passed over", "special": "never opened"}
_SET_ASIDE = ("hidden", "foreign", "stray", "unlabelled", "missing")


def _walk_findings(
    found: Sequence[Found], paths: Sequence[str], set_aside: Sequence[str]
) -> Iterator[Finding]:
    """Loops, locked folders, pipes; then hidden, foreign, stray and missing files."""
    met = {kind: [name_of(one.path) for one in found if one.kind == kind] for kind in _MET}
    aside = {
        kind: [path for path, why in zip(paths, set_aside, strict=True) if why == kind] for kind in _SET_ASIDE
    }
    for kind, files in (met | aside).items():
        if files:
            sentence = message(f"data.walk.{kind}", n=len(files), first=files[0])
            yield finding(kind, files, sentence, action=WALK_ACTIONS.get(kind, ""))
