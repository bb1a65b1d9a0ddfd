from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from mindle.evaluation.report.figures import (
    MOST_DOTS,
    Axes,
    Scale,
    amounts,
    element,
    end_labels,
    line_styles,
    series_figure,
    shares,
    shortened,
    text_width,
    ticks,
    widened,
)


def figure(series: dict[str, Any], *, x: str = "step", y: str = "loss", **options: Any) -> str:
    return series_figure({"title": "A title & more", "x": x, "y": y, "series": series}, **options)


def test_lines_end_in_their_names_and_the_last_value_is_told() -> None:
    drawn = figure({"train": [[1, 0.7], [2, 0.5]], "val": [[1, 0.8], [2, 0.75]]})
    assert "<title>A title &amp; more</title><desc>train: 0.5; val: 0.75</desc>" in drawn
    assert 'class="line train"' in drawn
    assert 'class="line val"' in drawn
    assert re.search(r'class="label">train</text>', drawn)
    assert re.search(r'class="label val">val</text>', drawn)


def test_a_constant_is_a_line_to_hold_others_against() -> None:
    points = {"loss": np.array([[1, 0.7], [2, 0.5]]), "ln 2": np.array([[1, 0.693], [2, 0.693]])}
    assert line_styles(points) == {"loss": "marked", "ln 2": "guess"}
    assert line_styles({"loss": np.array([[1, 0.7], [2, 0.7]])}) == {"loss": "marked"}


def test_many_series_keep_their_styles_apart_from_training_and_validation() -> None:
    points = {name: np.array([[1, 1.0], [2, 2.0 + at]]) for at, name in enumerate("abcdef")}
    assert list(line_styles(points).values()) == ["marked", "second", "other", "other", "other", "other"]
    mixed = dict.fromkeys(("train_loss", "val_loss", "c", "d", "e", "f"), points["a"])
    assert list(line_styles(mixed).values()) == ["train", "val", "other", "other", "other", "other"]


def test_values_far_apart_get_a_logarithmic_axis() -> None:
    drawn = figure({"norm": [[i, 10.0**i] for i in range(7)]})
    assert ">1,000,000<" in drawn
    assert ">1<" in drawn
    path = re.search(r'd="M([^"]+)" class="line marked"', drawn)
    assert path
    places = np.array([place.split() for place in path.group(1).split("L")], float)
    slopes = np.diff(places[:, 1]) / np.diff(places[:, 0])
    assert np.ptp(slopes) < 0.01  # a straight line: powers of ten are evenly spaced


def test_what_stands_still_looks_still() -> None:
    drawn = figure({"loss": [[i, 0.693 + 0.0001 * (-1) ** i] for i in range(1, 9)]})
    path = re.search(r'd="M([^"]+)" class="line marked"', drawn)
    assert path
    heights = [float(place.split()[1]) for place in path.group(1).split("L")]
    assert max(heights) - min(heights) < 2


def test_steps_have_whole_ticks() -> None:
    drawn = figure({"loss": [[1, 0.5], [4, 0.1]]})
    assert ">2.5<" not in drawn
    assert ">4<" in drawn


@pytest.mark.parametrize(
    ("points", "x"),
    [
        ([[0, 0.99], [1, 0.75]], "0 training, 1 validation"),
        ([["training", 0.99], ["validation", 0.75]], "split"),
    ],
)
def test_places_with_names_are_bars(points: list[Any], x: str) -> None:
    drawn = figure({"accuracy": points}, x=x)
    assert drawn.count("<rect") == 2
    assert "accuracy: training 0.99, validation 0.75" in drawn
    assert ">training<" in drawn
    heights = [float(height) for height in re.findall(r'height="([\d.]+)"', drawn)]
    assert heights[0] / heights[1] == pytest.approx(0.99 / 0.75, rel=0.01)


def test_several_series_of_bars_have_a_legend_and_negative_bars_hang_down() -> None:
    drawn = figure(
        {"this run": [[0, -2.0], [1, 3.0]], "usual": [[0, 0.0], [1, 1.0]]}, x="0 mean, 1 deviation"
    )
    assert drawn.count("<rect") == 4 + 2
    assert ">this run<" in drawn
    assert "nan" not in drawn


def test_what_is_no_number_is_not_drawn() -> None:
    drawn = figure({"loss": [[1, 0.5], [2, float("nan")], [3, float("inf")], [4, 0.25], [5, None]]})
    assert "loss: 0.25" in drawn
    assert "nan" not in drawn
    assert "<title>" in figure({"loss": [[1, float("nan")]]})
    assert "<title>" in figure({})


def test_shares_are_written_as_percentages() -> None:
    assert ">100%<" in figure({"val": [[1, 0.5], [2, 0.9]]}, percentages=True)


def test_names_do_not_lie_on_each_other() -> None:
    styles = dict.fromkeys("abc", "other")
    labels = end_labels([(50.0, 9.0, "a"), (52.0, 9.0, "b"), (51.0, 9.0, "c")], styles)
    heights = [float(re.search(r' y="([\d.]+)"', label).group(1)) for label in labels]  # type: ignore[union-attr]
    assert min(np.diff(heights)) >= 14.9


def test_wide_letters_take_more_room() -> None:
    assert text_width("민들레") > text_width("abc")
    assert shortened("x" * 40) == "x" * 23 + "…"


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]), (1.0, 3.0, [1.0, 1.5, 2.0, 2.5, 3.0]), (2.0, 2.0, [2.0])],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    found = ticks(low, high)
    assert set(expected) <= set(found)
    assert all(low <= tick <= high for tick in found)


def test_a_line_is_drawn_once_where_the_eye_sees_one_point() -> None:
    axes = Axes(x=shares(), y=shares())
    xs = np.linspace(0, 1, 10_000)
    assert len(axes.line(xs, xs, "other")) < 20_000
    step = axes.line([0.0, 0.0, 0.5, 1.0, 1.0], [0.0, 1.0, 1.0, 1.0, 1.0], "other")
    assert step.count("L") == 2
    assert "circle" in axes.line([0.3], [0.3], "other")
    assert axes.line([np.nan], [0.3], "other") == ""


def test_text_and_attributes_are_escaped_once() -> None:
    assert element("text", "<", element("b", "&"), class_='x"') == (
        '<text class="x&#34;">&lt;<b>&amp;</b></text>'
    )
    assert element("g", fill_opacity=0.5, width=None, r=2.0) == '<g fill-opacity="0.5" r="2"></g>'


def test_too_many_dots_become_squares() -> None:
    generator = np.random.default_rng(0)
    axes = Axes(x=Scale(low=-6, high=6), y=amounts(-6, 6, "y"))
    for n, most in ((MOST_DOTS + 1, 100_000), (200_000, 150_000)):
        xs, ys = generator.normal(size=(2, n))
        drawn = axes.cloud(xs, ys, np.abs(ys) < 0.5)
        assert "<circle" not in drawn
        assert 'class="squares"' in drawn
        assert len(drawn) < most


@pytest.mark.parametrize("values", [[3.0], [0.0, 0.0], [5.0, 5.0, 5.0]])
def test_values_without_spread_have_an_axis(values: list[float]) -> None:
    low, high = widened(np.array(values))
    assert low < min(values) <= max(values) < high


def test_a_scale_without_extent_can_still_be_drawn_on() -> None:
    axes = Axes(x=amounts(2.0, 2.0), y=amounts(0.0, 0.0))
    assert "nan" not in axes.drawn(axes.dots([2.0], [0.0], "dot"), title="t", description="d")
