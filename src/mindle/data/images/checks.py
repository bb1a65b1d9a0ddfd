"""What is wrong, odd or worth knowing about a data set, and what follows from it.

`check` looks at every file once (`scan.py`), then asks one question after the other. Each question adds
findings, sets rows aside by name and reason, or binds rows that a split keeps together.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.environment import release_memory
from mindle.artifacts.files import cache_dir
from mindle.data.common.draw import check_drawn
from mindle.data.common.findings import finding
from mindle.data.common.groups import GROUP_FRACTION, GROUP_LEAST, Groups, bind_groups
from mindle.data.common.names import all_of
from mindle.data.common.tasks import DataTask, of, strata
from mindle.data.images.duplicates import SMALL_SIDE, near_duplicates
from mindle.data.images.scan import Facts, Scan, scan
from mindle.messages import message
from mindle.records import SILENT, SPLITS, Dataset, Finding, Hashes, InputSpec, Listener

TINY_SIDE = 8
BLANK_STD = 0.5
# Nothing in a dark image reaches this (the 99.5th percentile of its brightest channel, of 255).
DARK_LEVEL = 64
# A blurred image varies from pixel to pixel of 224 by less than this share of its contrast, and so many
# robust deviations less than the others. Photographs: half have 0.1 to 0.15, one in a hundred 0.03; blurred
# by a Gaussian of 1.3 % of their side 0.02 to 0.05.
BLURRED_SHARE, BLURRED_FAR, BLURRED_SIDE, _LINE = 0.03, 3.0, 64, 224
# Where more images of a class are dark or blurred, it is how the class looks.
USUAL_SHARE = 0.1
# Targets of one picture may differ by this share of the standard deviation of all: people read a scale, and
# measure again, with such errors. Of pictures that are only nearly the same, by this.
SAME_TARGET, NEAR_TARGET = 0.1, 1.0


def check(
    dataset: Dataset,
    *,
    specs: Sequence[InputSpec] = (),
    cache: Path | None = None,
    listener: Listener = SILENT,
) -> Dataset:
    """Look at every image once and say what was found; nothing of the user's is changed.

    Args:
        dataset: What `read` gave.
        specs: Sizes that training will want; their pixels are stored on the way.
        cache: Cache folder; `cache_dir()` where None.
        listener: Hears progress of the stage "check".

    Returns:
        The data set with hashes and sizes, what is set aside, groups that a split keeps together, and the
        findings, those that need a decision first.

    Raises:
        DataError: If too few of the images that `draw` may take are usable.
        DeviceError: If the cache cannot be written.

    Example:
        >>> import tempfile
        >>> from mindle.data.images.sources.source import read
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     checked = check(read("digits"), cache=Path(folder))
        >>> checked.findings, len(checked.rows())
        ((), 1797)
    """
    place = cache or cache_dir()
    return check_drawn(dataset, lambda drawn: _checked(drawn, specs, place, listener))


def _checked(dataset: Dataset, specs: Sequence[InputSpec], cache: Path, listener: Listener) -> Dataset:
    """Every question, asked of the images that take part."""
    sha256, problems, facts = scan(dataset, specs, cache, listener)
    task = of(dataset.task)
    draft = _Draft(
        dataset=dataset,
        sha256=sha256,
        problems=problems,
        facts=facts,
        task=task,
        spread=task.spread(dataset),
        set_aside=list(dataset.set_aside),
    )
    for question in _QUESTIONS:
        question(draft)
    if draft.cut_short:
        listener.say(message("data.check.not-compared"))
    return _finished(draft)


@dataclass(kw_only=True)
class _Draft:
    """A data set while it is being checked."""

    dataset: Dataset
    sha256: Hashes
    problems: dict[int, Scan]  # by row
    facts: Facts
    task: DataTask
    spread: float  # by how much truths differ on the whole
    set_aside: list[str]
    findings: list[Finding] = field(default_factory=list)
    bound: list[list[int]] = field(default_factory=list)  # rows that a split keeps together
    cut_short: bool = False  # whether so many images look alike that not all were compared

    def good(self) -> NDArray[np.int64]:
        """Rows that decode and take part so far."""
        used = np.fromiter((not aside for aside in self.set_aside), bool, len(self.set_aside))
        rows: NDArray[np.int64] = self.facts.rows[used[self.facts.rows]]
        return rows

    def differ(self, rows: Iterable[int], tolerance: float = SAME_TARGET) -> bool:
        """Whether some rows have different truths: two classes, or numbers further apart than `tolerance`."""
        return bool(np.ptp(self.dataset.truth[list(rows)]) > tolerance * self.spread)

    def by_class(self, rows: Iterable[int]) -> str:
        """What the truths of some rows are: "cat 3, dog 1" or "target 1 to 3.5"."""
        return self.task.summary(self.dataset, list(rows))

    def named(self, rows: Sequence[int]) -> str:
        """Some rows by their paths: "a.jpg and b.jpg and 3 more"."""
        shown = all_of([self.dataset.paths[row] for row in rows[:2]])
        return shown if len(rows) <= 2 else message("data.list.and_more", names=shown, n=len(rows) - 2)

    def about(self, rows: Sequence[int]) -> dict[str, Any]:
        """What sentences say of some rows: how many there are, of which classes, and the first path."""
        return {"n": len(rows), "classes": self.by_class(rows), "first": self.dataset.paths[rows[0]]}

    def add(
        self, kind: str, rows: Iterable[int], sentence: str, *, action: str = "", decision: bool | None = None
    ) -> None:
        """Note a finding about some rows."""
        files = (self.dataset.paths[row] for row in rows)
        self.findings.append(finding(kind, files, sentence, action=action, decision=decision))

    def drop(self, kind: str, rows: Sequence[int], sentence: str) -> None:
        """Note a finding, and set its rows aside."""
        self.add(kind, rows, sentence)
        self.set_aside_for(kind, rows)

    def set_aside_for(self, kind: str, rows: Iterable[int]) -> None:
        """Set rows aside for a reason."""
        for row in rows:
            self.set_aside[row] = kind


# --------------------------------------------------------------------------------------- single images


def _find_problems(draft: _Draft) -> None:
    """Files that do not become pixels are set aside by name and reason."""
    found: dict[str, list[int]] = defaultdict(list)
    for row, seen in draft.problems.items():
        if not draft.set_aside[row]:
            found[seen.kind].append(row)
    for kind, rows in found.items():
        detail = draft.problems[rows[0]].detail
        draft.drop(kind, rows, message(f"data.problem.{kind}", detail=detail, **draft.about(rows)))


def _find_tiny(draft: _Draft) -> None:
    """Images of a few pixels are set aside where the others are larger; sets of 8x8 digits are fine."""
    shorter = _shorter(draft, draft.facts.rows)
    limit = min(TINY_SIDE, float(np.median(shorter)) / 2) if len(shorter) else 0
    good = draft.good()
    tiny = good[_shorter(draft, good) < limit]
    if len(tiny):
        height, width = (int(draft.facts.of(side, tiny[:1])[0]) for side in ("height", "width"))
        rows, size = tiny.tolist(), {"side": TINY_SIDE, "height": height, "width": width}
        draft.drop("tiny", rows, message("data.images.tiny", **size, **draft.about(rows)))


def _shorter(draft: _Draft, rows: NDArray[np.int64]) -> NDArray[np.int32]:
    """The shorter side of some images."""
    sides: NDArray[np.int32] = np.minimum(draft.facts.of("height", rows), draft.facts.of("width", rows))
    return sides


def _find_blank(draft: _Draft) -> None:
    """Blank images are set aside; where half of a class is blank, that may be what the class shows."""
    good = draft.good()
    blank = draft.facts.of("contrast", good) < BLANK_STD
    labels = draft.dataset.labels[good]  # of a regression all are the same
    meant = [label for label in np.unique(labels[blank]) if 2 * blank[labels == label].mean() >= 1]
    meant_rows = np.isin(labels, meant)
    aside, used = good[blank & ~meant_rows].tolist(), good[blank & meant_rows].tolist()
    if aside:
        draft.drop("blank", aside, message("data.images.blank", **draft.about(aside)))
    if used:
        draft.add(
            "blank", used, message(draft.task.all_blank, **draft.about(used)), action="kept", decision=True
        )


def _find_dark(draft: _Draft) -> None:
    """Images in which little can be seen stay, and are named."""
    good = draft.good()
    _name_unusual(draft, "dark", good, draft.facts.of("high", good).max(axis=1, initial=0) < DARK_LEVEL)


def _find_blurred(draft: _Draft) -> None:
    """Images far less sharp than the others stay, and are named; of a few pixels none is sharp."""
    good = draft.good()
    shorter = _shorter(draft, good)
    if len(good) and np.median(shorter) >= BLURRED_SIDE:
        share = draft.facts.of("sharpness", good) / np.maximum(draft.facts.of("contrast", good), 1)
        share = share * np.minimum(shorter / _LINE, 1)  # small images have fewer pixels to vary over
        logs = np.log(np.maximum(share, 1e-4))
        deviation = 1.4826 * np.median(np.abs(logs - np.median(logs)))
        far = logs < np.median(logs) - BLURRED_FAR * deviation
        _name_unusual(draft, "blurred", good, far & (share < BLURRED_SHARE))


def _name_unusual(draft: _Draft, kind: str, rows: NDArray[np.int64], found: NDArray[np.bool_]) -> None:
    """A finding about some of the rows, but for those of classes that look so."""
    labels = draft.dataset.labels[rows]  # of a regression all are the same
    usual = [label for label in np.unique(labels[found]) if found[labels == label].mean() > USUAL_SHARE]
    named = rows[found & ~np.isin(labels, usual)].tolist()
    if named:
        draft.add(kind, named, message(f"data.images.{kind}", **draft.about(named)))


def _find_odd_modes(draft: _Draft) -> None:
    """Images stored in other ways than RGB and gray are converted, which is worth knowing."""
    if draft.dataset.kind not in ("folder", "csv"):
        return
    names: dict[int, str] = {}
    good = draft.good()
    modes, frames = draft.facts.of("mode", good), draft.facts.of("frames", good)
    for at in np.flatnonzero(~np.isin(modes, [b"RGB", b"L"]) | (frames > 1)).tolist():
        names[int(good[at])] = "animated" if frames[at] > 1 else modes[at].decode()
    if names:
        listed = ", ".join(f"{name} {count:,}" for name, count in Counter(names.values()).most_common())
        first = draft.dataset.paths[next(iter(names))]
        draft.add("odd-mode", names, message("data.images.odd-mode", n=len(names), modes=listed, first=first))


# --------------------------------------------------------------------- images that are there more than once


def _find_copies(draft: _Draft) -> None:
    """The same content more than once: under two labels, across a given split, or simply twice."""
    copies = _copies(draft, draft.good())
    agreeing = [rows for rows in copies if not draft.differ(rows)]
    _find_two_labels(draft, [rows for rows in copies if draft.differ(rows)])
    _find_leaks(draft, [rows for rows in agreeing if len({draft.dataset.given[row] for row in rows}) > 1])
    plain = [left for rows in agreeing if len(left := [row for row in rows if not draft.set_aside[row]]) > 1]
    if plain:
        rows = list(chain(*plain))
        first = draft.named(plain[0])
        draft.add(
            "duplicate",
            rows,
            message("data.images.duplicate", n=len(plain), files=len(rows), first=first),
        )


def _copies(draft: _Draft, rows: NDArray[np.int64]) -> list[list[int]]:
    """The rows of each content that several have, in the order of the first of them."""
    return sorted(_shared(_contents(draft, rows)[1], rows))


def _contents(draft: _Draft, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The place of the first row of each content, by hash; and which content each row has."""
    _, first, which = np.unique(draft.sha256.digests[rows], return_index=True, return_inverse=True)
    return first, which


