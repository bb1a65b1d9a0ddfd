"""The sections on how the model came about: learning curves and search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from mindle.evaluation.report.figures import Axes, Floats, amounts, series_figure
from mindle.evaluation.report.formatting import count, percent, writer
from mindle.evaluation.report.overfitting import overfitting_of
from mindle.evaluation.report.sections import Page, Values
from mindle.evaluation.report.sentences import Sentences

MOST_TRIALS = 200  # are listed; a longer search has them all in trials.csv

Curve = list[list[float]]  # [epoch, value] each


def learning_curves(page: Page[Any]) -> Values:
    """Curves by epoch and the sentence on over-fitting, as far as there are any."""
    say = page.say
    figures = {}
    for quantity, curves in history_curves(page.content.training.history).items():
        series = {say(f"split.{split}"): curve for split, curve in curves.items()}
        styles = {say(f"split.{split}"): split for split in curves}
        figures[quantity] = learning_curve(quantity, series, styles, say)
    return {"figures": figures, "overfitting": overfitting_of(page.content, say)}


def history_curves(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Curve]]:
    """Accuracy, error and loss by split, as far as history.csv holds them."""
    epochs = _column(rows, "epoch")
    epochs = epochs if np.isfinite(epochs).all() else np.arange(1.0, len(rows) + 1)
    found: dict[str, dict[str, Curve]] = {}
    for quantity in ("accuracy", "mae", "loss"):
        for split in ("train", "val"):
            column = _column(rows, f"{split}_{quantity}")
            if np.isfinite(column).any():
                found.setdefault(quantity, {})[split] = np.stack([epochs, column], axis=1).tolist()
    return found


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> Floats:
    return np.array([np.nan if row.get(name) in (None, "") else float(row[name]) for row in rows], np.float64)


def learning_curve(
    quantity: str, series: Mapping[str, Curve], styles: Mapping[str, str], say: Sentences
) -> Markup:
    """Lines by epoch of one quantity."""
    labels = {"title": say(f"history.{quantity}"), "x": say("axis.epoch"), "y": say(f"axis.{quantity}")}
    return series_figure({**labels, "series": series}, styles=styles, percentages=quantity == "accuracy")


def search(page: Page[Any]) -> Values:
    """The trials of a search as a curve, and the sentences on them all and on the best."""
    found, say = page.content.training.search, page.say
    if not found:
        return {"trials": []}
    trials, score = found["trials"], found.get("score", "log_loss")
    best = next(trial for trial in trials if trial["number"] == found["best"])
    counts = {state: count(n) for state, n in found["counts"].items()}
    written = {"value": writer(score)(best[score]), "accuracy": percent(best["accuracy"])}
    return {
        **found,
        "score": score,
        "trials": trials[:MOST_TRIALS],
        "all": len(trials),
        "counts": say(
            "search.counts", n=len(trials), sampler=say.known("sampler", found["sampler"]), **counts
        ),
        "won": say(f"search.won_{score}", number=str(best["number"]), **written),
        "settings": best["settings"],
        "figure": trials_figure(trials, say, score),
    }


def trials_figure(trials: Sequence[Mapping[str, Any]], say: Sentences, score: str) -> Markup:
    """The value of each complete trial as a dot, and the best so far as a line."""
    complete = [trial for trial in trials if trial["state"] == "complete"]
    numbers = np.array([trial["number"] for trial in complete], np.float64)
    values = np.array([trial[score] for trial in complete], np.float64)
    best = np.minimum.accumulate(values)
    # One trial that went wrong would flatten all others: what lies far above the rest is cut off at the top.
    low, high = float(values.min()), float(min(values.max(), 4 * np.median(values) - 3 * values.min()))
    spread = (high - low) or max(0.1 * high, 1e-3)
    last, top = max(float(max(trial["number"] for trial in trials)), 1.0), high + 0.05 * spread
    metric = say(f"metric.{score}")
    up = amounts(max(0.0, low - 0.08 * spread), top, metric)
    axes = Axes(x=amounts(0.0, last, say("search.trial")), y=up, width=620, height=300)
    steps, levels = np.repeat(numbers, 2)[1:], np.repeat(np.minimum(best, top), 2)[:-1]
    first, final = (writer(score)(float(value)) for value in (values[0], best[-1]))
    return axes.drawn(
        axes.dots(numbers, np.minimum(values, top), "dot", 2.6),
        axes.line(np.append(steps, last), np.append(levels, levels[-1]), "val"),
        title=say("search.title", metric=metric),
        description=say("search.description", first=first, best=final),
    )
