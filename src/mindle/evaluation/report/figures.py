"""The figures: SVG with real text, in the page's colours, light and dark.

A figure is two scales, the axes that they span, and marks in the units of the data; every figure of every
page is drawn by them. Nothing here needs Matplotlib: importing it takes longer than drawing a whole report.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import ceil, floor, isfinite, log10
from typing import Any
from unicodedata import east_asian_width

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

from mindle.evaluation.report.formatting import amount, percent, position
from mindle.evaluation.report.rendering import render

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MOST_SERIES = 6
MOST_DOTS = 1_500  # more are drawn as squares of a grid: ten thousand dots make a slow page and a black blot
_MANY_POINTS = 500
_GRID = 60
_LONGEST = 24
_LOGARITHMIC = 1_000  # largest over smallest, from which a linear axis would show the largest only


# ---- elements ----------------------------------------------------------------------------------------------


def element(name: str, *children: str, **attributes: str | float | None) -> Markup:
    """An SVG element. `class_` reads "class", other underscores read as hyphens, None leaves one out.

    Example:
        >>> element("text", "1 < 2", x=3.14159, class_="axis")
        Markup('<text x="3.1" class="axis">1 &lt; 2</text>')
    """
    written = Markup("")
    for key, value in attributes.items():
        if value is not None:
            text = value if isinstance(value, str) else position(value)
            written += Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), text)
    return Markup("<{0}{1}>{2}</{0}>").format(name, written, Markup("").join(children))


def circles(across: Floats, down: Floats, radius: float, class_: str) -> Markup:
    """Dots at positions of the picture, in one colour."""
    dots = (
        f'<circle cx="{position(x)}" cy="{position(y)}" r="{radius:g}"></circle>'
        for x, y in zip(across.tolist(), down.tolist(), strict=True)
    )
    return element("g", Markup("".join(dots)), class_=class_)


def squares(corners: Floats, depths: NDArray[np.int64], side: float, class_: str) -> list[Markup]:
    """One path for each depth of colour, in tenths: ten thousand elements would make a page slow."""
    wide = position(side)
    return [
        element(
            "path",
            d="".join(
                f"M{x:.1f} {y:.1f}h{wide}v{wide}h-{wide}z" for x, y in corners[depths == depth].tolist()
            ),
            class_=class_,
            fill_opacity=depth / 10,
        )
        for depth in np.unique(depths).tolist()
    ]


def shortened(text: str, most: int = _LONGEST) -> str:
    """A name that still fits beside a figure."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def text_width(text: str, size: float = 12.5) -> int:
    """About how many pixels a text takes; letters of East Asia are about twice as wide."""
    letters = sum(1.75 if east_asian_width(letter) in "WF" else 1.0 for letter in text)
    return ceil(letters * size * 0.56)


# ---- scales ------------------------------------------------------------------------------------------------


def ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Round numbers that divide [low, high].

    Example:
        >>> ticks(0, 50)
        [0.0, 10.0, 20.0, 30.0, 40.0, 50.0]
    """
    raw = (high - low) / max(1, most - 1)
    if raw <= 0:
        return [low]
    scale = 10.0 ** floor(log10(raw))
    step = next(scale * nice for nice in (1, 2, 2.5, 5, 10) if scale * nice >= raw * 0.999)
    first = ceil(low / step - 1e-9)
    return [round(at * step, 12) for at in range(first, floor(high / step + 1e-9) + 1)]


@dataclass(frozen=True, kw_only=True)
class Scale:
    """One axis: its ends, its label, and the text at each tick."""

    low: float = 0.0
    high: float = 1.0
    label: str = ""
    ticks: Mapping[float, str] = field(default_factory=dict)

    @property
    def room(self) -> int:
        """How many pixels an upright axis takes for its label and its ticks."""
        return (30 if self.label else 14) + max(
            (text_width(text, 12) for text in self.ticks.values()), default=0
        )


def shares(label: str = "", *, low: float = 0.0) -> Scale:
    """A scale of percentages up to 100 %."""
    return Scale(low=low, label=label, ticks={at: f"{100 * at:.0f}%" for at in ticks(low, 1.0)})


def amounts(
    low: float, high: float, label: str = "", *, most: int = 6, written: Callable[[float], str] = amount
) -> Scale:
    """A scale of quantities."""
    high = high if high > low else low + 1
    return Scale(low=low, high=high, label=label, ticks={at: written(at) for at in ticks(low, high, most)})


def named(names: Iterable[str], *, label: str = "") -> Scale:
    """A scale with a name at each whole number from 0."""
    at_each = {float(at): name for at, name in enumerate(names)}
    return Scale(low=-0.5, high=len(at_each) - 0.5, label=label, ticks=at_each)


def downwards(scale: Scale) -> Scale:
    """The same scale with its first value at the top."""
    return replace(scale, low=scale.high, high=scale.low)


def widened(values: Floats, fraction: float = 0.04) -> tuple[float, float]:
    """The range of values with a little room at both ends."""
    low, high = float(values.min()), float(values.max())
    spread = (high - low) or abs(high) or 1.0
    return low - fraction * spread, high + fraction * spread


def _fitting(values: Floats, label: str) -> Scale:
    """A scale that holds values of unknown kind."""
    low, high = float(values.min()), float(values.max())
    # What stands still should look still: no axis shows less than a fifth of the values' size.
    spread = max(high - low, 0.2 * max(abs(high), abs(low)))
    if 0 <= low <= 2 * spread:
        low = 0.0
    else:
        middle = (low + high) / 2
        low, high = min(low, middle - spread / 2) - 0.06 * spread, max(high, middle + spread / 2)
    return amounts(low, high + 0.06 * (high - low), label)


def _logarithmic(values: Floats, label: str) -> Scale:
    """A scale of powers of ten; what is drawn on it is the logarithm."""
    first, last = floor(log10(values.min())), ceil(log10(values.max()))
    powers = range(first, last + 1, max(1, ceil((last - first) / 6)))
    return Scale(low=first, high=last, label=label, ticks={float(at): amount(10.0**at) for at in powers})


# ---- axes and marks ----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Axes:
    """A plane between two scales; its methods draw marks whose positions are in the units of the data."""

    x: Scale
    y: Scale
    width: float = 420
    height: float = 340
    margin: int = 0  # on the left; 0 takes what the scale needs
    right: int = 18
    top: int = 12
    bottom: int = 46

    @cached_property
    def left(self) -> int:
        """Where the plane begins."""
        return self.margin or self.y.room

    def at(self, x: ArrayLike, y: ArrayLike) -> tuple[Floats, Floats]:
        """The position of a point, or of many, in the picture."""
        across = (np.asarray(x, np.float64) - self.x.low) / (self.x.high - self.x.low or 1)
        up = (np.asarray(y, np.float64) - self.y.low) / (self.y.high - self.y.low or 1)
        right, floor = self.width - self.right, self.height - self.bottom
        return self.left + across * (right - self.left), floor - up * (floor - self.top)

    def line(self, xs: ArrayLike, ys: ArrayLike, class_: str) -> Markup:
        """A line through points, a lone point as a dot; what the eye could not tell apart is drawn once."""
        corners = np.stack(self.at(xs, ys), axis=1)  # (point, [x, y])
        corners = corners[np.isfinite(corners).all(axis=1)]
        fine = 10 if len(corners) <= _MANY_POINTS else 2  # steps of a pixel
        corners = _thinned((corners * fine).round() / fine)
        if len(corners) == 1:
            return circles(corners[:, 0], corners[:, 1], 3, f"{class_} dot")
        path = "L".join(f"{position(x)} {position(y)}" for x, y in corners.tolist())
        return element("path", d=f"M{path}", class_=f"line {class_}") if path else Markup("")

    def area(self, xs: ArrayLike, ys: ArrayLike, class_: str) -> Markup:
        """A filled polygon."""
        corners = np.stack(self.at(xs, ys), axis=1).tolist()
        path = "L".join(f"{position(x)} {position(y)}" for x, y in corners)
        return element("path", d=f"M{path}z", class_=class_)

    def spans(self, xs: ArrayLike, ys: ArrayLike, to_xs: ArrayLike, to_ys: ArrayLike, class_: str) -> Markup:
        """Straight pieces from the first points to the second."""
        ends = np.broadcast_arrays(*self.at(xs, ys), *self.at(to_xs, to_ys))
        pieces = np.stack(ends, axis=-1).reshape(-1, 4).tolist()
        path = "".join("M{} {}L{} {}".format(*map(position, piece)) for piece in pieces)
        return element("path", d=path, class_=class_)

    def dots(self, xs: ArrayLike, ys: ArrayLike, class_: str, radius: float = 3.4) -> Markup:
        """A dot at each point."""
        return circles(*self.at(xs, ys), radius, class_)

    def cloud(self, xs: Floats, ys: Floats, near: Flags) -> Markup:
        """Dots, yellow where `near` holds and grey elsewhere; squares of a grid where there are too many."""
        sides = (("far", ~near), ("near", near))
        if len(xs) <= MOST_DOTS:
            radius = 3.4 if len(xs) <= 300 else 2.6
            drawn = [self.dots(xs[some], ys[some], class_, radius) for class_, some in sides]
            return element("g", *drawn, class_="cloud")
        side, origin = (self.width - self.left - self.right) / _GRID, np.array([self.left, self.top])
        cells = np.floor((np.stack(self.at(xs, ys), axis=1) - origin) / side)  # (dot, [x, y])
        marks = []
        for class_, some in sides:
            filled, counts = np.unique(cells[some], axis=0, return_counts=True)
            depths = np.clip(np.ceil(10 * np.sqrt(counts / counts.max(initial=1))), 2, 10).astype(np.int64)
            marks += squares(filled * side + origin, depths, 0.92 * side, class_)
        return element("g", *marks, class_="squares")

    def bars(
        self, lows: ArrayLike, highs: ArrayLike, tops: ArrayLike, class_: str, *, gap: float = 1.0
    ) -> Markup:
        """Upright bars from zero to each top; one below zero hangs down."""
        lefts, ends = self.at(lows, tops)
        rights, bases = self.at(highs, np.zeros_like(ends))
        tall, upper = np.maximum(1.0, np.abs(bases - ends)), np.minimum(ends, bases)
        wide = np.maximum(0.6, rights - lefts - 2 * gap)
        places = zip((lefts + gap).tolist(), upper.tolist(), wide.tolist(), tall.tolist(), strict=True)
        drawn = [element("rect", x=x, y=y, width=width, height=height) for x, y, width, height in places]
        return element("g", *drawn, class_=class_)

    def texts(
        self, xs: ArrayLike, ys: ArrayLike, texts: Iterable[str], class_: str, *, above: ArrayLike = 4
    ) -> list[Markup]:
        """A text over each point, so many pixels higher."""
        across, down = self.at(xs, ys)
        return [
            element("text", text, x=x, y=y, text_anchor="middle", class_=class_)
            for x, y, text in zip(across, down - np.asarray(above), texts, strict=True)
        ]

    def drawn(self, *marks: str, title: str, description: str) -> Markup:
        """The axes with marks on them."""
        return render("figures/axes.html", axes=self, marks=marks, title=title, description=description)


def _thinned(corners: Floats) -> Floats:
    """Without points that lie where the one before lies, or straight between their neighbours."""
    moved = np.append(True, (np.diff(corners, axis=0) != 0).any(axis=1))
    corners = corners[moved[: len(corners)]]
    if len(corners) < 3:
        return corners
    before, after = np.diff(corners[:-1], axis=0), np.diff(corners[1:], axis=0)
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    bends: Floats = corners[np.concatenate([[True], turns, [True]])]
    return bends


# ---- figures that others describe as data ------------------------------------------------------------------

Series = Mapping[str, Sequence[tuple[Any, float]]]  # name to its points


def series_figure(
    figure: Mapping[str, Any], *, styles: Mapping[str, str] | None = None, percentages: bool = False
) -> Markup:
    """Draw {"title", "x", "y", "series": {name: [[x, y], …]}}: lines or bars, with each name at its end.

    Positions that have names, as x values or in the x label ("0 training, 1 validation"), become bars; all
    else is lines. A series of one value throughout is a dashed line to compare others with. Where all values
    are positive and far apart, the axis is logarithmic.

    Args:
        figure: What to draw; the first few series where there are many.
        styles: Classes of lines by name, where those of `line_styles` do not suit.
        percentages: Whether values are shares.

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
    title, x, y = (str(figure[name]) for name in ("title", "x", "y"))
    names = _names_of_positions(x, series)
    texts = {"title": title, "description": _described(series, names, percent if percentages else amount)}
    if names:
        return _bars(series, names, y, texts)
    points = {name: np.array(pairs, np.float64) for name, pairs in series.items()}  # (point, [x, y])
    chosen = {shortened(name): style for name, style in (styles or {}).items()}
    return _lines(points, (x, y), texts, {**line_styles(points), **chosen}, percentages=percentages)


