"""The figures: SVG with real text, drawn by hand so that they follow the page's colours, light and dark.

Nothing here needs Matplotlib: importing it takes longer than drawing the whole report.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from math import ceil, floor, log10, pi, sqrt
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.calibration import ReliabilityBin
from mindle.evaluation.intervals import wilson
from mindle.evaluation.report.markup import Child, Html, tag
from mindle.evaluation.report.words import Words, amount, count, decimal, percent

Floats = NDArray[np.float64]
Place = TypeVar("Place", float, Floats)
_GOLDEN_ANGLE = pi * (3 - sqrt(5))
MOST_SEEDS = 500
_MANY_POINTS = 500
MOST_CURVES = 12
LABELLED_CLASSES = 120


def number(value: float) -> str:
    """A place in a picture, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")


def svg(
    width: float,
    height: float,
    *children: Child,
    title: str,
    description: str,
    class_: str = "",
    fixed: bool = False,
) -> Html:
    """A figure with its name and description for those who do not see it; `fixed` lets it keep its size."""
    return tag(
        "svg",
        tag("title", title),
        tag("desc", description),
        *children,
        viewBox=f"0 0 {number(width)} {number(height)}",
        role="img",
        class_=class_ or None,
        width=number(width) if fixed else None,
        height=number(height) if fixed else None,
        style=None if class_ else f"max-width:{number(width / 16 * 1.15)}rem",
    )


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
class Axes:
    """A plane with ticks and labels; `at` turns data into places.

    `x_names` and `y_names` are ticks with words of their own, in place of round numbers; `amounts` writes
    those with separators.
    """

    x: tuple[float, float] = (0.0, 1.0)
    y: tuple[float, float] = (0.0, 1.0)
    x_label: str = ""
    y_label: str = ""
    x_percent: bool = True
    y_percent: bool = True
    width: int = 420
    height: int = 340
    left: int = 60
    right: int = 18
    top: int = 12
    bottom: int = 46
    x_names: Mapping[float, str] | None = None
    y_names: Mapping[float, str] | None = None
    amounts: bool = False

    def at(self, x: Place, y: Place) -> tuple[Place, Place]:
        """The place of a point, or of many, in the picture."""
        (x0, x1), (y0, y1) = self.x, self.y
        across = (x - x0) / (x1 - x0 or 1) * (self.width - self.left - self.right)
        up = (y - y0) / (y1 - y0 or 1) * (self.height - self.top - self.bottom)
        return self.left + across, self.height - self.bottom - up

    def line(self, xs: Floats, ys: Floats, class_: str) -> Html:
        """A line through points, a lone point as a dot; what the eye could not tell apart is drawn once."""
        known = np.isfinite(xs) & np.isfinite(ys)
        across, down = self.at(xs[known], ys[known])
        fine = 10 if len(across) <= _MANY_POINTS else 2  # parts of a pixel
        places = _thinned((np.stack([across, down], axis=1) * fine).round() / fine)  # (point, [x, y])
        if len(places) == 1:
            return tag("circle", cx=float(places[0, 0]), cy=float(places[0, 1]), r=3, class_=f"{class_} dot")
        path = "L".join(f"{number(x)} {number(y)}" for x, y in places.tolist())
        return tag("path", d=f"M{path}", class_=f"line {class_}") if path else Html("")

    def drawn(self, *marks: Child, title: str, description: str) -> Html:
        """The axes with marks on them."""
        (x0, y1), (x1, y0) = self.at(self.x[0], self.y[0]), self.at(self.x[1], self.y[1])
        grid: list[Html] = []
        for value, name in self._ticks(self.y, self.y_names, self.y_percent).items():
            _, y = self.at(self.x[0], value)
            grid.append(tag("path", d=f"M{number(x0)} {number(y)}H{number(x1)}", class_="grid"))
            grid.append(tag("text", name, x=x0 - 8, y=y + 4, text_anchor="end"))
        for value, name in self._ticks(self.x, self.x_names, self.x_percent).items():
            x, _ = self.at(value, self.y[0])
            grid.append(tag("path", d=f"M{number(x)} {number(y1)}v4", class_="grid"))
            grid.append(tag("text", name, x=x, y=y1 + 18, text_anchor="middle"))
        middle = (y0 + y1) / 2
        labels = [
            tag(
                "text",
                self.x_label,
                x=(x0 + x1) / 2,
                y=float(self.height - 6),
                text_anchor="middle",
                class_="axis",
            ),
            tag(
                "text",
                self.y_label,
                x=11,
                y=middle,
                text_anchor="middle",
                class_="axis",
                transform=f"rotate(-90 11 {number(middle)})",
            ),
        ]
        return svg(self.width, self.height, *grid, *marks, *labels, title=title, description=description)

    def _ticks(
        self, ends: tuple[float, float], names: Mapping[float, str] | None, percent: bool
    ) -> Mapping[float, str]:
        if names is not None:
            return names
        written = amount if self.amounts else partial(_tick, as_percent=percent)
        return {value: written(value) for value in ticks(*ends)}


