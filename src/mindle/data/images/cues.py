"""What a class might be predicted from that is not the subject: file, camera, border, light, name.

All but the name was found when the image was first decoded, and lies in the cache.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.files import cache_dir
from mindle.data.images.scan import known_facts
from mindle.records import ArrayImages, Cue, Dataset, of_rows

ALL_SUBJECT = 64  # pixels; of smaller images the border and the light are the subject itself
MOST_CAMERAS, MOST_FOLDERS, MOST_WORDS = 24, 24, 48
_LIGHT = ("brightness", "contrast", "sharpness")
_WORD_SHARE = 0.02
_WORD = re.compile(r"(?<![^\W_])[^\W\d_]+(?=\d*(?:[\W_]|$))")  # letters, perhaps with a number: no hashes
_COUNTED = 0.1  # names that are numbered within a class begin below this share of the largest number
_RED, _GREEN, _BLUE = range(3)

Floats = NDArray[np.float64]


def cues(dataset: Dataset, rows: NDArray[np.int64], *, cache: Path | None = None) -> list[Cue]:
    """What some checked images might be distinguished by.

    Args:
        dataset: Checked.
        rows: Which images.
        cache: Cache folder; `cache_dir()` where None.

    Returns:
        One cue each of what is known of them; of images that the cache has lost everything is unknown.
    """
    known, facts = known_facts(of_rows(dataset.sha256, rows), cache or cache_dir())
    shorter = np.minimum(facts["height"], facts["width"])
    small = bool(len(shorter)) and float(np.median(shorter)) < ALL_SUBJECT
    found = [
        Cue(name=name, values=_spread(known, make(facts)), content="all" if small else content)
        for name, content, make in (*_LOOKS, *(() if isinstance(dataset.images, ArrayImages) else _FILES))
    ]
    if isinstance(dataset.images, ArrayImages):
        return found
    return [*found, *_camera(known, facts), *_names(dataset, rows)]


def facets(dataset: Dataset, rows: NDArray[np.int64], *, cache: Path | None = None) -> list[Cue]:
    """By what some checked images are grouped to look for slices: light, blur, size, camera, folder."""
    known, facts = known_facts(of_rows(dataset.sha256, rows), cache or cache_dir())
    found = [Cue(name=name, values=_spread(known, _one(name)(facts))) for name in _LIGHT]
    found.append(Cue(name="short-side", values=_spread(known, _short_side(facts))))
    return [*found, *_camera(known, facts), *_folder(dataset, rows)]


def _spread(known: NDArray[np.bool_], values: Floats) -> Floats:
    """Values of the images that are known, NaN for the others."""
    whole = np.full((len(known), values.shape[1]), np.nan)
    whole[known] = values
    return whole


def _columns(*columns: NDArray[Any]) -> Floats:
    return np.column_stack(columns).astype(np.float64)


# ---- pixels -----------------------------------------------------------------------------------------------


def _border(facts: NDArray[Any]) -> Floats:
    looks = facts["looks"]
    return _columns(looks["border"], looks["border_std"], np.abs(looks["border"] - looks["mean"]))


def _white_point(facts: NDArray[Any]) -> Floats:
    """How far red and blue reach beyond green, where it is darkest and lightest: the colour of the light."""
    outer = (_RED, _BLUE)
    ends = [facts["looks"][name].astype(np.float64) for name in ("low", "high", "top")]
    differences = [end[:, outer] - end[:, [_GREEN]] for end in ends]
    return _columns(*differences, facts["looks"]["top"][:, outer])


def _exposure(facts: NDArray[Any]) -> Floats:
    looks = facts["looks"]
    ends = [looks[name].mean(axis=1) for name in ("low", "high")]
    return _columns(looks["brightness"], looks["contrast"], *ends)


def _one(name: str) -> Callable[[NDArray[Any]], Floats]:
    return lambda facts: _columns(facts["looks"][name])


# ---- files ------------------------------------------------------------------------------------------------


def _jpeg(facts: NDArray[Any]) -> Floats:
    return _columns(facts["tables"])


def _date(facts: NDArray[Any]) -> Floats:
    return _columns(facts["taken"])


def _file_size(facts: NDArray[Any]) -> Floats:
    return np.log(np.maximum(_columns(facts["size_bytes"]), 1))


def _image_size(facts: NDArray[Any]) -> Floats:
    return _columns(facts["height"], facts["width"])


def _short_side(facts: NDArray[Any]) -> Floats:
    return _columns(np.minimum(facts["height"], facts["width"]))


def _aspect(facts: NDArray[Any]) -> Floats:
    return _columns(facts["width"] / np.maximum(facts["height"], 1))


Make = Callable[[NDArray[Any]], Floats]

# Each with how far the subject itself may show in it: what is in a picture decides how well it compresses.
_LOOKS: tuple[tuple[str, str, Make], ...] = (
    ("border", "none", _border),
    ("white-point", "some", _white_point),
    ("exposure", "none", _exposure),
    ("sharpness", "none", _one("sharpness")),
    ("mean-colour", "some", _one("mean")),
    ("image-size", "none", _image_size),
    ("aspect", "none", _aspect),
)
_FILES: tuple[tuple[str, str, Make], ...] = (
    ("jpeg-quality", "none", _jpeg),
    ("file-size", "some", _file_size),
    ("date", "none", _date),
)


def _camera(known: NDArray[np.bool_], facts: NDArray[Any]) -> Iterator[Cue]:
    """A column for each of the most frequent cameras."""
    cameras, which, counts = np.unique(facts["camera"], return_inverse=True, return_counts=True)
    most = np.argsort(-counts, kind="stable")[:MOST_CAMERAS]
    if len(cameras) > 1:
        names = tuple(cameras[at].decode(errors="replace") for at in most.tolist())
        yield Cue(name="camera", values=_spread(known, which[:, None] == most), parts=names)


def _folder(dataset: Dataset, rows: NDArray[np.int64]) -> Iterator[Cue]:
    """A column for each of the largest folders that are no class of their own."""
    names = [PurePosixPath(path).parent.as_posix() for path in of_rows(dataset.paths, rows)]
    labels, parts = dataset.labels[rows], []
    for name, n in Counter(names).most_common(MOST_FOLDERS):
        inside = np.array([each == name for each in names])
        here = np.unique(labels[inside])
        if n < len(names) and not (len(here) == 1 and n == int((labels == here[0]).sum())):
            parts.append((name, inside))
    if parts:
        values = np.stack([inside for _, inside in parts], axis=1).astype(np.float64)
        yield Cue(name="folder", values=values, parts=tuple(name for name, _ in parts))


# ---- names ------------------------------------------------------------------------------------------------


def _names(dataset: Dataset, rows: NDArray[np.int64]) -> Iterator[Cue]:
    """Words and numbers of file names; folders are how the owner keeps the classes."""
    stems = [PurePosixPath(path).stem.casefold() for path in of_rows(dataset.paths, rows)]
    labels = dataset.labels[rows]
    yield from _words(stems, [name.casefold() for name in dataset.classes], labels)
    numbers = [re.findall(r"\d+", stem) for stem in stems]
    # Digits of more than a day's photos, such as ids of a site, are cut to what a double holds.
    order = np.array([float(found[-1][-15:]) if found else np.nan for found in numbers])
    if not _is_counted(order, labels):
        yield Cue(name="order", values=order[:, None])


def _words(stems: Sequence[str], classes: Sequence[str], labels: NDArray[np.int64]) -> Iterator[Cue]:
    """A column for each of the most frequent words; the name of a class in its own files is no clue."""
    words = [set(_WORD.findall(stem)) for stem in stems]
    own = [classes[label] if label >= 0 else "" for label in labels.tolist()]
    clues = [
        {word for word in some if not own or (word not in name and (not name or name not in word))}
        for some, name in zip(words, own, strict=True)
    ]
    counts = Counter(word for some in clues for word in some)
    frequent = [word for word, n in counts.most_common(MOST_WORDS) if n >= _WORD_SHARE * len(stems)]
    if frequent:
        values = np.array([[word in some for word in frequent] for some in clues], np.float64)
        yield Cue(name="words", values=values, parts=tuple(frequent))


def _is_counted(order: Floats, labels: NDArray[np.int64]) -> bool:
    """Whether the files of each class are numbered from the beginning: that tells only how many there are."""
    some = [order[(labels == label) & ~np.isnan(order)] for label in np.unique(labels)]
    return len(some) > 1 and all(len(part) and part.min() <= _COUNTED * part.max() for part in some)
