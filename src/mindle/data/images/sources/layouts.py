"""How a folder of images is laid out: which folders are splits, classes, or neither.

Decided by structure and names alone, before any file is opened. What stays in doubt is a decision.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mindle.data.common.classes import UNDECIDED
from mindle.data.common.filenames import is_picture_name
from mindle.data.common.findings import finding
from mindle.data.common.names import all_of, name_of, says_nothing, split_of, splits_in, splits_of
from mindle.messages import message
from mindle.records import Finding, Split

if TYPE_CHECKING:
    from mindle.data.images.sources.folder import Found

# Folders that say what kind of thing lies in them, beside each other: no classes.
_THINGS = frozenset({"images", "labels", "annotations", "masks"})


@dataclass(frozen=True, kw_only=True)
class Base:
    """A folder in which classes lie.

    Attributes:
        split: The split that it is, or "".
        label: The class of every file below, where it holds one alone.
        flat: Whether files lie in it, with no class folders.
    """

    split: Split | str = ""
    label: str = ""
    flat: bool = False


@dataclass(frozen=True, kw_only=True)
class Layout:
    """How a folder is laid out.

    Attributes:
        bases: Where classes lie, by path below the root.
        findings: What was decided, where that needs saying.
        passed: Folders around all others, which were passed through.
    """

    bases: Mapping[str, Base]
    findings: tuple[Finding, ...] = ()
    passed: tuple[str, ...] = ()

    @property
    def split_words(self) -> tuple[str, ...]:
        """The words that name splits, as the disk spells them."""
        return tuple(
            next((word for word in path.split("/") if split_of(word) == base.split), path)
            for path, base in self.bases.items()
            if base.split
        )

    @property
    def flat(self) -> bool:
        """Whether no folder names a class."""
        return all(base.flat for base in self.bases.values())

    def split(self, path: str) -> str:
        """The split that a path lies in, or ""."""
        base, _ = self.place(path)
        return base.split if base is not None else ""

    def pictures(self, found: Iterable[Found]) -> list[str]:
        """The files that may be images, where classes lie."""
        files = (one.path for one in found if one.kind == "file" and not one.aside)
        return [path for path in files if is_picture_name(path) and self.place(path)[0] is not None]

    def learned(self, pictures: list[str]) -> list[str]:
        """Those of some images that are learned from: in train where there are splits."""
        return [path for path in pictures if self.split(path) == "train"] or pictures

    def place(self, path: str) -> tuple[Base | None, list[str]]:
        """The base that a path lies in, and the folders and the name below it."""
        pieces = path.split("/")
        for depth in range(len(pieces)):
            base = self.bases.get("/".join(pieces[:depth]))
            if base is not None:
                return base, pieces[depth:]
        return None, pieces


class Tree:
    """The visible folders of a root, from a walk, and how many files lie in each that may be images.

    Attributes:
        folders: The folders in each folder.
        direct: Images that lie in each folder itself.
        below: Images in each folder, at any depth.
    """

    def __init__(self, found: Iterable[Found]) -> None:
        self.folders: dict[str, list[str]] = defaultdict(list)
        self.direct: Counter[str] = Counter()
        self.below: Counter[str] = Counter()
        for one in found:
            above = one.path.rpartition("/")[0]
            if one.aside:
                continue
            if one.kind == "folder":
                self.folders[above].append(one.path)
            elif one.kind in ("file", "missing") and is_picture_name(one.path):
                self.direct[above] += 1
                while above:
                    self.below[above] += 1
                    above = above.rpartition("/")[0]

    def names(self, folder: str) -> set[str]:
        """NFC names of the folders in a folder."""
        return {name_of(_base(path)) for path in self.folders[folder]}

    def filled(self, folder: str) -> list[str]:
        """The folders in a folder that hold images."""
        return [one for one in self.folders[folder] if self.below[one]]

    def classed(self, folder: str) -> bool:
        """Whether it holds folders, of images unless images lie beside them."""
        return bool(self.filled(folder) or (self.folders[folder] and not self.direct[folder]))


def settle_layout(found: Iterable[Found]) -> Layout:
    """The layout of a folder, from what was met in it.

    A folder that holds nothing but one folder is passed through, at the top and within a split. Folders whose
    names mean a split, in a common spelling, are splits where two of them are there, or where
    nothing else is; other folders beside them are skipped.

    Args:
        found: Everything below the root.
    """
    tree = Tree(found)
    start = _innermost(tree)
    layout = _class_first(tree, start) or _parted(tree, start) or _classes(tree, start)
    passed = layout.passed or ((start,) if start else ())
    return Layout(bases=layout.bases, findings=(*_passed_finding(passed), *layout.findings), passed=passed)


def prepared_layout(found: Iterable[Found]) -> Layout:
    """The layout that `mindle prepare` makes: splits, and class folders of any name below."""
    folders = (one.path for one in found if one.kind == "folder" and "/" not in one.path)
    return Layout(bases={folder: Base(split=split) for folder in folders if (split := split_of(folder))})


def _base(path: str) -> str:
    return path.rpartition("/")[2]


# ------------------------------------------------------------------------------------- passing through


def _innermost(tree: Tree) -> str:
    """The folder to begin with: below folders that hold nothing but one folder."""
    folder = ""
    while (only := _only(tree, folder)) is not None:
        folder = only
    # One folder of pictures is a class by itself, unless it is a split, or called as what is around it.
    if not tree.folders[folder] and folder and not _wraps(tree, folder):
        folder = folder.rpartition("/")[0]
    return folder if len(tree.folders[folder]) != 1 else ""


def _only(tree: Tree, folder: str) -> str | None:
    """The one folder that a folder holds, without pictures beside it."""
    inside = tree.folders[folder]
    return inside[0] if len(inside) == 1 and not tree.direct[folder] else None


def _wraps(tree: Tree, folder: str) -> bool:
    """Whether a folder's name says no class: "images", a split, or the name of the folder around it."""
    around = _base(folder.rpartition("/")[0])
    name = _base(folder)
    return says_nothing(name) or name == around or split_of(name) is not None