def _thinned(places: Floats) -> Floats:
    """Without points that lie where the one before lies, or straight between their neighbours."""
    if len(places) < 2:
        return places
    moved = np.append(True, (np.diff(places, axis=0) != 0).any(axis=1))
    places = places[moved]
    before, after = np.diff(places[:-1], axis=0), np.diff(places[1:], axis=0)
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    kept: Floats = places[np.concatenate([[True], turns, [True]])] if len(places) > 2 else places
    return kept


def _tick(value: float, as_percent: bool) -> str:
    return f"{100 * value:.0f}%" if as_percent else f"{value:g}"


# ---- the headline ------------------------------------------------------------------------------------------


def seeds(n: int, wrong: int, words: Words) -> Html:
    """A dandelion clock: one seed a test image; the wrong answers have blown away."""
    each = max(1, ceil(n / MOST_SEEDS))
    gone = 0 if not wrong else max(1, round(wrong / each))
    kept = 0 if wrong == n else max(1, round((n - wrong) / each))
    radius = min(112.0, 13.0 * sqrt(max(1, kept)))
    size = min(5.0, 0.34 * radius * sqrt(pi / max(1, kept)))
    head = []
    for i in range(kept):
        away, angle = radius * sqrt((i + 0.5) / kept), i * _GOLDEN_ANGLE
        head.append(
            tag("circle", cx=138 + away * float(np.cos(angle)), cy=128 + away * float(np.sin(angle)), r=size)
        )
    flying = [_flying_seed(place, small=gone > 60) for place in _on_the_wind(gone)]
    stem = tag("path", d=f"M138 {number(128 + radius)}Q152 280 143 316", class_="stem")
    return svg(
        480,
        316,
        stem,
        tag("g", *head, class_="kept"),
        tag("g", *flying, class_="gone"),
        title=words("seeds.title"),
        description=words("seeds.description", right=count(n - wrong), n=count(n), each=count(each)),
        class_="seeds",
    )


def _flying_seed(place: Floats, *, small: bool) -> Html:
    """One seed on the wind; with its parachute where there are few."""
    x, y, turn = place.tolist()
    if small:
        return tag("circle", cx=x, cy=y, r=2.2)
    pappus = "M0 0l7 -9m-5.5 -2.5l5.5 2.5l1 -6.5m-1 6.5l6 -1.5"
    moved = f"translate({number(x)} {number(y)}) rotate({number(turn)})"
    return tag("g", tag("path", d=pappus), tag("circle", r=2.4), transform=moved)


