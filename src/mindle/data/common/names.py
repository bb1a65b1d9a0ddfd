"""Names of files and folders: their spelling, litter among them, and the splits that they name."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from mindle.messages import message
from mindle.records import SPLITS, Split
from mindle.text import spelled

WORDS: dict[str, dict[str, Any]] = tomllib.loads(
    Path(__file__).with_name("words.toml").read_text(encoding="utf-8")
)
"""Words by which names and cells are understood, by what they are about."""

SPLIT_WORDS: dict[str, Split] = {word: split for split in SPLITS for word in WORDS["splits"][split]}
"""Words that name a split, in any case."""

_FILLERS = frozenset(WORDS["names"]["fillers"].split())
_FOREIGN = frozenset(WORDS["names"]["foreign"])
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_LETTERS = re.compile(r"[^\W\d_]+")


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
        text = spelled(text)
    return unicodedata.normalize("NFC", text)


def name_of(entry: str) -> str:
    r"""What something on the disk is called: printable (see `mindle.text.spelled`), in the composed spelling.

    Example:
        >>> print(name_of("oak/" + chr(27) + "[2J.jpg"))
        oak/\x1b[2J.jpg
    """
    return nfc(spelled(entry))


def count_of(number: int, one: str, many: str) -> str:
    """A number with its noun: "1 file", "1,200 files"."""
    return f"{number:,} {one if number == 1 else many}"


def split_of(word: str) -> Split | None:
    """The split that a word names, or None.

    Example:
        >>> split_of("Validation"), split_of("training_set"), split_of("test1"), split_of("cat")
        ('val', 'train', 'test', None)
    """
    splits, rest = _read(word)
    return None if rest else _one(splits)


def splits_of(names: Iterable[str]) -> dict[str, Split]:
    """The names among siblings that are splits; a word that all of these share means nothing.

    Example:
        >>> splits_of(["seg_train", "seg_test", "seg_pred", "testudo"])
        {'seg_train': 'train', 'seg_test': 'test'}
    """
    read = {name: _read(name) for name in names}
    naming = {name: found for name, found in read.items() if found[0]}
    shared = (
        frozenset.intersection(*(rest for _, rest in naming.values())) if len(naming) > 1 else frozenset()
    )
    if len({_one(splits) for splits, _ in naming.values()}) < 2:
        shared = frozenset()
    return {
        name: split
        for name, (splits, rest) in naming.items()
        if not rest - shared and (split := _one(splits)) is not None
    }


def splits_in(name: str) -> frozenset[Split]:
    """The splits whose words stand somewhere in a name.

    Example:
        >>> sorted(splits_in("old train and test")), sorted(splits_in("trainers"))
        (['test', 'train'], [])
    """
    return _read(name)[0]


def says_nothing(name: str) -> bool:
    """Whether a name is made of words such as "images" and "data" alone.

    Example:
        >>> says_nothing("Photos 2"), says_nothing("cat photos")
        (True, False)
    """
    return _read(name) == (frozenset(), frozenset())


def _one(splits: frozenset[Split]) -> Split | None:
    if splits == {"train", "val"}:  # what is learned from, before validation is cut from it
        return "train"
    return next(iter(splits)) if len(splits) == 1 else None


def _read(name: str) -> tuple[frozenset[Split], frozenset[str]]:
    """The splits that a name holds words of, and its words besides."""
    words = _LETTERS.findall(_CAMEL.sub(" ", nfc(name)).casefold())
    splits = {word: _split_in(word) for word in words}
    return (
        frozenset(split for split in splits.values() if split),
        frozenset(word for word, split in splits.items() if not split and word not in _FILLERS),
    )


def _split_in(word: str) -> Split | None:
    """The split that one word names, also where it is written together with a filler: "trainset"."""
    if word in SPLIT_WORDS:
        return SPLIT_WORDS[word]
    return next(
        (
            split
            for known, split in SPLIT_WORDS.items()
            if word.removeprefix(known) in _FILLERS or word.removesuffix(known) in _FILLERS
            if word not in _FILLERS
        ),
        None,
    )


def all_of(texts: Sequence[str], code: str = "data.list.and") -> str:
    """Texts one after the other, in the language of the sentence that holds them.

    Example:
        >>> all_of(["train", "val", "test"])
        'train and val and test'
    """
    *others, last = texts
    return message(code, first=all_of(others, code), second=last) if others else last