def _inside_split(tree: Tree, folder: str, classes: Iterable[str]) -> str:
    """Where the classes of a split lie: below folders that hold one folder alone, none of `classes`."""
    while (only := _only(tree, folder)) is not None and name_of(_base(only)) not in classes:
        if not _wraps(tree, only) and len(tree.folders[only]) < 2:
            break
        folder = only
    return folder


def _passed_finding(folders: Sequence[str]) -> Iterator[Finding]:
    if folders:
        sentence = message("data.folders.passed-through", names=all_of(_quoted(folders)), n=len(folders))
        yield finding("passed-through", map(name_of, folders), sentence)


# --------------------------------------------------------------------------------------------- layouts


def _class_first(tree: Tree, start: str) -> Layout | None:
    """Class folders that each hold the splits: cat/train, cat/test, dog/train, dog/test."""
    folders = tree.filled(start)
    bases: dict[str, Base] = {}
    for folder in folders:
        inside = tree.folders[folder]
        splits = splits_of(map(_base, inside))
        nested = any(tree.folders[one] for one in inside)
        named = splits_in(_base(folder)) or _base(folder).lower() in _THINGS
        if tree.direct[folder] or nested or named or len(splits) != len(inside):
            return None
        bases |= {one: Base(split=splits[_base(one)], label=name_of(_base(folder))) for one in inside}
    kinds = {base.split for base in bases.values()}
    if len(folders) < 2 or len(kinds) < 2 or "train" not in kinds:
        return None
    return Layout(bases=bases)


