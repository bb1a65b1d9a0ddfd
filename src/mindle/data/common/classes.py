"""Class names and the split that came with the data, whatever the source."""

from __future__ import annotations

import itertools
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.findings import finding
from mindle.data.common.names import all_of, split_of
from mindle.messages import message
from mindle.records import Finding

UNDECIDED = "undecided-parts"
"""The finding of folders that may be classes or splits: nothing is learned before that is settled."""


def numbered_paths(paths: list[str], spelled: Sequence[str]) -> tuple[list[str], list[Finding]]:
    """Distinguish two files whose names only differ in Unicode spelling: the later one gets a number."""
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
    sentence = message("data.names.twice", n=len(same), first=same[0])
    return paths, [
        finding("unicode-normalised", same, sentence, action="both kept, the second under a numbered name")
    ]


def settle_given(given: Sequence[str], *, spelled: Sequence[str] = ()) -> tuple[list[str], list[Finding]]:
    """Decide what a given split means where it has only one held-out split, or none.

    A single held-out split is the sealed test split, whatever its name; validation is cut from train later.
    Rows that are all train are no split at all.

    Args:
        given: Split of each row as the data say, or "".
        spelled: The words of the data for the finding.

    Returns:
        The splits to use, and a finding where a name was reinterpreted.

    Example:
        >>> settle_given(["train", "val"])[0]
        ['train', 'test']
    """
    splits = set(given) - {""}
    if splits == {"train"}:
        return [""] * len(given), []
    if splits != {"train", "val"}:
        return list(given), []
    word = next((word for word in spelled if split_of(word) == "val"), "val")
    held_out = finding("held-out", [word], message("data.splits.held-out", word=word))
    return ["test" if split == "val" else split for split in given], [held_out]


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
    paths: Sequence[str],
    labels: Sequence[str],
    given: Sequence[str],
    set_aside: Sequence[str],
    *,
    declared: Iterable[str] = (),
    order: Sequence[str] = (),
) -> tuple[tuple[str, ...], NDArray[np.int64], list[str], list[Finding]]:
    """Decide which classes there are, and find what is odd about them.

    A class is learned when the train split has a row of it; in data without a train split, all are. Rows of a
    class that only a held-out split has are set aside.

    Args:
        paths: NFC path of each row, unique.
        labels: Its class name, "" where it has none.
        given: The split that came with the data, or "".
        set_aside: Why it takes no part, or "".
        declared: Further class names, which may have no rows; "" is ignored.
        order: All class names in the order to keep; sorted where empty.

    Returns:
        Class names, the class index of each row (-1 for none), why rows are set aside, and the findings.
    """
    counts: Counter[tuple[str, str]] = Counter()
    first: dict[str, str] = {}
    for path, label, split, aside in zip(paths, labels, given, set_aside, strict=True):
        if label and not aside:
            counts[label, split] += 1
            first.setdefault(label, path)
    splits = {split for _, split in counts} - {""}
    everything = {label for label, _ in counts}
    learned = {label for label, split in counts if "train" not in splits or split == "train"}
    classes = [label for label in order if label in learned] or sorted_classes(learned)
    index = {label: position for position, label in enumerate(classes)}

    extra: dict[str, list[str]] = defaultdict(list)
    set_aside = list(set_aside)
    for position, label in enumerate(labels):
        if label in everything and label not in learned and not set_aside[position]:
            set_aside[position] = "class-extra"
            extra[label].append(paths[position])
    indices = np.fromiter((index.get(label, -1) for label in labels), np.int64, len(labels))

    empty = sorted_classes(({*declared, *order} | set(labels)) - everything - {""})
    findings = [finding("empty-class", [label], message("data.classes.empty", name=label)) for label in empty]
    for label, files in sorted(extra.items()):
        sentence = message("data.classes.extra", name=label, n=len(files), first=files[0])
        findings.append(finding("class-extra", files, sentence))
    held_out = sorted(splits - {"train"}) if "train" in splits else []
    for split, label in itertools.product(held_out, classes):
        if not counts[label, split]:
            sentence = message("data.classes.missing", name=label, split=split)
            findings.append(finding("class-missing", [label], sentence))
    for label in classes:
        if counts[label, "train" if "train" in splits else ""] == 1:
            path = first[label]
            findings.append(finding("single", [path], message("data.classes.single", name=label, path=path)))
    findings += lookalikes(classes)
    if len(classes) == 1:
        findings.append(finding("one-class", classes, message("data.classes.only-one", name=classes[0])))
    return tuple(classes), indices, set_aside, findings


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
        finding(
            "name-collision",
            labels,
            message("data.names.collision", names=all_of([repr(label) for label in labels])),
        )
        for labels in alike_names(classes)
    ]
