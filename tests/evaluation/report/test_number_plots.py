from __future__ import annotations

import re

import numpy as np
import pytest

from mindle.evaluation.report.number_plots import (
    MOST_DOTS,
    MOST_INTERVALS,
    agreement_figure,
    dependence_figure,
    error_histogram,
    interval_figure,
    residual_figure,
    widened,
)
from mindle.evaluation.report.words import Words, amount

EN = Words("en", "rows")


def drawn(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    truth = generator.normal(size=n)
    return truth + 0.4 * generator.normal(size=n), truth


def dots(figure: str, group: str) -> int:
    found = re.search(rf'<g class="{group}">(.*?)</g>', figure)
    return found.group(1).count("<circle") if found else 0


def test_every_estimate_is_a_dot_grey_where_it_misses_by_more_than_the_limit() -> None:
    values, truth = drawn(200)
    figure = agreement_figure(values, truth, 0.5, "m²", 0.9, EN)
    far = int((np.abs(values - truth) > 0.5).sum())
    assert (dots(figure, "near"), dots(figure, "far")) == (200 - far, far)
    assert "true value (m²)" in figure
    assert "200 estimates against their true values; correlation 0.900" in figure


def test_dots_lie_where_their_numbers_say() -> None:
    figure = agreement_figure(np.array([0.0, 4.0]), np.array([0.0, 8.0]), 1.0, "", None, EN)
    (x0, y0), (x1, y1) = (
        (float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', figure)
    )
    # the far one is drawn first: truth 8, estimate 4, half as high as it is far
    across, up = x0 - x1, y1 - y0
    assert across > 0
    assert up / across == pytest.approx((500 - 12 - 46) / (480 - 18) / 2, rel=0.02)


def test_too_many_dots_become_squares() -> None:
    values, truth = drawn(MOST_DOTS + 1)
    figure = agreement_figure(values, truth, 0.5, "", 0.9, EN)
    assert "<circle" not in figure
    assert 'class="squares"' in figure
    assert len(residual_figure(*drawn(200_000), 0.5, "", EN)) < 150_000


def test_the_histogram_counts_every_error() -> None:
    values, truth = drawn(400)
    figure = error_histogram(values, truth, 0.5, "", EN)
    heights = [float(height) for height in re.findall(r'height="([\d.]+)"', figure)]
    reach = 1.08 * float(np.abs(values - truth).max())
    counts, _ = np.histogram(values - truth, bins=21, range=(-reach, reach))
    assert len(heights) == (counts > 0).sum()
    assert max(heights) / min(heights) == pytest.approx(counts.max() / counts[counts > 0].min(), rel=0.05)
    assert 'class="bar-other"' in figure


def test_some_intervals_are_drawn_and_truths_outside_are_grey() -> None:
    values, truth = drawn(500)
    figure, shown = interval_figure(values, truth, values - 0.5, values + 0.5, "", EN)
    assert shown == MOST_INTERVALS
    assert figure.count('class="reach"') == MOST_INTERVALS
    assert figure.count('class="far"') > 0
    few, shown = interval_figure(values[:7], truth[:7], values[:7] - 5, values[:7] + 5, "", EN)
    assert (shown, few.count('class="far"')) == (7, 0)


def test_endless_intervals_are_left_out() -> None:
    values, truth = drawn(10)
    low = values - np.where(np.arange(10) < 4, np.inf, 1.0)
    assert interval_figure(values, truth, low, values + 1, "", EN)[1] == 6


def test_numbers_are_a_line_and_categories_a_dot_each() -> None:
    line = dependence_figure(
        [1.0, 2.0, 4.0],
        [0.2, 0.3, 0.9],
        category=False,
        ends=(0, 1),
        name="area",
        label="mean",
        written=amount,
    )
    assert 'class="line marked"' in line
    assert "1: 0.2; 2: 0.3; 4: 0.9" in line
    places = ["a", "b", "a very long name of a place"]
    dotted = dependence_figure(
        places, [0.2, 0.3, 0.9], category=True, ends=(0, 1), name="town", label="mean", written=amount
    )
    assert dotted.count('class="point"') == 3
    assert "a very long nam…" in dotted
    assert "a very long name of a place: 0.9" in dotted


@pytest.mark.parametrize("values", [[3.0], [0.0, 0.0], [5.0, 5.0, 5.0]])
def test_values_without_spread_have_an_axis(values: list[float]) -> None:
    low, high = widened(np.array(values))
    assert low < min(values) <= max(values) < high
    same = np.array(values)
    for figure in (agreement_figure(same, same, 0.0, "", None, EN), error_histogram(same, same, 0.0, "", EN)):
        assert "nan" not in figure