def _parted(tree: Tree, start: str) -> Layout | None:
    """Splits, each with class folders or with files; None where the folders are no splits."""
    folders = tree.folders[start]
    named = splits_of(map(_base, folders))
    splits = {folder: named[_base(folder)] for folder in folders if _base(folder) in named}
    rivals = [folder for folder in tree.filled(start) if folder not in splits]
    classed = any(map(tree.classed, splits))
    kinds = set(splits.values())
    several = len(kinds) > 1 and (classed or not rivals)
    if not several and not (kinds == {"train"} and classed and not rivals):
        return None
    bases: dict[str, Base] = {}
    passed = []
    classes: set[str] = set()
    for folder in sorted(splits, key=lambda folder: splits[folder] != "train"):
        inside = _inside_split(tree, folder, classes)
        passed += [inside] if inside != folder else []
        flat = not tree.classed(inside)
        classes |= set() if flat or splits[folder] != "train" else tree.names(inside)
        bases[inside] = Base(split=splits[folder], flat=flat)
    return Layout(
        bases=dict(sorted(bases.items())),
        findings=tuple(_beside(tree, folder, classes) for folder in rivals),
        passed=tuple(sorted(passed)),
    )


def _beside(tree: Tree, folder: str, classes: set[str]) -> Finding:
    """A folder of images beside the splits: a decision where it holds their classes, or names a split."""
    alike = bool(classes & tree.names(folder) or splits_in(_base(folder)))
    code = "data.folders.beside-parts-alike" if alike else "data.folders.beside-parts"
    sentence = message(code, name=name_of(folder), n=tree.below[folder])
    return finding("beside-parts", [name_of(folder)], sentence, decision=alike)


def _classes(tree: Tree, start: str) -> Layout:
    """Class folders, or files alone; what hints at a split all the same is a finding."""
    folders = tree.filled(start)
    flat = not tree.folders[start] or (tree.direct[start] > 0 and not folders)
    findings = [] if flat else [*_hints(tree, folders), *_same_folders(tree, folders)]
    return Layout(bases={start: Base(flat=flat)}, findings=tuple(findings))


def _hints(tree: Tree, folders: Sequence[str]) -> list[Finding]:
    """Class folders whose names hold words for a split."""
    hinting = [folder for folder in folders if splits_in(_base(folder))]
    if not hinting:
        return []
    named = all_of(_quoted([_base(folder) for folder in hinting[:4]]))
    words = frozenset[str]().union(*(splits_in(_base(folder)) for folder in hinting))
    whole = [folder for folder in hinting if split_of(_base(folder))]
    others = [name_of(_base(folder)) for folder in folders if folder not in hinting]
    flat = not any(tree.folders[folder] for folder in folders)
    lead = message("data.folders.named-like-parts", names=named, n=len(hinting))
    files = [name_of(folder) for folder in hinting]
    if words == {"train"} and flat and others:
        sentence = message("data.folders.part-names-flat", lead=lead, other=others[0])
        return [finding("part-names", files, sentence, decision=False)]
    if len(words) == 1 and not whole:
        return [finding("part-names", files, message("data.folders.part-names", lead=lead))]
    obstacle = _obstacle(tree, folders, others)
    sentence = message("data.folders.undecided", lead=lead, obstacle=obstacle)
    return [finding(UNDECIDED, files, sentence)]


def _obstacle(tree: Tree, folders: Sequence[str], others: Sequence[str]) -> str:
    if others:
        return message("data.folders.obstacle-beside", other=others[0])
    classed = any(tree.classed(folder) for folder in folders)
    return message("data.folders.obstacle-words" if classed else "data.folders.obstacle-no-classes")


def _same_folders(tree: Tree, folders: Sequence[str]) -> Iterator[Finding]:
    """Class folders that all hold the same folders: then those may be the classes."""
    inside = [{name_of(_base(one)) for one in tree.filled(folder)} for folder in folders]
    within = sorted(set.intersection(*inside)) if len(folders) > 1 else []
    if len(within) > 1:
        names = _some([_base(folder) for folder in folders])
        sentence = message("data.folders.same-folders", names=names, within=_some(within))
        yield finding("same-folders", map(name_of, folders), sentence)


def _quoted(names: Sequence[str]) -> list[str]:
    return [repr(name_of(name)) for name in names]


def _some(names: Sequence[str]) -> str:
    """At most four names."""
    shown = all_of(_quoted(names[:4]))
    return shown if len(names) <= 4 else message("data.folders.list_goes_on", names=shown)
