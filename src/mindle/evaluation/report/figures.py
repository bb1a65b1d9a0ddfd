"""The figures: SVG with real text, in the page's colours, light and dark.

A figure is two scales, the axes that they span, and marks in the units of the data; every figure of every
page is drawn by them. Nothing here needs Matplotlib: importing it takes longer than drawing a whole report.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, floor, isfinite, log10
from typing import Any, TypeVar
from unicodedata import east_asian_width

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from mindle.evaluation.report.formatting import amount, percent

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]
Position = TypeVar("Position", float, Floats)

MOST_SERIES = 6
MOST_DOTS = 1_500  # more are drawn as squares of a grid: ten thousand dots make a slow page and a black blot
_MANY_POINTS = 500
_GRID = 60
_LONGEST = 24
_LOGARITHMIC = 1_000  # largest over smallest, from which a linear axis would show the largest only


# ---- elements ----------------------------------------------------------------------------------------------


def number(value: float) -> str:
    """A position in a picture, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def element(name: str, *children: str, **attributes: str | float | None) -> Markup:
    """An SVG element. `class_` reads "class", other underscores read as hyphens, None leaves one out.

    Example:
        >>> element("text", "1 < 2", x=3.14159, class_="axis")
        Markup('<text x="3.1" class="axis">1 &lt; 2</text>')
    """
    written = Markup("")
    for key, value in attributes.items():
        if value is not None:
            text = value if isinstance(value, str) else number(value)
            written += Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), text)
    return Markup("<{0}{1}>{2}</{0}>").format(name, written, Markup("").join(children))


def svg(
    width: float, height: float, *marks: str, title: str, description: str, class_: str | None = None
) -> Markup:
    """A figure with its name and description for those who do not see it; a "fixed" one keeps its size."""
    return element(
        "svg",
        element("title", title),
        element("desc", description),
        *marks,
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="img",
        class_=class_,
        width=width if class_ == "fixed" else None,
        height=height if class_ == "fixed" else None,
        style=None if class_ else f"max-width:{number(width / 16 * 1.15)}rem",
    )


def circles(across: Floats, down: Floats, radius: float, class_: str) -> Markup:
    """Dots at positions of the picture, in one colour."""
    dots = (
        f'<circle cx="{number(x)}" cy="{number(y)}" r="{radius:g}"></circle>'
        for x, y in zip(across.tolist(), down.tolist(), strict=True)
    )
    return element("g", Markup("".join(dots)), class_=class_)


def squares(corners: Floats, depths: NDArray[np.int64], side: float, class_: str) -> list[Markup]:
    """One path for each depth of colour, in tenths: ten thousand elements would make a page slow."""
    wide = number(side)
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


def _no_ticks() -> Mapping[float, str]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Scale:
    """One axis: its ends, its label, and the text at each tick."""

    low: float = 0.0
    high: float = 1.0
    label: str = ""
    ticks: Mapping[float, str] = field(default_factory=_no_ticks)

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
    return Scale(low=scale.high, high=scale.low, label=scale.label, ticks=scale.ticks)


def widened(values: Floats, fraction: float = 0.04) -> tuple[float, float]:
    """The range of values with a little room at both ends."""
    low, high = float(values.min()), float(values.max())
    spread = (high - low) or abs(high) or 1.0
    return low - fraction * spread, high + fraction * spread


