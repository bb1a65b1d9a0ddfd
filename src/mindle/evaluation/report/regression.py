"""A report on a regression: how far estimates miss, where they err, and whether prediction intervals hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import ceil, erfc, isfinite, sqrt
from typing import Any, cast

import numpy as np
from markupsafe import Markup

from mindle.evaluation.intervals import z_score
from mindle.evaluation.regression import Regression
from mindle.evaluation.report.content import ReportContent
from mindle.evaluation.report.dandelion import answers_per_seed
from mindle.evaluation.report.figures import Axes, Floats, Scale, amounts, widened
from mindle.evaluation.report.formatting import (
    Score,
    amount,
    count,
    decimal,
    p_value,
    percent,
    signed,
    span,
)
from mindle.evaluation.report.sections import (
    Example,
    Headline,
    Page,
    Remark,
    ReportTask,
    Values,
    example_values,
    main_text,
    scores,
    trust,
    with_unit,
)
from mindle.records import Estimates

MOST_EXAMPLES = 12
MOST_INTERVALS = 80
_FEWEST_FOR_A_SHAPE = 30
EVALUATION = Regression()


def one_a_row(content: ReportContent) -> Estimates:
    """The estimates of the test split, one a row: the mean over the repeats where there were some."""
    return EVALUATION.pooled(cast(Estimates, content.answers["test"]))


def truths_and_values(content: ReportContent) -> tuple[Floats, Floats]:
    """Targets and estimates of the test split, one a row."""
    estimates = one_a_row(content)
    if estimates.targets is None:
        raise ValueError("`answers` must carry `targets` to be reported on. Received targets=None.")
    return estimates.targets, estimates.values


def _mean_deviation(content: ReportContent) -> float:
    targets, _ = truths_and_values(content)
    return float(np.abs(targets - targets.mean()).mean())


def baselines(content: ReportContent) -> list[tuple[str, Any]]:
    """The baselines with their mean absolute error; always the mean where none was measured."""
    return list(content.baselines.items()) or [("mean", _mean_deviation(content))]


def limit(content: ReportContent) -> float:
    """The error beyond which an estimate is no better than the mean, on average."""
    value = Score.of(dict(baselines(content)).get("mean")).value
    return _mean_deviation(content) if value is None else value


def headline(page: Page) -> Headline:
    """The mean absolute error in the target's unit."""
    test, say, unit = page.content.test, page.say, page.content.data.target_unit
    mae, n = page.content.test_score("mae"), int(test["n"])
    targets, values = truths_and_values(page.content)
    bound = limit(page.content)
    median = page.content.test_score("median_absolute_error").value
    estimated = say(
        "hero.estimated_crossed" if "folds" in test else "hero.estimated", n=n, median=main_text(page, median)
    )
    return Headline(
        figure=amount(mae.value),
        after=say("hero.off_unit", target_unit=unit) if unit else say("hero.off"),
        counted=estimated,
        expected=""
        if mae.low is None
        else say("hero.expect_off", low=amount(mae.low), high=main_text(page, mae.high)),
        wrong=int((np.abs(values - targets) > bound).sum()),
        legend=say("hero.legend_off", n=answers_per_seed(n), limit=with_unit(amount(bound, 3), page)),
    )


# ---- what to trust -----------------------------------------------------------------------------------------


def _remarks(page: Page) -> Iterable[Remark | None]:
    mae = page.content.test_score("mae")
    if mae.low is not None and mae.high is not None and mae.value:
        # Two scores of this size differ by more than chance at about 1.4 times the reach of one.
        reach = (mae.high - mae.low) / 2 * sqrt(2)
        size = page.say("unit.images", n=int(page.content.test["n"]))
        text = with_unit(amount(reach, 2), page)
        yield reach < mae.value / 4, page.say("regression.size", tested=size, reach=text)
    yield _overfitting(page)
    targets, values = truths_and_values(page.content)
    yield _bias(values - targets, page)
    yield _shape(values, np.abs(values - targets), page)
    yield _outliers(values - targets, page)
    yield _coverage_remark(page)


def _overfitting(page: Page) -> Remark | None:
    learned, mae = page.content.train_score("mae"), page.content.test_score("mae")
    if learned is None or learned[1] or mae.value is None or mae.low is None or mae.low <= learned[0]:
        return None  # an error out of fold is none of over-fitting
    texts = {"train": main_text(page, learned[0]), "test": main_text(page, mae.value)}
    return mae.value < 2 * learned[0], page.say("regression.overfitting", **texts)


def _bias(errors: Floats, page: Page) -> Remark | None:
    """Whether estimates are too high or too low on the whole."""
    if len(errors) < 2:
        return None
    mean, error = float(errors.mean()), float(errors.std(ddof=1)) / sqrt(len(errors))
    low, high = mean - z_score() * error, mean + z_score() * error
    by_chance = low <= 0 <= high
    texts = {"value": with_unit(signed(mean, 3), page), "low": signed(low, 3), "high": signed(high, 3)}
    p = p_value(erfc(abs(mean) / error / sqrt(2)) if error else float(mean == 0))
    return by_chance, page.say("regression.unbiased" if by_chance else "regression.biased", p=p, **texts)


