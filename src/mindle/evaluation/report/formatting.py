"""Numbers as a report writes them; they look alike in every language."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
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
        if isinstance(score, Score):
            return score
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


def interval(low: float | None, high: float | None, written: Callable[[float | None], str] = amount) -> str:
    """Both ends of an interval as `written` writes them, a percent sign once.

    Example:
        >>> interval(0.909, 0.955, percent), interval(1.0, 2.5), interval(-1.0, 2.5), interval(None, None)
        ('90.9–95.5%', '1–2.5', '−1 – 2.5', '–')
    """
    if low is None or high is None:
        return NONE
    first, last = written(low), written(high)
    between = " – " if "−" in first + last else "–"
    return f"{first.removesuffix('%')}{between}{last}"


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


def cell_text(value: Any) -> str:
    """A cell of a table as people read it: a dash where it is missing."""
    if value is None or value == "" or value != value:  # NaN is not itself
        return NONE
    return amount(value) if isinstance(value, float) else str(value)


def capitalised(text: str) -> str:
    """The same with a capital letter at its beginning."""
    return text[:1].upper() + text[1:]


def position(value: float) -> str:
    """A position in a picture, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


# ---- scores ------------------------------------------------------------------------------------------------

# Scores that are written as a share with a bar, as a share, as a quantity; the others are plain numbers.
DRAWN = ("accuracy", "balanced_accuracy", "top5_accuracy", "macro_precision", "macro_f1", "recall")
SHARES = (*DRAWN, "precision", "f1", "coverage")
QUANTITIES = ("mae", "rmse", "median_absolute_error")


class Cell(NamedTuple):
    """A score as a table shows it: its value, its interval, and the style of its bar."""

    text: str
    interval: str = ""
    bar: str = ""


def writer(name: str) -> Callable[[float | None], str]:
    """How the values of a score are written: `percent`, `amount` or `decimal`."""
    return percent if name in SHARES else amount if name in QUANTITIES else decimal


def score_in(block: Mapping[str, Any], name: str) -> Score:
    """A score of a block of metrics.json with its interval, beside it or within."""
    beside = block.get(f"{name}_interval") or {}
    return Score.of(block.get(name))._replace(
        **{end: beside[end] for end in ("low", "high") if end in beside}
    )


def cell(score: Any, name: str) -> Cell:
    """A score with its interval in small type and, where it is a share, its bar."""
    found, written = Score.of(score), writer(name)
    ends = "" if found.low is None else interval(found.low, found.high, written)
    return Cell(written(found.value), ends, bar(found) if name in DRAWN else "")


def column_cell(score: Any, name: str, largest: float) -> Cell:
    """A score in a column of bars on one scale, up to the largest, with as many decimals as the others."""
    found, written = Score.of(score), writer(name)
    written = partial(alike, largest=largest) if written is amount else written
    return Cell(written(found.value), interval(found.low, found.high, written), bar(found, largest))


def bar(score: Score, largest: float = 1.0) -> str:
    """Style of an interval drawn to scale from 0; "" where there is nothing to draw."""
    if score.value is None or largest <= 0:
        return ""
    ends = ((score.value if end is None else end) / largest for end in (score.low, score.high, score.value))
    return bar_style(*(max(0.0, end) for end in ends))


def bar_style(low: float, high: float, value: float) -> str:
    """The three positions of a bar as shares of its width; never too thin to see."""
    return f"--low:{100 * low:.1f}%;--wide:{100 * max(high - low, 0.004):.1f}%;--value:{100 * value:.1f}%"