def _on_the_wind(gone: int) -> Floats:
    """Places (seed, [x, y, turn]) beside the head: evenly spread by two irrational steps, then shaken."""
    i = np.arange(gone)
    shaken = np.random.default_rng(5).normal(0, 1, (gone, 3))  # the same picture every time
    along, across = (0.5 + i * 0.7548776662) % 1, (0.5 + i * 0.5698402910) % 1
    height = 60.0 if gone < 4 else 150.0
    x = 284 + 172 * along + 5 * shaken[:, 0]
    y = 34 + 44 * (1 - along) + height * across + 5 * shaken[:, 1]
    return np.stack([x, y, 14 * shaken[:, 2]], axis=1)


# ---- training ----------------------------------------------------------------------------------------------


def history_figures(rows: Sequence[Mapping[str, Any]], words: Words) -> list[Html]:
    """The quantities of `history_curves` by epoch, training beside validation."""
    epochs = history_epochs(rows)
    return [
        _history_figure(quantity, curves, epochs, words) for quantity, curves in history_curves(rows).items()
    ]


def history_curves(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Floats]]:
    """Accuracy, error and loss by part, as far as history.csv holds them."""
    found = {}
    for quantity in ("accuracy", "mae", "loss"):
        curves = {
            part: column
            for part in ("train", "val")
            if np.isfinite(column := _column(rows, f"{part}_{quantity}")).any()
        }
        if curves:
            found[quantity] = curves
    return found


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> Floats:
    return np.array(
        [float(row[name]) if row.get(name) not in (None, "") else np.nan for row in rows], np.float64
    )


def history_epochs(rows: Sequence[Mapping[str, Any]]) -> Floats:
    """The epoch of each row of history.csv, counted where it does not say."""
    epochs = _column(rows, "epoch")
    return epochs if np.isfinite(epochs).all() else np.arange(1.0, len(rows) + 1)


def _history_figure(quantity: str, curves: Mapping[str, Floats], epochs: Floats, words: Words) -> Html:
    values = np.concatenate([curve[np.isfinite(curve)] for curve in curves.values()])
    share = quantity == "accuracy"
    low = max(0.0, floor(float(values.min()) * 20) / 20) if share else 0.0
    high = 1.0 if share else float(values.max()) * 1.05 or 1.0
    axes = Axes(
        x=(float(epochs.min()), float(max(epochs.max(), epochs.min() + 1))),
        y=(low if low < high else 0.0, high),
        x_label=words("axis.epoch"),
        y_label=words(f"axis.{quantity}"),
        x_percent=False,
        y_percent=share,
        right=76,
        height=300,
    )
    marks, ends = [], []
    for part, curve in curves.items():
        final = int(np.flatnonzero(np.isfinite(curve))[-1])
        x, y = axes.at(float(epochs[final]), float(curve[final]))
        marks.append(axes.line(epochs, curve, part))
        ends.append((y, x, part))
    lowest = -100.0
    for y, x, part in sorted(ends):  # labels at the ends of the lines, kept from lying on each other
        lowest = max(y + 4, lowest + 15)
        marks.append(tag("text", words(f"part.{part}"), x=x + 7, y=lowest, class_=f"label {part}"))
    title = words(f"history.{quantity}")
    last = {part: float(curve[np.isfinite(curve)][-1]) for part, curve in curves.items()}
    described = ", ".join(
        f"{words(f'part.{part}')} {percent(value) if share else decimal(value)}"
        for part, value in last.items()
    )
    return axes.drawn(*marks, title=title, description=words("history.description", last=described))


# ---- ranking -----------------------------------------------------------------------------------------------


def roc_points(scores: Floats, own: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """False and true alarm rate at every threshold, from (0, 0) to (1, 1)."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)  # ties move together
    hits = np.cumsum(own[order])[last]
    alarms = last + 1 - hits
    return np.append(0.0, alarms / max(1, alarms[-1])), np.append(0.0, hits / max(1, hits[-1]))


def precision_recall_points(scores: Floats, own: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Recall and precision at every threshold, as steps: average precision is the area below them."""
    order = np.argsort(-scores, kind="stable")
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)
    hits = np.cumsum(own[order])[last]
    precision, recall = hits / (last + 1), hits / max(1, hits[-1])
    return np.append(0.0, np.repeat(recall, 2)[:-1]), np.repeat(precision, 2)