def _fitting(values: Floats, label: str) -> Scale:
    """A scale that holds values of unknown kind."""
    low, high = float(values.min()), float(values.max())
    # What stands still should look still: no axis shows less than a fifth of the values' own size.
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

    def at(self, x: Position, y: Position) -> tuple[Position, Position]:
        """The position of a point, or of many, in the picture."""
        across = (x - self.x.low) / (self.x.high - self.x.low or 1) * (self.width - self.left - self.right)
        up = (y - self.y.low) / (self.y.high - self.y.low or 1) * (self.height - self.top - self.bottom)
        return self.left + across, self.height - self.bottom - up

    def line(self, xs: Any, ys: Any, class_: str) -> Markup:
        """A line through points, a lone point as a dot; what the eye could not tell apart is drawn once."""
        xs, ys = np.asarray(xs, np.float64), np.asarray(ys, np.float64)
        known = np.isfinite(xs) & np.isfinite(ys)
        across, down = self.at(xs[known], ys[known])
        fine = 10 if len(across) <= _MANY_POINTS else 2  # steps of a pixel
        corners = _thinned((np.stack([across, down], axis=1) * fine).round() / fine)  # (point, [x, y])
        if len(corners) == 1:
            return circles(corners[:, 0], corners[:, 1], 3, f"{class_} dot")
        path = "L".join(f"{number(x)} {number(y)}" for x, y in corners.tolist())
        return element("path", d=f"M{path}", class_=f"line {class_}") if path else Markup("")

    def area(self, xs: Any, ys: Any, class_: str) -> Markup:
        """A filled polygon."""
        across, down = self.at(np.asarray(xs, np.float64), np.asarray(ys, np.float64))
        corners = zip(across.tolist(), down.tolist(), strict=True)
        return element(
            "path", d=f"M{'L'.join(f'{number(x)} {number(y)}' for x, y in corners)}z", class_=class_
        )

    def spans(self, xs: Any, ys: Any, to_xs: Any, to_ys: Any, class_: str) -> Markup:
        """Straight pieces from the first points to the second."""
        ends = [np.atleast_1d(np.asarray(end, np.float64)) for end in (xs, ys, to_xs, to_ys)]
        across, down = self.at(ends[0], ends[1])
        to_across, to_down = self.at(ends[2], ends[3])
        pieces = np.stack([across, down, to_across, to_down], axis=1).tolist()
        path = "".join("M{} {}L{} {}".format(*map(number, piece)) for piece in pieces)
        return element("path", d=path, class_=class_)

    def dots(self, xs: Any, ys: Any, class_: str, radius: float = 3.4) -> Markup:
        """A dot at each point."""
        return circles(*self.at(np.asarray(xs, np.float64), np.asarray(ys, np.float64)), radius, class_)

    def cloud(self, xs: Floats, ys: Floats, near: Flags) -> Markup:
        """Dots, yellow where `near` holds and grey elsewhere; squares of a grid where there are too many."""
        if len(xs) <= MOST_DOTS:
            radius = 3.4 if len(xs) <= 300 else 2.6
            drawn = [
                self.dots(xs[each], ys[each], class_, radius)
                for class_, each in (("far", ~near), ("near", near))
            ]
            return element("g", *drawn, class_="cloud")
        side = (self.width - self.left - self.right) / _GRID
        cells = np.floor((np.stack(self.at(xs, ys), axis=1) - [self.left, self.top]) / side)  # (dot, [x, y])
        marks = []
        for class_, chosen in (("far", ~near), ("near", near)):
            if chosen.any():
                filled, counts = np.unique(cells[chosen], axis=0, return_counts=True)
                depths = np.clip(np.ceil(10 * np.sqrt(counts / counts.max())), 2, 10).astype(np.int64)
                marks += squares(filled * side + [self.left, self.top], depths, 0.92 * side, class_)
        return element("g", *marks, class_="squares")

    def bars(self, lows: Any, highs: Any, tops: Any, class_: str, *, gap: float = 1.0) -> Markup:
        """Upright bars from zero to each top; one below zero hangs down."""
        tops = np.asarray(tops, np.float64)
        starts, ends = (
            self.at(np.asarray(lows, np.float64), tops),
            self.at(np.asarray(highs, np.float64), 0 * tops),
        )
        drawn = [
            element(
                "rect",
                x=x0 + gap,
                y=min(top, base),
                width=max(0.6, x1 - x0 - 2 * gap),
                height=max(1.0, abs(base - top)),
            )
            for x0, x1, top, base in zip(starts[0], ends[0], starts[1], ends[1], strict=True)
        ]
        return element("g", *drawn, class_=class_)

    def texts(self, xs: Any, ys: Any, texts: Iterable[str], class_: str, *, above: float = 4) -> list[Markup]:
        """A text over each point."""
        across, down = self.at(np.asarray(xs, np.float64), np.asarray(ys, np.float64))
        return [
            element("text", text, x=x, y=y - above, text_anchor="middle", class_=class_)
            for x, y, text in zip(across, down, texts, strict=True)
        ]

    def drawn(self, *marks: str, title: str, description: str) -> Markup:
        """The axes with marks on them."""
        low, high = self.at(self.x.low, self.y.low), self.at(self.x.high, self.y.high)
        grid: list[Markup] = []
        for value, name in self.y.ticks.items():
            _, y = self.at(self.x.low, value)
            grid.append(element("path", d=f"M{number(low[0])} {number(y)}H{number(high[0])}", class_="grid"))
            grid.append(element("text", name, x=low[0] - 8, y=y + 4, text_anchor="end"))
        for value, name in self.x.ticks.items():
            x, _ = self.at(value, self.y.low)
            grid.append(element("path", d=f"M{number(x)} {number(low[1])}v4", class_="grid"))
            grid.append(element("text", name, x=x, y=low[1] + 18, text_anchor="middle"))
        middle = (low[1] + high[1]) / 2
        centred = {"text_anchor": "middle", "class_": "axis"}
        labels = [
            element("text", self.x.label, x=(low[0] + high[0]) / 2, y=self.height - 6, **centred),
            element(
                "text", self.y.label, x=11, y=middle, transform=f"rotate(-90 11 {number(middle)})", **centred
            ),
        ]
        return svg(self.width, self.height, *grid, *marks, *labels, title=title, description=description)


