"""A report on a regression: how far estimates miss, where they err, and whether prediction intervals hold."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from math import ceil, erfc, isfinite, sqrt
from typing import Any

import numpy as np
from markupsafe import Markup

from mindle.evaluation.intervals import z_score
from mindle.evaluation.report.abstaining import abstaining
from mindle.evaluation.report.dandelion import answers_per_seed
from mindle.evaluation.report.figures import Axes, Floats, Scale, amounts, widened
from mindle.evaluation.report.formatting import (
    Score,
    amount,
    count,
    decimal,
    interval,
    p_value,
    percent,
    signed,
)
from mindle.evaluation.report.sections import Page, Remark, Values, overall_scores, trust
from mindle.records import Estimates

MOST_EXAMPLES = 12
MOST_INTERVALS = 80
_FEWEST_FOR_A_SHAPE = 30


# ---- sections ----------------------------------------------------------------------------------------------


def agreement(page: RegressionPage) -> Values:
    """Estimates against truths on one scale, with the line of no error and a band of the mean's error."""
    targets, values = page.targets, page.answers.values
    low, high = widened(np.concatenate([values, targets]))
    up = amounts(low, high, page.label("estimate"))
    axes = Axes(x=amounts(low, high, page.label("truth")), y=up, width=480 + up.room, height=500)
    reach = min(page.bound, high - low)
    across = [low, low, high - reach, high, high, low + reach]
    correlation = decimal(page.content.test_score("correlation").value)
    figure = axes.drawn(
        axes.area(across, [low, low + reach, high, high, high - reach, low], "band"),
        axes.line([low, high], [low, high], "guess"),
        axes.cloud(targets, values, np.abs(page.errors) <= page.bound),
        title=page.say("agreement.title"),
        description=page.say("agreement.description", n=len(values), correlation=correlation),
    )
    return {"figure": figure}


def residuals(page: RegressionPage) -> Values:
    """Errors by estimate, and how often each occurs."""
    reach = 1.08 * float(np.abs(page.errors).max()) or 1.0
    return {
        "figures": {
            "residuals.against": _residual_figure(page, reach),
            "residuals.spread": _error_histogram(page, reach),
        }
    }


def _residual_figure(page: RegressionPage, reach: float) -> Markup:
    """Errors against estimates, with a line at no error."""
    values, errors = page.answers.values, page.errors
    up = amounts(-reach, reach, page.say("axis.residual"))
    axes = Axes(x=amounts(*widened(values), page.label("estimate")), y=up, width=400 + up.room, height=330)
    return axes.drawn(
        axes.line([axes.x.low, axes.x.high], [0, 0], "guess"),
        axes.cloud(values, errors, np.abs(errors) <= page.bound),
        title=page.say("residuals.against"),
        description=page.say("residuals.against_description", n=len(values)),
    )


def _error_histogram(page: RegressionPage, reach: float) -> Markup:
    """How often each error occurs, on the same scale to both sides; grey beyond the bound."""
    bins = int(np.clip(2 * ceil(sqrt(len(page.errors)) / 2) + 1, 5, 41))  # odd: the middle bin holds no error
    counts, edges = np.histogram(page.errors, bins=bins, range=(-reach, reach))
    up = amounts(0.0, max(1.0, float(counts.max()) * 1.08), page.say("axis.images"))
    axes = Axes(x=amounts(-reach, reach, page.label("residual")), y=up, width=430, height=330)
    lows, highs = edges[:-1], edges[1:]
    near, filled = np.abs(lows + highs) / 2 <= page.bound, counts > 0
    low, high = np.quantile(page.errors, [0.25, 0.75]).tolist()
    return axes.drawn(
        *(
            axes.bars(lows[some], highs[some], counts[some], class_, gap=0.7)
            for class_, some in (("bar-main", near & filled), ("bar-other", ~near & filled))
        ),
        title=page.say("residuals.spread"),
        description=page.say("residuals.spread_description", low=amount(low), high=amount(high)),
    )


def coverage(page: RegressionPage) -> Values:
    """Prediction intervals and whether they hold what they promise."""
    estimates, found, test = page.answers, page.content.test_score("coverage"), page.content.test
    if estimates.low is None or estimates.high is None or found.value is None:
        return {"covered": ""}
    level, width, n = test.get("interval_level"), test.get("interval_width"), int(test["n"])
    drawn = _drawn_intervals(estimates.low, estimates.high, estimates.values)
    return {
        "level": "" if level is None else f"{100 * level:g}%",
        "covered": page.say(
            "coverage.held",
            hits=count(round(found.value * n)),
            total=count(n),
            value=percent(found.value),
            span=interval(found.low, found.high, percent),
        ),
        "width": page.main_text(width) if width is not None and isfinite(width) else "",
        "drawn": len(drawn),
        "figure": _interval_figure(page, drawn) if len(drawn) else "",
    }


