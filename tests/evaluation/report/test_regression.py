from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mindle.evaluation.regression import score_estimates
from mindle.evaluation.report import Provenance, ReportContent, report_html, summary_html
from mindle.evaluation.report.formatting import amount, signed
from mindle.evaluation.report.page import page_of
from mindle.evaluation.report.regression import (
    MOST_INTERVALS,
    RegressionPage,
    agreement,
    coverage,
    residuals,
)
from mindle.records import Estimates
from tests.evaluation.report.conftest import content_of, jpeg
from tests.evaluation.report.test_page import Reader, read
from tests.evaluation.report.test_training import section

Make = Callable[..., ReportContent]
SECTIONS = (
    "trust scores agreement residuals coverage errors importance dependence training diagnosis columns "
    "data reproduce limits time"
).split()


def page_in_english(made: ReportContent) -> RegressionPage:
    page = page_of(made, "en")
    assert isinstance(page, RegressionPage)
    return page


def content(values: Any, targets: Any, **more: Any) -> ReportContent:
    test = Estimates(
        paths=tuple(f"{i}" for i in range(len(values))),
        values=np.asarray(values, np.float64),
        targets=np.asarray(targets, np.float64),
        low=more.pop("low", None),
        high=more.pop("high", None),
    )
    metrics = {"task": "regression", "test": score_estimates(test), **more.pop("metrics", {})}
    return content_of(name="numbers", metrics=metrics, answers={"test": test}, **more)


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_report_on_numbers_has_every_section(estimated: Make, lang: str) -> None:
    page = read(estimated(), lang)
    found = [section["id"] for section in page.all("section")]
    assert set(found) == set(SECTIONS) - {"reproduce"}
    assert [link["href"] for link in page.all("a")][1:] == [f"#{name}" for name in found]
    assert "confusion" not in found


def test_the_headline_is_the_mean_error_in_the_targets_unit(estimated: Make) -> None:
    made = estimated()
    mae = made.test["mae"]
    page = read(made)
    assert f"{amount(mae['value'])} k$ mean absolute error" in page.words
    assert f"between {amount(mae['low'])} and {amount(mae['high'])} k$" in page.words
    assert "120 test rows were estimated" in page.words


def test_seeds_are_blown_away_where_the_mean_would_have_missed_less() -> None:
    made = content([0.0, 0, 0, 0, 10], [0.0, 1, 2, 3, 4])
    assert page_in_english(made).bound == pytest.approx(1.2)  # mean absolute deviation of 0 … 4
    text = report_html(made)
    assert "2 of 5 answers are right" in text


def test_what_the_mean_was_measured_to_miss_by_counts_before_the_tests_own(estimated: Make) -> None:
    assert page_in_english(estimated()).bound == 6.4
    assert [name for name, _ in page_in_english(estimated()).baselines()] == ["mean", "linear"]
    assert page_in_english(content([1.0, 2.0], [1.0, 3.0])).baselines() == [("mean", 1.0)]


def test_a_model_no_better_than_the_mean_is_called_so(estimated: Make) -> None:
    assert (
        "It clearly beats the best of the simplest baselines (always the mean, off by 6.4 k$)"
        in read(estimated()).words
    )
    assert "It is not clearly better than the simplest baseline" in read(estimated(spread=1.5)).words


def test_a_linear_model_as_good_is_named(estimated: Make) -> None:
    assert "A simpler model does as well: linear model, 3.5 k$" in read(estimated()).words
    assert "A simpler model" not in read(estimated(spread=0.2)).words


def remark(made: ReportContent) -> str:
    return read(made).words


def test_a_lean_to_one_side_is_named() -> None:
    truth = np.linspace(0, 10, 60)
    noise = np.random.default_rng(0).normal(size=60)
    assert "It is biased: its estimates are +2" in remark(content(truth + 2 + 0.1 * noise, truth))
    assert "Its errors are centred on zero" in remark(content(truth + noise, truth))


