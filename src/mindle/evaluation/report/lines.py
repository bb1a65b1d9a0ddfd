"""Figures that others describe as data: lines and bars of named series, with each name at its end."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from math import ceil, floor, isfinite, log10
from typing import Any
from unicodedata import east_asian_width

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.report.markup import Html, tag
from mindle.evaluation.report.plots import Axes, number, ticks
from mindle.evaluation.report.words import amount

Floats = NDArray[np.float64]

MOST_SERIES = 6
_LONGEST = 24
_LOGARITHMIC = 1_000  # largest over smallest, from which a linear axis would show the largest only


def series_figure(
    figure: Mapping[str, Any],
    *,
    styles: Mapping[str, str] | None = None,
    percent: bool = False,
    width: int = 480,
    height: int = 290,
) -> Html:
    """Draw {"title", "x", "y", "series": {name: [[x, y], …]}}.

    Places named by words, as x values or in the x label ("0 training, 1 validation"), become bars; all else
    is lines. A series of one value throughout is a dashed line to hold others against. Where all values are
    positive and far apart, the axis is logarithmic.

    Args:
        figure: What to draw; the first few series where there are many.
        styles: Classes of lines by name, where those of `line_styles` do not suit.
        percent: Whether values are shares.
        width: Of the picture, which grows by half of the longest name.
        height: Of the picture.

    Example:
        >>> drawing = series_figure({"title": "Loss", "x": "step", "y": "loss",
        ...                          "series": {"train": [[1, 0.7], [2, 0.6]]}})
        >>> "<title>Loss</title>" in drawing
        True
    """
    series = {
        shortened(str(name)): [(x, float(y)) for x, y in points if y is not None and isfinite(float(y))]
        for name, points in list(figure["series"].items())[:MOST_SERIES]
    }
    series = {name: points for name, points in series.items() if points}
    names = _places(str(figure["x"]), series)
    texts = {"title": str(figure["title"]), "description": _described(series, names)}
    if names:
        return _bars(series, names, str(figure["y"]), texts, width, height)
    labels = (str(figure["x"]), str(figure["y"]))
    styles = {shortened(name): style for name, style in (styles or {}).items()}
    return _lines(series, labels, texts, styles, (width, height), percent=percent)


def shortened(text: str, most: int = _LONGEST) -> str:
    """A name that still fits beside a figure."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def text_width(text: str, size: float = 12.5) -> int:
    """About how many pixels a text takes; letters of East Asia are about twice as wide."""
    letters = sum(1.75 if east_asian_width(letter) in "WF" else 1.0 for letter in text)
    return ceil(letters * size * 0.56)


def _places(label: str, series: Mapping[str, Sequence[tuple[Any, float]]]) -> dict[Any, str]:
    """What each place along the x axis is called; nothing where places are numbers."""
    found = list(dict.fromkeys(x for points in series.values() for x, _ in points))
    if any(isinstance(x, str) for x in found):
        return {x: str(x) for x in found}
    pairs = [re.fullmatch(r"(\d+) (.+)", piece.strip()) for piece in label.split(",")]
    named = {int(pair[1]): pair[2] for pair in pairs if pair}
    return {x: named[int(x)] for x in found} if found and all(x in named for x in found) else {}


def _described(series: Mapping[str, Sequence[tuple[Any, float]]], names: Mapping[Any, str]) -> str:
    """Each series by its last value, or by all of them where they are few."""
    told = []
    for name, points in series.items():
        if names:
            told.append(f"{name}: " + ", ".join(f"{names[x]} {amount(y)}" for x, y in points))
        else:
            told.append(f"{name}: {amount(points[-1][1])}")
    return "; ".join(told)


# ---- lines -------------------------------------------------------------------------------------------------


def _lines(
    series: Mapping[str, Sequence[tuple[Any, float]]],
    labels: tuple[str, str],
    texts: Mapping[str, str],
    styles: Mapping[str, str],
    size: tuple[int, int],
    *,
    percent: bool,
) -> Html:
    points = {name: np.array(pairs, np.float64) for name, pairs in series.items()}  # (point, [x, y])
    every = np.concatenate(list(points.values())) if points else np.zeros((1, 2))
    low, high, y_names = (0.0, 1.0, None) if percent else _range(every[:, 1])
    if percent:
        low = max(0.0, floor(float(every[:, 1].min()) * 20) / 20)
        low = low if low < high else 0.0
    if y_names is not None:
        points = {name: np.stack([each[:, 0], np.log10(each[:, 1])], axis=1) for name, each in points.items()}
    first, last = float(every[:, 0].min()), float(every[:, 0].max())
    styles = {**line_styles(points), **styles}
    widest = max((text_width(name) for name in points), default=0)
    axes = Axes(
        x=(first, last if last > first else first + 1),
        y=(low, high),
        x_label=labels[0],
        y_label=labels[1],
        x_percent=False,
        y_percent=percent,
        y_names=y_names,
        x_names=_whole(first, last) if (every[:, 0] % 1 == 0).all() else None,
        amounts=not percent,
        left=30 + max(text_width(name, 12) for name in (y_names or _written(low, high)).values()),
        right=widest + 14,
        width=size[0] + widest // 2,
        height=size[1],
    )
    marks, ends = [], []
    for name in sorted(points, key=lambda name: styles[name] in ("marked", "val")):  # the yellow one on top
        each = points[name]
        order = np.argsort(each[:, 0], kind="stable")
        marks.append(axes.line(each[order, 0], each[order, 1], styles[name]))
        x, y = axes.at(float(each[order[-1], 0]), float(each[order[-1], 1]))
        ends.append((y, x, name))
    marks += end_labels(ends, styles)
    return axes.drawn(*marks, **texts)