def _drawn_intervals(low: Floats, high: Floats, values: Floats) -> Any:
    """Index of some of the finite intervals, evenly drawn in the order of their estimates."""
    known = np.flatnonzero(np.isfinite(low) & np.isfinite(high))
    order = known[np.argsort(values[known], kind="stable")]
    places = np.linspace(0, len(order) - 1, min(MOST_INTERVALS, len(order)))
    return order[np.unique(places.round().astype(int))]


def _interval_figure(page: RegressionPage, some: Any) -> Markup:
    """Prediction intervals in the order of their estimates, with the truth of each."""
    columns = (page.answers.low, page.answers.high, page.answers.values, page.targets)
    low, high, values, targets = (np.asarray(column)[some] for column in columns)
    ends = widened(np.concatenate([low, high, targets]))
    axes = Axes(
        x=Scale(low=-1.0, high=float(len(some)), label=page.say("axis.order")),
        y=amounts(*ends, page.label("truth")),
        width=820,
        height=320,
        bottom=30,
    )
    order, inside = np.arange(len(some)), (low <= targets) & (targets <= high)
    return axes.drawn(
        axes.spans(order, low, order, high, "reach"),
        axes.spans(order - 0.3, values, order + 0.3, values, "middle"),
        axes.dots(order[inside], targets[inside], "near"),
        axes.dots(order[~inside], targets[~inside], "far"),
        title=page.say("coverage.title"),
        description=page.say("coverage.description", n=len(some)),
    )


# ---- the page ----------------------------------------------------------------------------------------------


