"""The words of the report, in every language it speaks, and how numbers are written.

`words.toml` holds one table a sentence, `[family.name]` with one string a language; numbers look the same in
all of them. Where a sentence speaks of images, a second string (`en_rows`) speaks of rows of a table.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from math import floor, log10
from pathlib import Path
from typing import Any

LANGUAGES = ("en", "ko")
SUBJECTS = ("images", "rows")
NONE = "–"


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """Every sentence: id to language to text.

    Example:
        >>> catalogue()["part.test"]["ko"]
        '테스트'
    """
    with Path(__file__).with_name("words.toml").open("rb") as file:
        families = tomllib.load(file)
    return {f"{family}.{name}": texts for family, names in families.items() for name, texts in names.items()}


class Words:
    """The report's sentences in one language.

    Example:
        >>> Words("en")("unit.images", n="450")
        '450 images'
    """

    def __init__(self, lang: str, subject: str = "images") -> None:
        if lang not in LANGUAGES:
            raise ValueError(f"`lang` must be one of {', '.join(LANGUAGES)}. Received lang={lang!r}.")
        if subject not in SUBJECTS:
            raise ValueError(f"`subject` must be one of {', '.join(SUBJECTS)}. Received subject={subject!r}.")
        self.lang = lang
        self.subject = subject

    def __call__(self, name: str, /, **values: str) -> str:
        """The sentence with its gaps filled."""
        return self._text(catalogue()[name]).format(**values)

    def _text(self, texts: Mapping[str, str]) -> str:
        """The sentence in this language, about rows where the page is about rows and the words differ."""
        return texts.get(f"{self.lang}_{self.subject}", texts[self.lang])

    def known(self, family: str, name: str) -> str:
        """A word for a name that others chose; where the catalogue has none, the name itself."""
        texts = catalogue().get(f"{family}.{name}")
        return self._text(texts) if texts else name.replace("_", " ").replace("-", " ")

    def counted(self, unit: str, n: int) -> str:
        """A count with its unit, singular where the language has one."""
        return self(f"unit.{unit}_one" if n == 1 else f"unit.{unit}", n=count(n))

    def duration(self, seconds: float) -> str:
        """Seconds as people say them.

        Example:
            >>> Words("en").duration(3723), Words("ko").duration(75)
            ('1 h 2 min', '1분 15초')
        """
        if seconds < 59.95:
            return self("unit.seconds", n=f"{seconds:.1f}" if seconds < 9.95 else f"{seconds:.0f}")
        whole = round(seconds)
        minutes, rest = divmod(whole, 60)
        if minutes < 60:
            return self("unit.minutes", n=str(minutes), rest=str(rest))
        return self("unit.hours", n=str(minutes // 60), rest=str(minutes % 60))


def count(n: float) -> str:
    """A whole number with separators."""
    return f"{n:,.0f}"


def percent(value: float | None) -> str:
    """A share as a percentage with one decimal, more where one would round it to 0 or 100.

    Example:
        >>> percent(0.9356), percent(1.0), percent(0.99996), percent(None)
        ('93.6%', '100%', '99.996%', '–')
    """
    if value is None:
        return NONE
    if value in (0.0, 1.0):
        return f"{100 * value:.0f}%"
    for digits in (1, 2, 3):
        text = f"{100 * value:.{digits}f}"
        if 0 < float(text) < 100:
            return f"{text}%"
    return f"{text}%"


def span(low: float | None, high: float | None) -> str:
    """An interval of shares, the sign once.

    Example:
        >>> span(0.909, 0.955)
        '90.9–95.5%'
    """
    if low is None or high is None:
        return NONE
    return f"{percent(low).removesuffix('%')}–{percent(high)}"


def points(value: float) -> str:
    """A difference of shares in percentage points, with its sign."""
    return f"{100 * value:+.1f}".replace("-", "−")


def amount(value: float | None, digits: int = 4) -> str:
    """A quantity in the target's unit, with some significant digits and separators where it is large.

    Example:
        >>> [amount(value) for value in (48312.7, 1834.52, 2.3456, 0.00123456, -7.0, 0.0, 3e-9, None)]
        ['48,313', '1,835', '2.346', '0.001235', '−7', '0', '3e-09', '–']
    """
    if value is None:
        return NONE
    if abs(value) >= 1e15 or 0 < abs(value) < 1e-5:
        text = f"{value:.{digits}g}"
    elif abs(value) >= 1000:
        text = f"{value:,.0f}"
    else:
        behind = max(0, digits - 1 - floor(log10(abs(value)))) if value else 0
        text = f"{value:.{behind}f}"
        text = text.rstrip("0").rstrip(".") if "." in text else text
    return text.replace("-", "−", 1) if text.startswith("-") else text


def alike(value: float | None, largest: float) -> str:
    """A quantity of a column, with as many decimals as the largest of them needs for three digits.

    Example:
        >>> [alike(value, 58.3) for value in (58.31, 0.0412, -3.0)], alike(1834.5, 9000.0)
        (['58.3', '0.0', '−3.0'], '1,834')
    """
    if value is None:
        return NONE
    if not 1e-5 <= abs(largest) < 1e15:
        return amount(value, 3)
    text = f"{value:,.{max(0, 2 - floor(log10(abs(largest))))}f}"
    bare = text.lstrip("-").strip("0.,")
    return ("−" + text[1:] if bare else text[1:]) if text.startswith("-") else text


def signed(value: float, digits: int = 4) -> str:
    """A quantity with its sign.

    Example:
        >>> signed(0.25), signed(-1200.0)
        ('+0.25', '−1,200')
    """
    return amount(value, digits) if value < 0 else f"+{amount(value, digits)}"


def decimal(value: float | None) -> str:
    """A score that is no share, with three decimals."""
    return NONE if value is None else f"{value:.3f}"


def parts_of(score: Any) -> tuple[float | None, float | None, float | None]:
    """Value, low and high of a score, whether it came with an interval or as a plain number."""
    if isinstance(score, Mapping):
        return score.get("value"), score.get("low"), score.get("high")
    return (None if score is None else float(score)), None, None
