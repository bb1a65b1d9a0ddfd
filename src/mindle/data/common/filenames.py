"""Labels that stand in file names, such as `cat.0.jpg`: templates that say where, and telling one from names.

A template is text with placeholders, never a regular expression.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from mindle.data.common.names import WORDS, name_of, nfc, splits_in
from mindle.errors import DataError

PLACEHOLDERS = {"{class}": r"(?P<label>.*?)", "{n}": r"\d+", "{*}": r".*?"}
"""What may stand in a template: the class, a number, anything."""

PICTURE_ENDINGS = frozenset(WORDS["names"]["pictures"].split())
_DEVICES = frozenset(WORDS["names"]["devices"].split())

FITTING = 0.95
MOST_NAMES, FEWEST_FILES = 200, 5
_MOST_WILD = 3  # more of them could match in too many ways

_ENDING = re.compile(r"\.(?=[^.]*[^\W\d_])[^\W_]{1,5}\Z")  # of letters at least in part: not the .0 of cat.0
_NUMBERED = re.compile(r"(?P<label>.+?)(?P<mark>[._-])\d+", re.DOTALL)
_OTHERS = ("{class} ({n})", "{class} {n}", "{class}{n}", "{n}_{class}", "{n}-{class}", "{n}.{class}")


@dataclass(frozen=True, kw_only=True)
class LabelTemplate:
    """Where the class stands in the names of files.

    Attributes:
        text: As it was typed, or as the names show it.
        pattern: Matches a file's name without its ending; the group `label` is the class.
        known: The only classes that count; all where empty.
    """

    text: str
    pattern: re.Pattern[str]
    known: frozenset[str] = frozenset()

    def label(self, path: str) -> str | None:
        """The class in a file's name, None where the name does not fit.

        Raises:
            DataError: If the name fits and the class is empty, or no name of a folder.
        """
        match = self.pattern.fullmatch(stem(path))
        if match is None:
            return None
        label = match["label"].strip()
        if label in ("", ".", ".."):
            raise DataError(
                f"`label_from` must give every file that fits a class with a name. Received {label!r} for "
                f"{path!r} from {self.text!r}. Rename the file, or give another template with --label-from."
            )
        return label if not self.known or label in self.known else None


def stem(path: str) -> str:
    """The NFC name of a file without folders and ending.

    Example:
        >>> stem("train/cat.0.JPG"), stem("cat.0")
        ('cat.0', 'cat.0')
    """
    return _ENDING.sub("", name_of(path.rpartition("/")[2]))


def is_picture_name(path: str) -> bool:
    """Whether a file's ending hints at a picture; a file without an ending may be one, too.

    Example:
        >>> is_picture_name("a/1.JPG"), is_picture_name("a/1"), is_picture_name("a/1.txt")
        (True, True, False)
    """
    found = _ENDING.search(path.rpartition("/")[2])
    return found is None or found[0][1:].lower() in PICTURE_ENDINGS


def parse_template(text: str) -> LabelTemplate:
    """A template from what a user typed.

    Args:
        text: A file's name, without folders; its ending may be left out. `{class}` stands where the class
            does, `{n}` for a number, `{*}` for anything.

    Raises:
        TypeError: If it is no text.
        ValueError: If it does not hold `{class}` once, or holds what is no placeholder.

    Example:
        >>> parse_template("{class}_{n}").label("cats/Maine_Coon_12.jpg")
        'Maine_Coon'
    """
    if not isinstance(text, str):
        raise TypeError(f"`label_from` must be text such as '{{class}}_{{n}}'. Received {text!r}.")
    plain = nfc(text.strip())
    ending = _ENDING.search(plain)
    if ending is not None and ending[0][1:].lower() in PICTURE_ENDINGS:
        plain = plain[: ending.start()]
    pieces = [piece for piece in re.split(r"(\{[^{}]*\})", plain) if piece]
    holders = [piece for piece in pieces if piece in PLACEHOLDERS]
    rest = "".join(piece for piece in pieces if piece not in PLACEHOLDERS)
    anything = ("{class}", "{*}")
    beside = any(one in anything and two in anything for one, two in zip(pieces, pieces[1:], strict=False))
    holds = {
        "{class} once": holders.count("{class}") == 1,
        "no braces but those of {class}, {n} and {*}": not set(rest) & set("{}"),
        "no folders": not set(rest) & set("/\\"),
        "text between {class} and {*}": not beside,
        f"{{*}} at most {_MOST_WILD} times": holders.count("{*}") <= _MOST_WILD,
    }
    for must, is_so in holds.items():
        if not is_so:
            raise ValueError(
                "`label_from` must be the name of a file with placeholders, such as '{class}_{n}': it must "
                f"hold {must}. Received label_from={text!r}."
            )
    pattern = "".join(PLACEHOLDERS.get(piece) or re.escape(piece) for piece in pieces)
    return LabelTemplate(text=text, pattern=re.compile(pattern, re.DOTALL))


def infer_template(paths: Sequence[str]) -> LabelTemplate | None:
    """The template that names show without doubt, or None.

    At least 95 % of the files must be called `<class>` and a number with `.`, `_` or `-` between them, with
    2 to 200 classes of at least 5 files each; what cameras, scanners and messengers begin names with is no
    class, nor is the name of a split.

    Example:
        >>> template = infer_template([f"{name}.{n}.jpg" for name in ("cat", "dog") for n in range(5)])
        >>> template.text, sorted(template.known)
        ('{class}.{n}', ['cat', 'dog'])
        >>> infer_template([f"IMG_{n}.jpg" for n in range(10)]) is None
        True
    """
    matches = [match for path in paths if (match := _NUMBERED.fullmatch(stem(path)))]
    counts = Counter(match["label"].strip() for match in matches)
    known = {label: count for label, count in counts.items() if _may_be_class(label)}
    if not _plausible(known, len(paths)):
        return None
    mark, _ = Counter(match["mark"] for match in matches).most_common(1)[0]
    return LabelTemplate(text=f"{{class}}{mark}{{n}}", pattern=_NUMBERED, known=frozenset(known))


def suggest_template(paths: Sequence[str]) -> str:
    """A template to propose for names that show no class without doubt."""
    texts = [*(f"{{class}}{mark}{{n}}" for mark in "._-"), *_OTHERS]
    for text in texts:
        template = parse_template(text)
        fits = [match["label"] for path in paths if (match := template.pattern.fullmatch(stem(path)))]
        known = {label: count for label, count in Counter(fits).items() if _may_be_class(label)}
        if len(known) > 1 and sum(known.values()) >= FITTING * len(paths):
            return text
    return "{class}_{n}"


def _plausible(known: dict[str, int], files: int) -> bool:
    return (
        2 <= len(known) <= MOST_NAMES
        and sum(known.values()) >= FITTING * files
        and min(known.values()) >= FEWEST_FILES
    )


def _may_be_class(label: str) -> bool:
    """Whether a name has letters that neither a device nor a split gave it."""
    words = re.findall(r"[^\W\d_]+", label.casefold())
    return bool(words) and words[0] not in _DEVICES and not splits_in(label)