def test_errors_that_grow_with_the_estimate_are_named() -> None:
    generator = np.random.default_rng(1)
    truth = np.linspace(1, 10, 200)
    fan = content(truth + 0.2 * truth * generator.normal(size=200), truth)
    assert "Its errors grow with its estimates" in remark(fan)
    even = content(truth + generator.normal(size=200), truth)
    assert "Its errors grow" not in remark(even)
    back = content(truth + 0.1 * (11 - truth) * generator.normal(size=200), truth)
    assert "Its errors shrink" in remark(back)


def test_a_few_wild_misses_are_named() -> None:
    generator = np.random.default_rng(2)
    truth = np.linspace(0, 10, 100)
    values = truth + 0.2 * generator.normal(size=100)
    assert "A few estimates miss by far" not in remark(content(values, truth))
    values[7] += 40
    assert "the worst 2 images make up 99" in remark(content(values, truth))


def test_intervals_are_checked_for_their_coverage() -> None:
    truth = np.linspace(0, 10, 100)
    values = truth + np.random.default_rng(3).normal(size=100)
    wide = content(values, truth, low=values - 2.5, high=values + 2.5)
    assert "Its prediction intervals hold:" in remark(wide)
    thin = content(values, truth, low=values - 0.3, high=values + 0.3)
    assert "hold too few truths" in remark(thin)
    endless = content(values, truth, low=np.full(100, -np.inf), high=np.full(100, np.inf))
    assert "100 of 100 truths lie inside" in remark(endless)


def test_over_fitting_is_said_where_the_training_error_is_known(estimated: Make) -> None:
    assert "On its training data it is off by 1 k$" in read(estimated()).words
    without = estimated()
    assert "On its training data" not in read(estimated(metrics={**without.metrics, "train": {}})).words


def test_the_largest_errors_come_first_with_their_cells(estimated: Make) -> None:
    made = estimated()
    errors = page_in_english(made).errors
    largest = errors[np.argsort(-np.abs(errors))[:12]]
    shown = re.findall(r"<strong>([+−][\d.]+)</strong>", section(made, "errors"))
    assert shown == [signed(error) for error in largest]
    page = read(made)
    assert len(page.all("article")) == 12 + 2  # and two diagnoses
    assert page.words.count("33.25") == 12
    assert page.words.index("area 33.25") < page.words.index("town <b> 서울")  # the important column first


def test_images_show_as_pictures(estimated: Make, is_jpeg: Callable[[str], bool]) -> None:
    nothing: dict[str, Any] = dict.fromkeys(("columns", "importance", "dependence"), ())
    made = estimated(**nothing, unit="images", rows={}, pictures={str(i): jpeg() for i in range(1, 121)})
    page = read(made)
    assert len(page.all("img")) == 12
    assert all(is_jpeg(image["src"]) for image in page.all("img"))
    assert "120 test images were estimated" in page.words


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_page_about_rows_never_speaks_of_images(estimated: Make, classified_rows: Make, lang: str) -> None:
    for made in (
        estimated(diagnoses=()), estimated(repeats=3, diagnoses=()), classified_rows(), classified_rows(3)
    ):  # fmt: skip
        quiet = replace(made, data=replace(made.data, findings=()), provenance=Provenance())
        said = read(quiet, lang).words
        assert not re.search(r"\b(image|photo|picture)s?\b|이미지|사진", said, flags=re.I)


def test_repeated_cross_validation_is_explained(estimated: Make) -> None:
    page = read(estimated(repeats=3))
    assert "4-fold cross-validation × 3" in page.words
    assert "Evaluated by 4-fold cross-validation, 3 times:" in page.words
    assert "each by models that had never seen it" in page.words
    assert "evaluated once" not in page.words
    assert "Nadeau and Bengio" in page.words