def _shared(keys: NDArray[np.int64], rows: NDArray[np.int64]) -> list[list[int]]:
    """The rows of each key that several have, by key."""
    order = np.argsort(keys, kind="stable")
    _, starts, counts = np.unique(keys[order], return_index=True, return_counts=True)
    several = np.stack([starts, starts + counts], axis=1)[counts > 1]
    return [rows[order[start:end]].tolist() for start, end in several.tolist()]


def _find_two_labels(draft: _Draft, groups: list[list[int]]) -> None:
    """Only a person can say which label is right, so none of the copies is used, in no split."""
    if not groups:
        return
    rows, kind = list(chain(*groups)), draft.task.same
    truths = [f"{draft.dataset.paths[row]} ({draft.task.text(draft.dataset, row)})" for row in groups[0][:3]]
    copies = {"n": len(groups), "files": len(rows), "classes": draft.by_class(rows)}
    draft.drop(kind, rows, message(f"data.images.{kind}", first=all_of(truths), **copies))


def _find_leaks(draft: _Draft, groups: list[list[int]]) -> None:
    """Copies across the given split stay in the later split only: test before val before train."""
    if not groups:
        return
    given = draft.dataset.given
    rank = {"": 0} | {split: number for number, split in enumerate(SPLITS)}
    dropped = []
    for group in groups:
        last = max(rank[given[row]] for row in group)
        dropped += [row for row in group if rank[given[row]] < last]
    splits = sorted({given[row] or "train" for row in dropped})
    classes, first = draft.by_class(dropped), draft.named(groups[0])
    draft.add(
        "leak",
        chain(*groups),
        message("data.images.leak", n=len(groups), classes=classes, first=first),
        action=f"dropped from {' and '.join(splits)}",
    )
    draft.set_aside_for("leak", dropped)


