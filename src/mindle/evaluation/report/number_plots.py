"""The figures of a report on numbers: estimates against truths, errors, intervals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.report.lines import text_width
from mindle.evaluation.report.markup import Html, tag
from mindle.evaluation.report.plots import Axes, number, ticks
from mindle.evaluation.report.words import Words, amount, count, decimal

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

MOST_DOTS = 1_500  # more are drawn as squares of a grid: ten thousand dots make a slow page and a black blot
MOST_INTERVALS = 80
_GRID = 60


def room(ends: tuple[float, float]) -> int:
    """How many pixels the labels of an axis from one end to the other take."""
    return 30 + max(text_width(amount(tick), 12) for tick in ticks(*ends))


def widened(values: Floats, share: float = 0.04) -> tuple[float, float]:
    """The range of values with a little room at both ends."""
    low, high = float(values.min()), float(values.max())
    spread = (high - low) or abs(high) or 1.0
    return low - share * spread, high + share * spread


def agreement_figure(
    values: Floats, targets: Floats, limit: float, unit: str, correlation: float | None, words: Words
) -> Html:
    """Estimates against truths on one scale, with the line of no error and a band of errors up to `limit`."""
    ends = widened(np.concatenate([values, targets]))
    left = room(ends)
    axes = Axes(
        x=ends,
        y=ends,
        x_label=words("axis.truth") + _unit(unit),
        y_label=words("axis.estimate") + _unit(unit),
        x_percent=False,
        y_percent=False,
        amounts=True,
        width=480 + left,
        height=500,
        left=left,
    )
    (x0, y0), (x1, y1) = axes.at(ends[0], ends[0]), axes.at(ends[1], ends[1])
    line = tag("path", d=f"M{number(x0)} {number(y0)}L{number(x1)} {number(y1)}", class_="line guess")
    dots = _cloud(axes, targets, values, np.abs(values - targets) <= limit)
    return axes.drawn(
        _band(axes, ends, limit),
        line,
        dots,
        title=words("agreement.title"),
        description=words("agreement.description", n=count(len(values)), correlation=decimal(correlation)),
    )


def _unit(unit: str) -> str:
    return f" ({unit})" if unit else ""


def _band(axes: Axes, ends: tuple[float, float], limit: float) -> Html:
    """Where an estimate is at most `limit` away: a strip along the diagonal, cut to the plane."""
    low, high = ends
    reach = min(limit, high - low)
    corners = [
        (low, low),
        (low, low + reach),
        (high - reach, high),
        (high, high),
        (high, high - reach),
        (low + reach, low),
    ]
    places = [axes.at(x, y) for x, y in corners]
    path = "L".join(f"{number(x)} {number(y)}" for x, y in places)
    return tag("path", d=f"M{path}z", class_="band")


def _cloud(axes: Axes, x: Floats, y: Floats, near: Flags) -> Html:
    """Dots, yellow where `near` holds and grey elsewhere; squares of a grid where there are too many."""
    if len(x) > MOST_DOTS:
        return _grid(axes, x, y, near)
    across, down = axes.at(x, y)
    radius = 3.4 if len(x) <= 300 else 2.6
    groups = []
    for class_, chosen in (("far", ~near), ("near", near)):
        places = zip(across[chosen].tolist(), down[chosen].tolist(), strict=True)
        dots = [Html(f'<circle cx="{px:.1f}" cy="{py:.1f}" r="{radius}"/>') for px, py in places]
        groups.append(tag("g", *dots, class_=class_))
    return tag("g", *groups, class_="cloud")


def _grid(axes: Axes, x: Floats, y: Floats, near: Flags) -> Html:
    """One path for each colour and depth, deeper where more dots fall on a square."""
    across, down = axes.at(x, y)
    side = (axes.width - axes.left - axes.right) / _GRID
    columns, rows = (
        ((across - axes.left) // side).astype(np.int64),
        ((down - axes.top) // side).astype(np.int64),
    )
    found = []
    for class_, chosen in (("far", ~near), ("near", near)):
        squares, counts = np.unique(
            np.stack([columns[chosen], rows[chosen]], axis=1), axis=0, return_counts=True
        )
        if not len(squares):
            continue
        depths = np.clip(np.ceil(10 * np.sqrt(counts / counts.max())), 2, 10).astype(np.int64)
        for depth in np.unique(depths).tolist():
            path = "".join(
                f"M{axes.left + side * c:.1f} {axes.top + side * r:.1f}h{side * 0.92:.1f}v{side * 0.92:.1f}"
                f"h-{side * 0.92:.1f}z"
                for c, r in squares[depths == depth].tolist()
            )
            found.append(tag("path", d=path, class_=class_, fill_opacity=depth / 10))
    return tag("g", *found, class_="squares")


def residual_figure(values: Floats, targets: Floats, limit: float, unit: str, words: Words) -> Html:
    """Errors against estimates, with a line at no error."""
    errors = values - targets
    across, up = widened(values), _around_zero(errors)
    left = room(up)
    axes = Axes(
        x=across,
        y=up,
        x_label=words("axis.estimate") + _unit(unit),
        y_label=words("axis.residual"),
        x_percent=False,
        y_percent=False,
        amounts=True,
        width=400 + left,
        height=330,
        left=left,
    )
    zero = _level(axes, 0.0, "line guess")
    return axes.drawn(
        zero,
        _cloud(axes, values, errors, np.abs(errors) <= limit),
        title=words("residuals.against"),
        description=words("residuals.against_description", n=count(len(values))),
    )


def _around_zero(errors: Floats) -> tuple[float, float]:
    reach = 1.08 * float(np.abs(errors).max()) or 1.0
    return -reach, reach


def _level(axes: Axes, y: float, class_: str) -> Html:
    (x0, down), (x1, _) = axes.at(axes.x[0], y), axes.at(axes.x[1], y)
    return tag("path", d=f"M{number(x0)} {number(down)}H{number(x1)}", class_=class_)


def error_histogram(values: Floats, targets: Floats, limit: float, unit: str, words: Words) -> Html:
    """How often each error occurs, on the same scale to both sides; grey beyond `limit`."""
    errors = values - targets
    ends = _around_zero(errors)
    bins = int(np.clip(2 * ceil(sqrt(len(errors)) / 2) + 1, 5, 41))  # odd: the middle bin holds no error
    counts, edges = np.histogram(errors, bins=bins, range=ends)
    axes = Axes(
        x=ends,
        y=(0.0, max(1.0, float(counts.max()) * 1.08)),
        x_label=words("axis.residual") + _unit(unit),
        y_label=words("axis.images"),
        x_percent=False,
        y_percent=False,
        amounts=True,
        width=430,
        height=330,
        left=58,
    )
    marks = []
    for n, low, high in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        if n:
            (x0, top), (x1, base) = axes.at(low, n), axes.at(high, 0.0)
            class_ = "bar-own" if abs(low + high) / 2 <= limit else "bar-other"
            marks.append(
                tag(
                    "rect", x=x0 + 0.7, y=top, width=max(0.6, x1 - x0 - 1.4), height=base - top, class_=class_
                )
            )
    low, high = np.quantile(errors, [0.25, 0.75]).tolist()
    return axes.drawn(
        *marks,
        title=words("residuals.spread"),
        description=words("residuals.spread_description", low=amount(low), high=amount(high)),
    )


def interval_figure(
    values: Floats, targets: Floats, low: Floats, high: Floats, unit: str, words: Words
) -> tuple[Html, int]:
    """Some of the prediction intervals in the order of their estimates, and how many are drawn."""
    known = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    order = known[np.argsort(values[known], kind="stable")]
    some = order[
        np.unique(np.linspace(0, len(order) - 1, min(MOST_INTERVALS, len(order))).round().astype(int))
    ]
    ends = widened(np.concatenate([low[some], high[some], targets[some]]))
    left = room(ends)
    axes = Axes(
        x=(-1.0, float(len(some))),
        y=ends,
        x_label=words("axis.order"),
        y_label=words("axis.truth") + _unit(unit),
        y_percent=False,
        x_names={},
        amounts=True,
        width=820,
        height=320,
        left=left,
        bottom=30,
    )
    marks: list[Html] = []
    for at, row in enumerate(some.tolist()):
        (x, bottom), (_, top) = axes.at(float(at), float(low[row])), axes.at(float(at), float(high[row]))
        _, middle = axes.at(float(at), float(values[row]))
        marks.append(tag("path", d=f"M{number(x)} {number(bottom)}V{number(top)}", class_="reach"))
        marks.append(tag("path", d=f"M{number(x - 2.5)} {number(middle)}h5", class_="middle"))
    for at, row in enumerate(some.tolist()):
        x, y = axes.at(float(at), float(targets[row]))
        inside = low[row] <= targets[row] <= high[row]
        marks.append(tag("circle", cx=x, cy=y, r=3.4, class_="near" if inside else "far"))
    drawn = axes.drawn(
        tag("g", *marks, class_="cloud"),
        title=words("coverage.title"),
        description=words("coverage.description", n=count(len(some))),
    )
    return drawn, len(some)


def dependence_figure(
    places: Sequence[Any],
    values: Sequence[float],
    *,
    category: bool,
    ends: tuple[float, float],
    name: str,
    label: str,
    written: Callable[[float], str],
) -> Html:
    """The mean answer by one feature: a line for numbers, dots in a column each for categories."""
    left = 30 + max(text_width(written(tick), 12) for tick in ticks(*ends, most=4))
    drawn = {tick: written(tick) for tick in ticks(*ends, most=4)}
    if category:
        return _dependence_of_category([str(place) for place in places], values, ends, name, written)
    x = np.array(places, np.float64)
    axes = Axes(
        x=(float(x.min()), float(x.max()) if x.max() > x.min() else float(x.min()) + 1),
        y=ends,
        x_percent=False,
        y_names=drawn,
        x_names={tick: amount(tick) for tick in ticks(float(x.min()), float(x.max()), most=4)},
        amounts=True,
        y_label=label,
        width=300,
        height=210,
        left=left,
        right=24,
        bottom=30,
    )
    told = "; ".join(f"{amount(float(a))}: {written(float(v))}" for a, v in zip(places, values, strict=True))
    return axes.drawn(axes.line(x, np.array(values, np.float64), "marked"), title=name, description=told)


def _dependence_of_category(
    places: Sequence[str],
    values: Sequence[float],
    ends: tuple[float, float],
    name: str,
    written: Callable[[float], str],
) -> Html:
    """Names on the left, dots to the right: names of categories need the room."""
    shown = [place if len(place) <= 16 else f"{place[:15]}…" for place in places]
    left = 14 + max((text_width(each, 12) for each in shown), default=0)
    axes = Axes(
        x=ends,
        y=(len(places) - 0.5, -0.5),
        y_names={float(at): each for at, each in enumerate(shown)},
        x_names={tick: written(tick) for tick in ticks(*ends, most=3)},
        width=300,
        height=max(110, 40 + 24 * len(places)),
        left=left,
        right=28,
        bottom=30,
        top=8,
    )
    marks = []
    for at, value in enumerate(values):
        x, y = axes.at(float(value), float(at))
        marks.append(tag("circle", cx=x, cy=y, r=5.0, class_="point"))
    told = "; ".join(f"{place}: {written(float(v))}" for place, v in zip(places, values, strict=True))
    return axes.drawn(*marks, title=name, description=told)
