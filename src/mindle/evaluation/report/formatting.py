"""Numbers as a report writes them; they look alike in every language."""

from __future__ import annotations

from collections.abc import Mapping
from math import floor, log10
from typing import Any, NamedTuple

NONE = "–"


class Score(NamedTuple):
    """A score with its interval; None where it is not known."""

    value: float | None
    low: float | None = None
    high: float | None = None

    @classmethod
    def of(cls, score: Any) -> Score:
        """Read a score, whether it came with an interval or as a plain number.

        Example:
            >>> Score.of({"value": 0.9, "low": 0.8, "high": 0.95}).low, Score.of(0.5).low
            (0.8, None)
        """
        if isinstance(score, Mapping):
            return cls(score.get("value"), score.get("low"), score.get("high"))
        return cls(None if score is None else float(score))


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


def interval(low: float | None, high: float | None, largest: float | None = None) -> str:
    """Both ends of an interval of quantities; `largest` of a column keeps their decimals alike.

    Example:
        >>> interval(1.0, 2.5), interval(-1.0, 2.5), interval(1.0, 2.5, 30.0), interval(None, None)
        ('1–2.5', '−1 – 2.5', '1.0–2.5', '–')
    """
    if low is None or high is None:
        return NONE
    between = " – " if low < 0 or high < 0 else "–"
    return between.join(amount(end) if largest is None else alike(end, largest) for end in (low, high))


def signed(value: float, digits: int = 4) -> str:
    """A quantity with its sign.

    Example:
        >>> signed(0.25), signed(-1200.0)
        ('+0.25', '−1,200')
    """
    return amount(value, digits) if value < 0 else f"+{amount(value, digits)}"


def decimal(value: float | None) -> str:
    """A score that is no share, with three decimals."""
    return NONE if value is None else f"{value:.3f}".replace("-", "−")


def decimals(low: float | None, high: float | None) -> str:
    """An interval of such scores."""
    return NONE if low is None else f"{decimal(low)}–{decimal(high)}"


def p_value(p: float) -> str:
    """A p value with its sign of equality.

    Example:
        >>> [p_value(p) for p in (0.0004, 0.0321, 0.4)]
        ['p < 0.001', 'p = 0.032', 'p = 0.4']
    """
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}"


def setting(value: Any) -> str:
    """A setting as a recipe writes it; a dash where there is none.

    Example:
        >>> [setting(value) for value in (True, 0.00123456, ["rbf", "linear"], None)]
        ['true', '0.00123456', 'rbf, linear', '–']
    """
    if value is None or value == "":
        return NONE
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return str(value.get("kind", value))
    if isinstance(value, list | tuple):
        return ", ".join(map(setting, value))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