def ranking_figures(
    probabilities: Floats,
    labels: NDArray[np.int64],
    chosen: Sequence[int],
    highlighted: int,
    name: str,
    words: Words,
) -> list[Html]:
    """ROC and precision-recall curves of some classes, one of them by name.

    Args:
        probabilities: (image, class).
        labels: True class of each image.
        chosen: Classes to draw.
        highlighted: The one to lift out.
        name: Its name.
        words: Of the page.
    """
    square = Axes(
        x_label=words("axis.false_positive"),
        y_label=words("axis.true_positive"),
        width=420,
        height=400,
        right=24,
    )
    precision = Axes(
        x_label=words("axis.recall"), y_label=words("axis.precision"), width=420, height=400, right=24
    )
    (x0, y0), (x1, y1) = square.at(0, 0), square.at(1, 1)
    chance = tag("path", d=f"M{number(x0)} {number(y0)}L{number(x1)} {number(y1)}", class_="line guess")
    roc, pr = [chance], []
    for at in sorted(chosen, key=lambda at: at == highlighted):  # the highlighted one last, on top
        own, class_ = labels == at, "marked" if at == highlighted else "other"
        roc.append(square.line(*roc_points(probabilities[:, at], own), class_))
        pr.append(precision.line(*precision_recall_points(probabilities[:, at], own), class_))
    return [
        square.drawn(*roc, title=words("roc.title"), description=words("roc.description", name=name)),
        precision.drawn(*pr, title=words("pr.title"), description=words("pr.description", name=name)),
    ]


# ---- confidence --------------------------------------------------------------------------------------------


def reliability_figure(bins: Sequence[ReliabilityBin], words: Words) -> Html:
    """Accuracy against confidence with its interval in each bin, above how often each confidence occurs."""
    axes = Axes(x_label="", y_label=words("axis.accuracy"), width=460, height=330, bottom=28)
    (x0, y0), (x1, y1) = axes.at(0, 0), axes.at(1, 1)
    marks: list[Html] = [
        tag("path", d=f"M{number(x0)} {number(y0)}L{number(x1)} {number(y1)}", class_="line guess")
    ]
    said = []
    for each in bins:
        if each.accuracy is None or each.confidence is None:
            continue
        low, high = wilson(each.accuracy * each.n, each.n)
        x, y = axes.at(each.confidence, each.accuracy)
        (_, bottom), (_, top) = axes.at(0, low), axes.at(0, high)
        marks.append(tag("path", d=f"M{number(x)} {number(bottom)}V{number(top)}", class_="whisker"))
        marks.append(tag("circle", cx=x, cy=y, r=4.5, class_="point"))
        said.append(f"{percent(each.confidence)} → {percent(each.accuracy)} ({count(each.n)})")
    upper = axes.drawn(
        *marks,
        title=words("reliability.title"),
        description=words("reliability.description", bins="; ".join(said)),
    )
    return tag("div", upper, _confidence_histogram(bins, words), class_="stacked")


def _confidence_histogram(bins: Sequence[ReliabilityBin], words: Words) -> Html:
    most = max(each.n for each in bins) or 1
    axes = Axes(
        y=(0.0, most * 1.18),
        x_label=words("axis.confidence"),
        y_label=words("axis.images"),
        y_percent=False,
        width=460,
        height=170,
        top=6,
    )
    marks = []
    for each in bins:
        if not each.n:
            continue
        (left, top), (right, bottom) = axes.at(each.low, each.n), axes.at(each.high, 0)
        marks.append(
            tag("rect", x=left + 1, y=top, width=right - left - 2, height=bottom - top, class_="block")
        )
        marks.append(
            tag("text", count(each.n), x=(left + right) / 2, y=top - 4, text_anchor="middle", class_="small")
        )
    return axes.drawn(*marks, title=words("histogram.title"), description=words("histogram.description"))