def line_styles(points: Mapping[str, Floats]) -> dict[str, str]:
    """How each line is drawn: validation yellow, training grey, constants dashed, else the first yellow."""
    styles: dict[str, str] = {}
    left = ["marked", "second", "other", "other", "other", "other"]
    for name, each in points.items():
        if len(each) > 1 and (each[:, 1] == each[0, 1]).all() and len(points) > 1:
            styles[name] = "guess"
        elif name.lower().startswith(("train", "val")):
            styles[name] = "val" if name.lower().startswith("val") else "train"
            left = [style for style in left if style not in ("marked", "second")] + ["other", "other"]
        else:
            styles[name] = left.pop(0)
    return styles


def end_labels(ends: Sequence[tuple[float, float, str]], styles: Mapping[str, str]) -> list[Html]:
    """Names at the ends of lines, kept from lying on each other: (y, x, name) each."""
    marks, lowest = [], -100.0
    for y, x, name in sorted(ends):
        lowest = max(y + 4, lowest + 15)
        style = styles[name].split()
        told = [more for more, has in (("val", {"marked", "val"}), ("faint", {"faint"})) if has & set(style)]
        marks.append(tag("text", name, x=x + 7, y=lowest, class_=" ".join(["label", *told])))
    return marks


def _range(values: Floats) -> tuple[float, float, dict[float, str] | None]:
    """Ends of the y axis, and its ticks where it is logarithmic."""
    low, high = float(values.min()), float(values.max())
    if low > 0 and high / low >= _LOGARITHMIC:
        first, last = floor(log10(low)), ceil(log10(high))
        step = max(1, ceil((last - first) / 6))
        return first, last, {float(power): amount(10.0**power) for power in range(first, last + 1, step)}
    # What stands still should look still: no axis shows less than a fifth of the values' own size.
    spread = max(high - low, 0.2 * max(abs(high), abs(low)))
    if 0 <= low <= 2 * spread:
        low = 0.0
    else:
        middle = (low + high) / 2
        low, high = min(low, middle - spread / 2), max(high, middle + spread / 2)
        low -= 0.06 * spread
    high = high + 0.06 * (high - low)
    return low, high if high > low else low + 1, None


def _written(low: float, high: float) -> dict[float, str]:
    return {tick: amount(tick) for tick in ticks(low, high if high > low else low + 1)}


def _whole(first: float, last: float) -> dict[float, str]:
    """Ticks of steps and epochs: no half of one."""
    return {tick: amount(tick) for tick in ticks(first, max(last, first + 1)) if tick % 1 == 0}


# ---- bars --------------------------------------------------------------------------------------------------


def _bars(
    series: Mapping[str, Sequence[tuple[Any, float]]],
    names: Mapping[Any, str],
    y_label: str,
    texts: Mapping[str, str],
    width: int,
    height: int,
) -> Html:
    values = np.array([y for points in series.values() for _, y in points])
    low, high = min(0.0, float(values.min()) * 1.12), max(0.0, float(values.max()) * 1.12)
    places = {x: at for at, x in enumerate(names)}
    axes = Axes(
        x=(-0.5, len(places) - 0.5),
        y=(low, high if high > low else low + 1),
        y_label=y_label,
        x_percent=False,
        y_percent=False,
        x_names={float(at): shortened(names[x], 18) for x, at in places.items()},
        amounts=True,
        left=30 + max(text_width(name, 12) for name in _written(low, high).values()),
        top=12 if len(series) == 1 else 34,
        bottom=34,
        width=width,
        height=height,
    )
    across = axes.at(1.0, 0.0)[0] - axes.at(0.0, 0.0)[0]
    wide = min(54.0, 0.7 * across / len(series))
    marks: list[Html] = []
    for at, points in enumerate(series.values()):
        shift = (at - (len(series) - 1) / 2) * wide
        class_ = "bar-own" if at == 0 else f"bar-other n{at}"
        for x, y in points:
            middle, top = axes.at(float(places[x]), y)
            _, base = axes.at(0.0, 0.0)
            marks.append(
                tag(
                    "rect",
                    x=middle + shift - wide / 2 + 1,
                    y=min(top, base),
                    width=wide - 2,
                    height=max(1.0, abs(base - top)),
                    class_=class_,
                )
            )
            if len(series) * len(places) <= 12:
                above = top - 5 if y >= 0 else top + 13
                marks.append(
                    tag("text", amount(y), x=middle + shift, y=above, text_anchor="middle", class_="small")
                )
    if len(series) > 1:
        marks += _legend(list(series), axes)
    zero = axes.at(0.0, 0.0)[1]
    marks.append(
        tag("path", d=f"M{number(axes.left)} {number(zero)}H{number(width - axes.right)}", class_="grid")
    )
    return axes.drawn(*marks, **texts)


def _legend(names: Sequence[str], axes: Axes) -> list[Html]:
    """Names of the series above the bars, each after a square of its colour."""
    marks, x = [], float(axes.left)
    for at, name in enumerate(names):
        class_ = "bar-own" if at == 0 else f"bar-other n{at}"
        marks.append(tag("rect", x=x, y=8.0, width=11.0, height=11.0, class_=class_))
        marks.append(tag("text", name, x=x + 16, y=18.0, class_="axis"))
        x += 32 + text_width(name, 12)
    return marks