def _shape(values: Floats, sizes: Floats, page: Page) -> Remark | None:
    """Whether errors depend on the size of the estimate: the outer thirds differ twofold, beyond chance."""
    order = np.argsort(values, kind="stable")
    third = len(values) // 3
    if third < _FEWEST_FOR_A_SHAPE // 3:
        return None
    small, large = sizes[order[:third]], sizes[order[-third:]]
    a, b = float(small.mean()), float(large.mean())
    error = sqrt(float(small.var(ddof=1) + large.var(ddof=1)) / third)
    if abs(b - a) < 3 * error or max(a, b) < 2 * min(a, b):
        return None
    texts = {"small": with_unit(amount(a, 3), page), "large": with_unit(amount(b, 3), page)}
    return False, page.say("regression.growing" if b > a else "regression.shrinking", **texts)


def _outliers(errors: Floats, page: Page) -> Remark | None:
    """Whether a fiftieth of the estimates makes up more than half of the squared error."""
    squared = np.sort(errors**2)[::-1]
    worst = max(1, len(squared) // 50)
    fraction = float(squared[:worst].sum() / (squared.sum() or 1.0))
    if len(squared) < _FEWEST_FOR_A_SHAPE or fraction < 0.5:
        return None
    return False, page.say(
        "regression.outliers", worst=page.say("unit.images", n=worst), share=percent(fraction)
    )


def _coverage_remark(page: Page) -> Remark | None:
    level, found = page.content.test.get("interval_level"), page.content.test_score("coverage")
    if level is None or found.value is None or found.high is None:
        return None
    covered = found.high >= level
    texts = {"value": percent(found.value), "span": span(found.low, found.high), "level": f"{100 * level:g}%"}
    return covered, page.say("regression.covered" if covered else "regression.uncovered", **texts)


def _limit(page: Page) -> str:
    targets, _ = truths_and_values(page.content)
    return page.say("limits.outside", low=amount(float(targets.min())), high=amount(float(targets.max())))


# ---- estimates and errors ----------------------------------------------------------------------------------


def _label(name: str, page: Page) -> str:
    """The label of an axis with the target's unit."""
    unit = page.content.data.target_unit
    return page.say(f"axis.{name}") + (f" ({unit})" if unit else "")


def agreement(page: Page) -> Values:
    """Estimates against truths on one scale, with the line of no error and a band of the mean's own error."""
    targets, values = truths_and_values(page.content)
    bound, correlation = limit(page.content), page.content.test_score("correlation").value
    low, high = widened(np.concatenate([values, targets]))
    up = amounts(low, high, _label("estimate", page))
    axes = Axes(x=amounts(low, high, _label("truth", page)), y=up, width=480 + up.room, height=500)
    reach = min(bound, high - low)
    figure = axes.drawn(
        axes.area(
            [low, low, high - reach, high, high, low + reach],
            [low, low + reach, high, high, high - reach, low],
            "band",
        ),
        axes.line([low, high], [low, high], "guess"),
        axes.cloud(targets, values, np.abs(values - targets) <= bound),
        title=page.say("agreement.title"),
        description=page.say("agreement.description", n=len(values), correlation=decimal(correlation)),
    )
    return {"figure": figure}


def residuals(page: Page) -> Values:
    """Errors by estimate, and how often each occurs."""
    targets, values = truths_and_values(page.content)
    errors, bound = values - targets, limit(page.content)
    reach = 1.08 * float(np.abs(errors).max()) or 1.0
    return {
        "figures": {
            "residuals.against": _residual_figure(values, errors, bound, reach, page),
            "residuals.spread": _error_histogram(errors, bound, reach, page),
        }
    }


def _residual_figure(values: Floats, errors: Floats, bound: float, reach: float, page: Page) -> Markup:
    """Errors against estimates, with a line at no error."""
    up = amounts(-reach, reach, page.say("axis.residual"))
    axes = Axes(x=amounts(*widened(values), _label("estimate", page)), y=up, width=400 + up.room, height=330)
    return axes.drawn(
        axes.line([axes.x.low, axes.x.high], [0, 0], "guess"),
        axes.cloud(values, errors, np.abs(errors) <= bound),
        title=page.say("residuals.against"),
        description=page.say("residuals.against_description", n=len(values)),
    )


def _error_histogram(errors: Floats, bound: float, reach: float, page: Page) -> Markup:
    """How often each error occurs, on the same scale to both sides; grey beyond the bound."""
    bins = int(np.clip(2 * ceil(sqrt(len(errors)) / 2) + 1, 5, 41))  # odd: the middle bin holds no error
    counts, edges = np.histogram(errors, bins=bins, range=(-reach, reach))
    across = amounts(-reach, reach, _label("residual", page))
    up = amounts(0.0, max(1.0, float(counts.max()) * 1.08), page.say("axis.images"))
    axes = Axes(x=across, y=up, width=430, height=330)
    near = np.abs(edges[:-1] + edges[1:]) / 2 <= bound
    low, high = np.quantile(errors, [0.25, 0.75]).tolist()
    return axes.drawn(
        *(
            axes.bars(edges[:-1][some], edges[1:][some], counts[some], class_, gap=0.7)
            for class_, some in (("bar-own", near & (counts > 0)), ("bar-other", ~near & (counts > 0)))
        ),
        title=page.say("residuals.spread"),
        description=page.say("residuals.spread_description", low=amount(low), high=amount(high)),
    )


def coverage(page: Page) -> Values | None:
    """Prediction intervals and whether they hold what they promise."""
    estimates, found, test = one_a_row(page.content), page.content.test_score("coverage"), page.content.test
    if estimates.low is None or estimates.high is None or found.value is None:
        return None
    level, width, n = test.get("interval_level"), test.get("interval_width"), int(test["n"])
    hits = {"hits": count(round(found.value * n)), "total": count(n)}
    sentences = [
        page.say("coverage.held", **hits, value=percent(found.value), span=span(found.low, found.high))
    ]
    if width is not None and isfinite(width):
        sentences.append(page.say("coverage.width", width=main_text(page, width)))
    drawn = _drawn_intervals(estimates)
    return {
        "level": "" if level is None else f"{100 * level:g}%",
        "covered": " ".join(sentences),
        "drawn": len(drawn),
        "figure": _interval_figure(estimates, drawn, page) if len(drawn) else "",
    }


def _drawn_intervals(estimates: Estimates) -> Any:
    """Index of some of the finite intervals, evenly drawn in the order of their estimates."""
    known = np.flatnonzero(np.isfinite(cast(Any, estimates.low)) & np.isfinite(cast(Any, estimates.high)))
    order = known[np.argsort(estimates.values[known], kind="stable")]
    return order[
        np.unique(np.linspace(0, len(order) - 1, min(MOST_INTERVALS, len(order))).round().astype(int))
    ]


def _interval_figure(estimates: Estimates, some: Any, page: Page) -> Markup:
    """Prediction intervals in the order of their estimates, with the truth of each."""
    columns = (estimates.low, estimates.high, estimates.values, estimates.targets)
    low, high, values, targets = (np.asarray(column)[some] for column in columns)
    ends = widened(np.concatenate([low, high, targets]))
    axes = Axes(
        x=Scale(low=-1.0, high=float(len(some)), label=page.say("axis.order")),
        y=amounts(*ends, _label("truth", page)),
        width=820,
        height=320,
        bottom=30,
    )
    order, inside = np.arange(len(some)), (low <= targets) & (targets <= high)
    marks = [
        axes.spans(order, low, order, high, "reach"),
        axes.spans(order - 0.3, values, order + 0.3, values, "middle"),
        axes.dots(order[inside], targets[inside], "near"),
        axes.dots(order[~inside], targets[~inside], "far"),
    ]
    texts = {
        "title": page.say("coverage.title"),
        "description": page.say("coverage.description", n=len(some)),
    }
    return axes.drawn(*marks, **texts)


def errors(page: Page) -> Values:
    """The largest errors: pictures where there are images, small tables where there are rows."""
    return {"examples": example_values(page, examples(page, MOST_EXAMPLES))}


def examples(page: Page, limit: int) -> list[Example]:
    """The largest errors."""
    estimates, say = one_a_row(page.content), page.say
    targets, values = truths_and_values(page.content)
    found = []
    for row in EVALUATION.worst(estimates, limit):
        path, truth, estimate = estimates.paths[row], amount(float(targets[row])), amount(float(values[row]))
        found.append(
            Example(
                path=path,
                truth=say("errors.truth", value=truth),
                answer=say("errors.estimate", value=estimate),
                detail=signed(float(values[row] - targets[row])),
                described=say("errors.picture", path=path, truth=truth, estimate=estimate),
            )
        )
    return found


def _largest(entries: Sequence[Score]) -> float:
    return max(score.high or score.value or 0.0 for score in entries) or 1.0


def _gaps(_: Page) -> Mapping[str, str]:
    return {}


TASK = ReportTask(
    group="regression",
    sections=(
        ("trust", trust),
        ("scores", scores),
        ("agreement", agreement),
        ("residuals", residuals),
        ("coverage", coverage),
        ("errors", errors),
    ),
    scores=("mae", "rmse", "median_absolute_error", "r2", "correlation", "coverage"),
    compared=("mae", "rmse", "r2"),
    lower_is_better=True,
    headline=headline,
    remarks=_remarks,
    baselines=baselines,
    examples=examples,
    answer=amount,
    largest=_largest,
    note=lambda _: "",
    gaps=_gaps,
    limit=_limit,
)