@pytest.mark.parametrize(
    ("values", "targets"),
    [([1.0], [2.0]), ([1.0, 1.0], [5.0, 5.0]), ([1.0, 2.0], [1.0, 2.0]), ([0.0] * 9, np.arange(9.0))],
)
def test_odd_estimates_make_a_whole_page(values: Any, targets: Any) -> None:
    made = content(values, targets)
    for lang in ("en", "ko"):
        words = read(made, lang).words
        assert amount(made.test["mae"]["value"]) in words
        assert not re.search(r"\b(nan|inf|None)\b", words)


def test_many_estimates_make_a_small_page() -> None:
    truth = np.random.default_rng(0).normal(size=10_000)
    assert len(report_html(content(truth + 0.1, truth))) < 600_000


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_the_summary_tells_the_error(estimated: Make, lang: str) -> None:
    text = summary_html(estimated(), lang=lang)
    page = Reader(text)
    assert page.problems == []
    assert "k$" in page.words
    assert amount(estimated().test["rmse"]["value"]) in page.words


def dots(figure: str, group: str) -> int:
    return sum(found.count("<circle") for found in re.findall(rf'<g class="{group}">(.*?)</g>', figure))


def drawn(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=n)
    return truth + 0.4 * generator.normal(size=n), truth


def test_every_estimate_is_a_dot_grey_where_it_misses_by_more_than_the_limit() -> None:
    values, truth = drawn(200)
    made = content(values, truth, metrics={"baselines": {"mean": 0.5}}, target_unit="m²")
    figure = agreement(page_in_english(made))["figure"]
    far = int((np.abs(values - truth) > 0.5).sum())
    assert (dots(figure, "near"), dots(figure, "far")) == (200 - far, far)
    assert "true value (m²)" in figure
    assert "200 estimates against their true values; correlation 0.9" in figure


def test_dots_lie_where_their_numbers_say() -> None:
    made = content([0.0, 4.0], [0.0, 8.0], metrics={"baselines": {"mean": 1.0}})
    figure = agreement(page_in_english(made))["figure"]
    (x0, y0), (x1, y1) = (
        (float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', figure)
    )
    # the far one is drawn first: truth 8, estimate 4, half as high as it is far
    across, up = x0 - x1, y1 - y0
    assert across > 0
    assert up / across == pytest.approx((500 - 12 - 46) / (480 - 18) / 2, rel=0.02)


def test_the_histogram_counts_every_error() -> None:
    values, truth = drawn(400)
    made = content(values, truth, metrics={"baselines": {"mean": 0.5}})
    figure = residuals(page_in_english(made))["figures"]["residuals.spread"]
    heights = [float(height) for height in re.findall(r'height="([\d.]+)"', figure)]
    reach = 1.08 * float(np.abs(values - truth).max())
    counts, _ = np.histogram(values - truth, bins=21, range=(-reach, reach))
    assert len(heights) == (counts > 0).sum()
    assert max(heights) / min(heights) == pytest.approx(counts.max() / counts[counts > 0].min(), rel=0.05)
    assert 'class="bar-other"' in figure


def intervals(values: Any, truth: Any, low: Any, high: Any) -> tuple[str, int]:
    shown = coverage(page_in_english(content(values, truth, low=low, high=high)))
    return shown["figure"], shown["drawn"]


def test_some_intervals_are_drawn_and_truths_outside_are_grey() -> None:
    values, truth = drawn(500)
    figure, shown = intervals(values, truth, values - 0.5, values + 0.5)
    reach = re.search(r'd="([^"]+)" class="reach"', figure)
    assert reach
    assert shown == reach.group(1).count("M") == MOST_INTERVALS
    assert dots(figure, "far") > 0
    few, shown = intervals(values[:7], truth[:7], values[:7] - 5, values[:7] + 5)
    assert (shown, dots(few, "far")) == (7, 0)


def test_endless_intervals_are_not_drawn() -> None:
    values, truth = drawn(10)
    low = values - np.where(np.arange(10) < 4, np.inf, 1.0)
    assert intervals(values, truth, low, values + 1)[1] == 6