class RegressionPage(Page[Estimates]):
    """A report on the numbers that a model estimates."""

    group = "regression"
    sections = {
        "trust": trust,
        "scores": overall_scores,
        "agreement": agreement,
        "residuals": residuals,
        "coverage": coverage,
        "abstaining": abstaining,
        "errors": lambda page: {"examples": page.examples(MOST_EXAMPLES)},
    }
    scores = ("mae", "rmse", "median_absolute_error", "r2", "correlation", "coverage")
    compared = ("mae", "rmse", "r2")
    lower_is_better = True

    @cached_property
    def targets(self) -> Floats:
        """The truth of the test split, one a row."""
        if self.answers.targets is None:
            raise ValueError("`answers` must carry `targets` to be reported on. Received targets=None.")
        return self.answers.targets

    @cached_property
    def errors(self) -> Floats:
        """Estimate minus truth, one a row."""
        return self.answers.values - self.targets

    @cached_property
    def bound(self) -> float:
        """The error beyond which an estimate is no better than the mean, on average."""
        value = Score.of(dict(self.baselines()).get("mean")).value
        return self._mean_deviation() if value is None else value

    def _mean_deviation(self) -> float:
        return float(np.abs(self.targets - self.targets.mean()).mean())

    def label(self, name: str) -> str:
        """The label of an axis with the target's unit."""
        unit = self.content.data.target_unit
        return self.say(f"axis.{name}") + (f" ({unit})" if unit else "")

    def headline(self) -> Values:
        """The mean absolute error in the target's unit."""
        test, say, unit = self.content.test, self.say, self.content.data.target_unit
        mae, n = self.content.test_score("mae"), int(test["n"])
        crossed = "hero.estimated_crossed" if "folds" in test else "hero.estimated"
        median = self.main_text(self.content.test_score("median_absolute_error").value)
        ends = {"low": amount(mae.low), "high": self.main_text(mae.high)}
        bound = self.with_unit(amount(self.bound, 3))
        return {
            "figure": amount(mae.value),
            "after": say("hero.off_unit", target_unit=unit) if unit else say("hero.off"),
            "counted": say(crossed, n=n, median=median),
            "expected": "" if mae.low is None else say("hero.expect_off", **ends),
            "wrong": int((np.abs(self.errors) > self.bound).sum()),
            "legend": say("hero.legend_off", n=answers_per_seed(n), limit=bound),
        }

    def baselines(self) -> list[tuple[str, Any]]:
        """The baselines with their mean absolute error; always the mean where none was measured."""
        return list(self.content.baselines.items()) or [("mean", self._mean_deviation())]

    def remarks(self) -> Iterable[Remark | None]:
        """On the size of the test split, over-fitting, and the shape of the errors."""
        mae = self.content.test_score("mae")
        if mae.low is not None and mae.high is not None and mae.value:
            # Two scores of this size differ by more than chance at about 1.4 times the reach of one.
            reach = (mae.high - mae.low) / 2 * sqrt(2)
            tested = self.say("unit.images", n=int(self.content.test["n"]))
            text = self.with_unit(amount(reach, 2))
            yield reach < mae.value / 4, self.say("regression.size", tested=tested, reach=text)
        yield self._overfitting(mae)
        yield self._bias()
        yield self._shape()
        yield self._outliers()
        yield self._coverage_remark()

    def _overfitting(self, mae: Score) -> Remark | None:
        learned = self.content.train_score("mae")
        if learned is None or learned[1] or mae.value is None or mae.low is None or mae.low <= learned[0]:
            return None  # an error out of fold is none of over-fitting
        texts = {"train": self.main_text(learned[0]), "test": self.main_text(mae.value)}
        return mae.value < 2 * learned[0], self.say("regression.overfitting", **texts)

    def _bias(self) -> Remark | None:
        """Whether estimates are too high or too low on the whole."""
        if len(self.errors) < 2:
            return None
        mean, error = float(self.errors.mean()), float(self.errors.std(ddof=1)) / sqrt(len(self.errors))
        low, high = mean - z_score() * error, mean + z_score() * error
        by_chance = low <= 0 <= high
        return by_chance, self.say(
            "regression.unbiased" if by_chance else "regression.biased",
            value=self.with_unit(signed(mean, 3)),
            low=signed(low, 3),
            high=signed(high, 3),
            p=p_value(erfc(abs(mean) / error / sqrt(2)) if error else float(mean == 0)),
        )

    def _shape(self) -> Remark | None:
        """Whether errors depend on the estimate: those of its outer thirds differ twofold, beyond chance."""
        sizes = np.abs(self.errors)[np.argsort(self.answers.values, kind="stable")]
        third = len(sizes) // 3
        if third < _FEWEST_FOR_A_SHAPE // 3:
            return None
        small, large = sizes[:third], sizes[-third:]
        a, b = float(small.mean()), float(large.mean())
        error = sqrt(float(small.var(ddof=1) + large.var(ddof=1)) / third)
        if abs(b - a) < 3 * error or max(a, b) < 2 * min(a, b):
            return None
        texts = {"small": self.with_unit(amount(a, 3)), "large": self.with_unit(amount(b, 3))}
        return False, self.say("regression.growing" if b > a else "regression.shrinking", **texts)

    def _outliers(self) -> Remark | None:
        """Whether a fiftieth of the estimates makes up more than half of the squared error."""
        squared = np.sort(self.errors**2)[::-1]
        worst = max(1, len(squared) // 50)
        fraction = float(squared[:worst].sum() / (squared.sum() or 1.0))
        if len(squared) < _FEWEST_FOR_A_SHAPE or fraction < 0.5:
            return None
        images = self.say("unit.images", n=worst)
        return False, self.say("regression.outliers", worst=images, share=percent(fraction))

    def _coverage_remark(self) -> Remark | None:
        level, found = self.content.test.get("interval_level"), self.content.test_score("coverage")
        if level is None or found.value is None or found.high is None:
            return None
        covered = found.high >= level
        return covered, self.say(
            "regression.covered" if covered else "regression.uncovered",
            value=percent(found.value),
            span=interval(found.low, found.high, percent),
            level=f"{100 * level:g}%",
        )

    def example(self, row: int) -> Values:
        """A row's number, its estimate and the error."""
        path, say = self.answers.paths[row], self.say
        truth, estimate = (amount(float(column[row])) for column in (self.targets, self.answers.values))
        return {
            "truth": say("errors.truth", value=truth),
            "answer": say("errors.estimate", value=estimate),
            "detail": signed(float(self.errors[row])),
            "described": say("errors.picture", path=path, truth=truth, estimate=estimate),
        }

    def answer(self, value: float) -> str:
        """An estimate."""
        return amount(value)

    def limit(self) -> str:
        """That it has seen no targets outside of their range."""
        low, high = float(self.targets.min()), float(self.targets.max())
        return self.say("limits.outside", low=amount(low), high=amount(high))