def _thinned(corners: Floats) -> Floats:
    """Without points that lie where the one before lies, or straight between their neighbours."""
    if len(corners) < 3:
        return (
            np.unique(corners, axis=0) if len(corners) == 2 and (corners[0] == corners[1]).all() else corners
        )
    moved = np.append(True, (np.diff(corners, axis=0) != 0).any(axis=1))
    corners = corners[moved]
    before, after = np.diff(corners[:-1], axis=0), np.diff(corners[1:], axis=0)
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    return corners[np.concatenate([[True], turns, [True]])] if len(corners) > 2 else corners


# ---- figures that others describe as data ------------------------------------------------------------------


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
    names = _names_of_positions(str(figure["x"]), series)
    written = percent if percentages else amount
    texts = {"title": str(figure["title"]), "description": _described(series, names, written)}
    if names:
        return _bars(series, names, str(figure["y"]), texts)
    styles = {shortened(name): style for name, style in (styles or {}).items()}
    return _lines(series, (str(figure["x"]), str(figure["y"])), texts, styles, percentages=percentages)


def _names_of_positions(label: str, series: Mapping[str, Sequence[tuple[Any, float]]]) -> dict[Any, str]:
    """What each position along the x axis is called; nothing where positions are numbers."""
    found = list(dict.fromkeys(x for points in series.values() for x, _ in points))
    if any(isinstance(x, str) for x in found):
        return {x: str(x) for x in found}
    pairs = [re.fullmatch(r"(\d+) (.+)", piece.strip()) for piece in label.split(",")]
    named = {int(pair[1]): pair[2] for pair in pairs if pair}
    return {x: named[int(x)] for x in found} if found and all(x in named for x in found) else {}


def _described(
    series: Mapping[str, Sequence[tuple[Any, float]]],
    names: Mapping[Any, str],
    written: Callable[[float], str],
) -> str:
    """Each series by its last value, or by all of them where they are few."""
    described = []
    for name, points in series.items():
        values = [f"{names[x]} {written(y)}" for x, y in points] if names else [written(points[-1][1])]
        described.append(f"{name}: {', '.join(values)}")
    return "; ".join(described)


