"""The sections on how the model came about: learning curves, diagnosis, model selection, search."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from markupsafe import Markup

from mindle.evaluation.report.figures import Axes, Floats, amounts, series_figure
from mindle.evaluation.report.formatting import NONE, count, percent, setting
from mindle.evaluation.report.overfitting import overfitting_of
from mindle.evaluation.report.sections import (
    Page,
    Values,
    bar_style,
    cell,
    diagnosis_values,
    score_format,
)
from mindle.evaluation.report.sentences import Sentences

MOST_TRIALS = 200  # are listed; a longer search has them all in trials.csv

Curve = list[list[float]]  # [epoch, value] each


def learning_curves(page: Page) -> Values | None:
    """Curves by epoch and the sentence on over-fitting, as far as there are any."""
    say = page.say
    figures = {
        quantity: learning_curve(
            quantity,
            {say(f"part.{split}"): curve for split, curve in curves.items()},
            {say(f"part.{split}"): split for split in curves},
            say,
        )
        for quantity, curves in history_curves(page.content.training.history).items()
    }
    remark = overfitting_of(page.content, say)
    return {"figures": figures, "overfitting": remark[1] if remark else ""} if figures or remark else None


def history_curves(rows: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Curve]]:
    """Accuracy, error and loss by split, as far as history.csv holds them."""
    epochs = _column(rows, "epoch")
    epochs = epochs if np.isfinite(epochs).all() else np.arange(1.0, len(rows) + 1)
    found = {}
    for quantity in ("accuracy", "mae", "loss"):
        columns = {split: _column(rows, f"{split}_{quantity}") for split in ("train", "val")}
        curves = {
            split: np.stack([epochs, column], axis=1).tolist()
            for split, column in columns.items()
            if np.isfinite(column).any()
        }
        if curves:
            found[quantity] = curves
    return found


def _column(rows: Sequence[Mapping[str, Any]], name: str) -> Floats:
    return np.array(
        [float(row[name]) if row.get(name) not in (None, "") else np.nan for row in rows], np.float64
    )


def learning_curve(
    quantity: str, series: Mapping[str, Curve], styles: Mapping[str, str], say: Sentences
) -> Markup:
    """Lines by epoch of one quantity."""
    figure = {
        "title": say(f"history.{quantity}"),
        "x": say("axis.epoch"),
        "y": say(f"axis.{quantity}"),
        "series": series,
    }
    return series_figure(figure, styles=styles, percentages=quantity == "accuracy")


def diagnosis(page: Page) -> Values | None:
    """What was noticed about the training itself."""
    found = page.content.training.diagnoses
    return {"diagnoses": diagnosis_values(found, page.say)} if found else None


def model_selection(page: Page) -> Values | None:
    """Every candidate with its validation score, time and note."""
    training, main = page.content.training, page.task.main
    if not training.tried:
        return None
    return {
        "metric": page.say(f"{page.task.group}.attempt"),
        "rows": [
            {
                "name": attempt.name,
                "chosen": attempt.chosen,
                "score": cell(main, {"value": attempt.value, "low": attempt.low, "high": attempt.high}),
                "seconds": page.say.duration(attempt.seconds),
                "milliseconds": "" if attempt.milliseconds is None else f"{attempt.milliseconds:.3g}",
                "note": page.say.translated(attempt.note),
            }
            for attempt in training.tried
        ],
        "stopped": [sentence for sentence in training.stopped if sentence],
    }


# ---- search ------------------------------------------------------------------------------------------------


def search(page: Page) -> Values | None:
    """The trials as a curve, what each setting explains, the best, and the trials one by one."""
    found, say = page.content.training.search, page.say
    if not found:
        return None
    trials: Sequence[Mapping[str, Any]] = found["trials"]
    score = found.get("score", "log_loss")
    best = next(trial for trial in trials if trial["number"] == found["best"])
    counts = {state: count(n) for state, n in found["counts"].items()}
    written = {"value": score_format(score).text(best[score]), "accuracy": percent(best["accuracy"])}
    return {
        "counts": say(
            "search.counts", n=len(trials), sampler=say.known("sampler", found["sampler"]), **counts
        ),
        "figure": trials_figure(trials, say, score),
        "won": say(f"search.won_{score}", number=str(best["number"]), **written),
        "settings": [(name, setting(value)) for name, value in best["settings"].items()],
        "importance": [
            (name, percent(fraction), bar_style(0.0, fraction, fraction))
            for name, fraction in found["importance"].items()
        ],
        "metric": score,
        "trials": [_trial(trial, say, score) for trial in trials[:MOST_TRIALS]],
        "all": len(trials),
        "most": MOST_TRIALS,
    }


def _trial(trial: Mapping[str, Any], say: Sentences, score: str) -> tuple[str, ...]:
    """A line of the list: number, state, score, accuracy, time, settings and note."""
    settings = ", ".join(f"{name} {setting(value)}" for name, value in trial["settings"].items())
    return (
        str(trial["number"]),
        say.known("trial", trial["state"]),
        score_format(score).text(trial[score]),
        NONE if trial["accuracy"] is None else percent(trial["accuracy"]),
        say.duration(trial["seconds"]),
        "; ".join(filter(None, (settings, trial["note"]))),
    )


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
    axes = Axes(
        x=amounts(0.0, last, say("search.trial")),
        y=amounts(max(0.0, low - 0.08 * spread), top, metric),
        width=620,
        height=300,
    )
    steps, levels = np.repeat(numbers, 2)[1:], np.repeat(np.minimum(best, top), 2)[:-1]
    first, final = (score_format(score).text(float(value)) for value in (values[0], best[-1]))
    return axes.drawn(
        axes.dots(numbers, np.minimum(values, top), "dot", 2.6),
        axes.line(np.append(steps, last), np.append(levels, levels[-1]), "val"),
        title=say("search.title", metric=metric),
        description=say("search.description", first=first, best=final),
    )