def _find_near_duplicates(draft: _Draft) -> None:
    """Nearly the same image more than once; and what a split has to keep together."""
    # One row stands for its identical copies.
    good = draft.good()
    first, which = _contents(draft, good)
    rows = good[first]
    del first
    release_memory()  # what was freed before in small blocks would lie beside what is wanted now
    found = near_duplicates(
        draft.facts.thumbnails(rows),
        draft.facts.of("hash", rows),
        kinds=_kinds(draft.dataset)[rows],
        small=_shorter(draft, rows) < SMALL_SIDE,
    )
    draft.cut_short = not found.complete
    pairs = sorted((min(pair), max(pair)) for pair in rows[found.pairs].tolist())
    _add_near_duplicates(draft, pairs)
    groups = Groups(len(rows))
    groups.join(found.pairs)
    order = np.argsort(which, kind="stable")
    _bind(draft, _shared(groups.roots()[which[order]], good[order]))


def _kinds(dataset: Dataset) -> NDArray[np.int64]:
    """A number for the label (or the band of the target) and the given split of each row."""
    number = {"": 0} | {split: number for number, split in enumerate(SPLITS, start=1)}
    return strata(dataset) * len(number) + np.array([number[split] for split in dataset.given], np.int64)


def _add_near_duplicates(draft: _Draft, pairs: list[tuple[int, int]]) -> None:
    """One finding for pairs of two labels, one for pairs of two given splits, one for the rest."""
    given, two = draft.dataset.given, f"near-{draft.task.same}"
    found: dict[str, list[tuple[int, int]]] = {two: [], "near-leak": [], "near-duplicate": []}
    for a, b in pairs:
        differ, cut = draft.differ((a, b), NEAR_TARGET), given[a] != given[b]
        if differ:
            found[two].append((a, b))
        if cut:
            found["near-leak"].append((a, b))
        if not differ and not cut:
            found["near-duplicate"].append((a, b))
    for kind, some in found.items():
        if some:
            sentence = message(f"data.images.{kind}", n=len(some), first=draft.named(some[0]))
            draft.add(kind, dict.fromkeys(chain(*some)), sentence)