def _lines(
    series: Mapping[str, Sequence[tuple[Any, float]]],
    labels: tuple[str, str],
    texts: Mapping[str, str],
    styles: Mapping[str, str],
    *,
    percentages: bool,
) -> Markup:
    points = {name: np.array(pairs, np.float64) for name, pairs in series.items()}  # (point, [x, y])
    every = np.concatenate(list(points.values())) if points else np.zeros((1, 2))
    lowest, highest = float(every[:, 1].min()), float(every[:, 1].max())
    if percentages:
        y = shares(labels[1], low=min(0.95, max(0.0, floor(lowest * 20) / 20)))
    elif lowest > 0 and highest / lowest >= _LOGARITHMIC:
        y = _logarithmic(every[:, 1], labels[1])
        points = {name: np.stack([each[:, 0], np.log10(each[:, 1])], axis=1) for name, each in points.items()}
    else:
        y = _fitting(every[:, 1], labels[1])
    styles = {**line_styles(points), **styles}
    widest = max((text_width(name) for name in points), default=0)
    axes = Axes(
        x=_steps(every[:, 0], labels[0]),
        y=y,
        right=widest + 14,
        width=480 + widest // 2,
        height=290,
    )
    marks, ends = [], []
    for name in sorted(points, key=lambda name: styles[name] in ("marked", "val")):  # the yellow one on top
        each = points[name][np.argsort(points[name][:, 0], kind="stable")]
        marks.append(axes.line(each[:, 0], each[:, 1], styles[name]))
        across, down = axes.at(float(each[-1, 0]), float(each[-1, 1]))
        ends.append((down, across, name))
    return axes.drawn(*marks, *end_labels(ends, styles), **texts)


def _steps(xs: Floats, label: str) -> Scale:
    """A scale of steps and epochs: no half of one where all are whole."""
    scale = amounts(float(xs.min()), float(xs.max()), label)
    if (xs % 1 != 0).any():
        return scale
    whole = {at: text for at, text in scale.ticks.items() if at % 1 == 0}
    return Scale(low=scale.low, high=scale.high, label=label, ticks=whole)


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


def end_labels(ends: Sequence[tuple[float, float, str]], styles: Mapping[str, str]) -> list[Markup]:
    """Names at the ends of lines, kept from lying on each other: (y, x, name) each."""
    marks, lowest = [], -100.0
    for y, x, name in sorted(ends):
        lowest = max(y + 4, lowest + 15)
        style = set(styles[name].split())
        classes = ["label", *(["val"] if style & {"marked", "val"} else []), *(style & {"faint"})]
        marks.append(element("text", name, x=x + 7, y=lowest, class_=" ".join(classes)))
    return marks


def _bars(
    series: Mapping[str, Sequence[tuple[Any, float]]],
    names: Mapping[Any, str],
    label: str,
    texts: Mapping[str, str],
) -> Markup:
    values = np.array([y for points in series.values() for _, y in points])
    axes = Axes(
        x=named(shortened(name, 18) for name in names.values()),
        y=amounts(min(0.0, 1.12 * float(values.min())), max(0.0, 1.12 * float(values.max())), label),
        top=12 if len(series) == 1 else 34,
        bottom=34,
        width=480,
        height=290,
    )
    across = axes.at(1.0, 0.0)[0] - axes.at(0.0, 0.0)[0]
    wide = min(54.0, 0.7 * across / len(series)) / across
    positions = {x: at for at, x in enumerate(names)}
    marks: list[Markup] = []
    for at, points in enumerate(series.values()):
        middles = np.array([positions[x] for x, _ in points]) + (at - (len(series) - 1) / 2) * wide
        tops = np.array([y for _, y in points])
        marks.append(axes.bars(middles - wide / 2, middles + wide / 2, tops, _bar_class(at)))
        if len(series) * len(names) <= 12:
            for x, y in zip(middles, tops, strict=True):
                marks += axes.texts([x], [y], [amount(y)], "small", above=5 if y >= 0 else -13)
    if len(series) > 1:
        marks += _legend(list(series), axes)
    marks.append(axes.spans(axes.x.low, 0.0, axes.x.high, 0.0, "grid"))
    return axes.drawn(*marks, **texts)


def _bar_class(at: int) -> str:
    return "bar-own" if at == 0 else f"bar-other n{at}"


def _legend(names: Sequence[str], axes: Axes) -> list[Markup]:
    """Names of the series above the bars, each after a square of its colour."""
    marks, x = [], float(axes.left)
    for at, name in enumerate(names):
        marks.append(element("rect", x=x, y=8.0, width=11.0, height=11.0, class_=_bar_class(at)))
        marks.append(element("text", name, x=x + 16, y=18.0, class_="axis"))
        x += 32 + text_width(name, 12)
    return marks