# ---- confusion ---------------------------------------------------------------------------------------------


def confusion_map(
    confusion: Sequence[Sequence[int]], classes: Sequence[str], words: Words, *, numbered: bool
) -> Html:
    """The confusion matrix of many classes: a square a pair that occurs, darker where more of the row went.

    Args:
        confusion: Rows are truth, columns answers.
        classes: Their names.
        words: Of the page.
        numbered: Large squares with the count in each, to scroll in; else small ones, to see at once.
    """
    matrix = np.asarray(confusion)
    many = len(matrix)
    cell = 24.0 if numbered else max(2.0, 860 / many)
    size = 9.5 if numbered else min(11.0, cell * 0.86)
    margin = 170.0 if many <= LABELLED_CLASSES or numbered else 12.0
    side = cell * many
    marks: list[Html] = [tag("rect", x=margin, y=margin, width=side, height=side, class_="field")]
    marks += _squares(matrix, margin, cell)
    if numbered:
        marks += _counts(matrix, margin, cell)
    if margin > 20:
        for at, name in enumerate(classes):
            shown, middle = _shortened(name), margin + (at + 0.5) * cell + size * 0.35
            turned = f"translate({number(middle)} {number(margin - 6)}) rotate(-90)"
            marks.append(tag("text", shown, x=margin - 6, y=middle, text_anchor="end"))
            marks.append(tag("text", shown, transform=turned))
    return svg(
        margin + side + 4,
        margin + side + 4,
        tag("g", *marks, class_="matrix", font_size=size),
        title=words("confusion.title"),
        description=words("confusion.description"),
        class_="fixed" if numbered else "whole",
        fixed=numbered,
    )


def _depths(matrix: NDArray[np.int64]) -> NDArray[np.int64]:
    """How dark each square is, in tenths: the share of its row, never quite invisible."""
    shares = matrix / np.maximum(1, matrix.sum(axis=1, keepdims=True))
    depths: NDArray[np.int64] = np.where(matrix > 0, np.clip(np.ceil(shares * 10), 2, 10), 0).astype(np.int64)
    return depths


def _squares(matrix: NDArray[np.int64], margin: float, cell: float) -> list[Html]:
    """One path for each colour and depth: ten thousand elements would make the page slow."""
    depths, diagonal = _depths(matrix), np.eye(len(matrix), dtype=bool)
    wide = number(cell * 0.94)
    found = []
    for class_, side in (("right", diagonal), ("wrong", ~diagonal)):
        for depth in range(1, 11):
            places = np.argwhere((depths == depth) & side) * cell + margin  # (square, [y, x])
            if len(places):
                path = "".join(f"M{x:.1f} {y:.1f}h{wide}v{wide}h-{wide}z" for y, x in places.tolist())
                found.append(tag("path", d=path, class_=class_, fill_opacity=depth / 10))
    return found


def _counts(matrix: NDArray[np.int64], margin: float, cell: float) -> list[Html]:
    """The number in the middle of each square."""
    depths = _depths(matrix)
    middle = margin + cell * 0.47
    found = []
    for row, column in np.argwhere(matrix).tolist():
        dark = depths[row, column] > 5
        class_ = ("seed" if row == column else "dark") if dark else "plain"
        x, y = middle + column * cell, middle + row * cell + 3.4
        found.append(Html(f'<text x="{x:.1f}" y="{y:.1f}" class="{class_}">{matrix[row, column]}</text>'))
    return [tag("g", *found, text_anchor="middle")]


def _shortened(name: str, most: int = 22) -> str:
    return name if len(name) <= most else name[: most - 1] + "…"