def _bind(draft: _Draft, groups: list[list[int]]) -> None:
    """Keep groups together, but for those so large that the likeness itself is in doubt."""
    limit = max(GROUP_LEAST, math.floor(GROUP_FRACTION * len(draft.good())))
    large = [group for group in groups if len(group) > limit]
    draft.bound = [group for group in groups if len(group) <= limit]
    for group in large:  # identical files among them still stay together
        draft.bound += [same for same in _copies(draft, np.array(group)) if len(same) <= limit]
    if large:
        rows = list(chain(*large))
        about = {"n": len(large), "classes": draft.by_class(rows), "first": draft.named(large[0])}
        draft.add("large-group", rows, message("data.images.large-group", limit=limit, **about))


def _find_cut_groups(draft: _Draft) -> None:
    """Groups that came with the data and that the given split does not respect."""
    members: dict[str, list[int]] = defaultdict(list)
    for row in draft.good().tolist() if any(draft.dataset.groups) else ():
        if draft.dataset.groups[row]:
            members[draft.dataset.groups[row]].append(row)
    cut = {
        name: rows for name, rows in members.items() if len({draft.dataset.given[row] for row in rows}) > 1
    }
    if cut:
        name, first = next(iter(cut.items()))
        sentence = message("data.images.group-cut", n=len(cut), name=name, first=draft.named(first))
        draft.add("group-cut", chain(*cut.values()), sentence)


def _find_odd_truths(draft: _Draft) -> None:
    """Classes with few images, odd targets, and the like."""
    rows = draft.good()
    draft.findings += [*draft.task.findings(draft.dataset, rows), *draft.task.odd(draft.dataset, rows)]


# What cannot be used goes first, so that later questions are asked of usable images only.
_QUESTIONS: tuple[Callable[[_Draft], None], ...] = (
    _find_problems,
    _find_tiny,
    _find_blank,
    _find_dark,
    _find_blurred,
    _find_odd_modes,
    _find_copies,
    _find_near_duplicates,
    _find_cut_groups,
    _find_odd_truths,
)


# ------------------------------------------------------------------------------------------- the whole


def _finished(draft: _Draft) -> Dataset:
    """The checked data set."""
    dataset = draft.dataset
    sizes = np.zeros((2, len(dataset)), np.int64)
    sizes[:, draft.facts.rows] = [draft.facts.columns["height"], draft.facts.columns["width"]]
    findings = sorted((*dataset.findings, *draft.findings), key=lambda one: not one.decision)
    return replace(
        dataset,
        groups=bind_groups(dataset.groups, draft.bound, draft.sha256),
        set_aside=tuple(draft.set_aside),
        sha256=draft.sha256,
        heights=sizes[0],
        widths=sizes[1],
        findings=tuple(findings),
    )