def _names_of_positions(label: str, series: Series) -> dict[Any, str]:
    """What each position along the x axis is called; nothing where positions are numbers."""
    found = list(dict.fromkeys(x for points in series.values() for x, _ in points))
    if any(isinstance(x, str) for x in found):
        return {x: str(x) for x in found}
    known = {int(at): name for at, name in re.findall(r"(?:^|,)\s*(\d+) ([^,]+)", label)}
    return {x: known[int(x)] for x in found} if found and all(x in known for x in found) else {}


def _described(series: Series, names: Mapping[Any, str], written: Callable[[float], str]) -> str:
    """Each series by its last value, or by all of them where they are few."""
    described = []
    for name, points in series.items():
        values = [f"{names[x]} {written(y)}" for x, y in points] if names else [written(points[-1][1])]
        described.append(f"{name}: {', '.join(values)}")
    return "; ".join(described)


def _lines(
    points: dict[str, Floats],
    labels: tuple[str, str],
    texts: Mapping[str, str],
    styles: Mapping[str, str],
    *,
    percentages: bool,
) -> Markup:
    xs, ys = np.concatenate([*points.values()] or [np.zeros((1, 2))]).T
    lowest, highest = float(ys.min()), float(ys.max())
    if percentages:
        y = shares(labels[1], low=min(0.95, max(0.0, floor(lowest * 20) / 20)))
    elif lowest > 0 and highest / lowest >= _LOGARITHMIC:
        y = _logarithmic(ys, labels[1])
        points = {name: np.stack([each[:, 0], np.log10(each[:, 1])], axis=1) for name, each in points.items()}
    else:
        y = _fitting(ys, labels[1])
    widest = max((text_width(name) for name in points), default=0)
    axes = Axes(x=_steps(xs, labels[0]), y=y, right=widest + 14, width=480 + widest // 2, height=290)
    marks, ends = [], []
    for name in sorted(points, key=lambda name: styles[name] in ("marked", "val")):  # the yellow one on top
        each = points[name][np.argsort(points[name][:, 0], kind="stable")]
        marks.append(axes.line(each[:, 0], each[:, 1], styles[name]))
        across, down = axes.at(*each[-1])
        ends.append((float(down), float(across), name))
    return axes.drawn(*marks, *end_labels(ends, styles), **texts)


def _steps(xs: Floats, label: str) -> Scale:
    """A scale of steps and epochs: no half of one where all are whole."""
    scale, whole = amounts(float(xs.min()), float(xs.max()), label), not (xs % 1).any()
    return replace(scale, ticks={at: text for at, text in scale.ticks.items() if at % 1 == 0 or not whole})


def line_styles(points: Mapping[str, Floats]) -> dict[str, str]:
    """How each line is drawn: validation yellow, training grey, constants dashed, else the first yellow."""
    constant = {
        name: "guess"
        for name, each in points.items()
        if len(points) > 1 and len(each) > 1 and np.ptp(each[:, 1]) == 0
    }
    splits = {name: split for name in points for split in ("train", "val") if name.lower().startswith(split)}
    others = iter(() if splits else ("marked", "second"))
    return {name: constant.get(name) or splits.get(name) or next(others, "other") for name in points}


def end_labels(ends: Sequence[tuple[float, float, str]], styles: Mapping[str, str]) -> list[Markup]:
    """Names at the ends of lines, moved apart where they would overlap: (y, x, name) each."""
    marks, lowest = [], -100.0
    for y, x, name in sorted(ends):
        lowest = max(y + 4, lowest + 15)
        style = set(styles[name].split())
        classes = ["label", *(["val"] if style & {"marked", "val"} else []), *(style & {"faint"})]
        marks.append(element("text", name, x=x + 7, y=lowest, class_=" ".join(classes)))
    return marks


def _bars(series: Series, names: Mapping[Any, str], label: str, texts: Mapping[str, str]) -> Markup:
    found = [dict(points) for points in series.values()]
    values = np.array([[each.get(x, np.nan) for x in names] for each in found])  # (series, position)
    low, high = 1.12 * float(np.nanmin(values)), 1.12 * float(np.nanmax(values))
    axes = Axes(
        x=named(shortened(name, 18) for name in names.values()),
        y=amounts(min(0.0, low), max(0.0, high), label),
        top=12 if len(series) == 1 else 34,
        bottom=34,
        width=480,
        height=290,
    )
    across = float(axes.at(1.0, 0.0)[0] - axes.at(0.0, 0.0)[0])
    wide = min(54.0, 0.7 * across / len(series)) / across
    marks = _legend(list(series), axes) if len(series) > 1 else []
    for at, row in enumerate(values):
        known = np.flatnonzero(np.isfinite(row))
        middles, tops = known + (at - (len(series) - 1) / 2) * wide, row[known]
        marks.append(axes.bars(middles - wide / 2, middles + wide / 2, tops, _bar_class(at)))
        if values.size <= 12:
            marks += axes.texts(middles, tops, map(amount, tops), "small", above=np.where(tops >= 0, 5, -13))
    return axes.drawn(*marks, axes.spans(axes.x.low, 0.0, axes.x.high, 0.0, "grid"), **texts)


def _bar_class(at: int) -> str:
    return "bar-main" if at == 0 else f"bar-other n{at}"


def _legend(names: Sequence[str], axes: Axes) -> list[Markup]:
    """Names of the series above the bars, each after a square of its colour."""
    marks, x = [], float(axes.left)
    for at, name in enumerate(names):
        marks.append(element("rect", x=x, y=8.0, width=11.0, height=11.0, class_=_bar_class(at)))
        marks.append(element("text", name, x=x + 16, y=18.0, class_="axis"))
        x += 32 + text_width(name, 12)
    return marks
