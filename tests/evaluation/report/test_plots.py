from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn import metrics as theirs

from mindle.evaluation.calibration import reliability_bins
from mindle.evaluation.report import plots
from mindle.evaluation.report.words import Words

EN = Words("en")


def test_curves_have_the_areas_that_scikit_learn_computes() -> None:
    generator = np.random.default_rng(0)
    own = generator.random(300) < 0.3
    scores = (generator.normal(size=300) + own).round(1)  # with ties
    x, y = plots.roc_points(scores, own)
    assert float(np.trapezoid(y, x)) == pytest.approx(theirs.roc_auc_score(own, scores))
    recall, precision = plots.precision_recall_points(scores, own)
    area = float(np.sum(np.diff(recall) * precision[1:]))
    assert area == pytest.approx(theirs.average_precision_score(own, scores))


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]), (1.0, 3.0, [1.0, 1.5, 2.0, 2.5, 3.0]), (2.0, 2.0, [2.0])],
)
def test_ticks_are_round(low: float, high: float, expected: list[float]) -> None:
    found = plots.ticks(low, high)
    assert set(expected) <= set(found)
    assert all(low <= tick <= high for tick in found)


def test_a_line_is_drawn_once_where_the_eye_sees_one_point() -> None:
    xs = np.linspace(0, 1, 10_000)
    line = plots.Axes().line(xs, xs, "other")
    assert len(line) < 20_000
    step = plots.Axes().line(
        np.array([0.0, 0.0, 0.5, 1.0, 1.0]), np.array([0.0, 1.0, 1.0, 1.0, 1.0]), "other"
    )
    assert step.count("L") == 2
    assert "circle" in plots.Axes().line(np.array([0.3]), np.array([0.3]), "other")
    assert plots.Axes().line(np.array([np.nan]), np.array([0.3]), "other") == ""


@pytest.mark.parametrize(("n", "wrong"), [(1, 0), (1, 1), (450, 34), (10_000, 1), (10_000, 9_000)])
def test_seeds_stay_in_the_picture_and_lose_none(n: int, wrong: int) -> None:
    drawing = plots.seeds(n, wrong, EN)
    kept, gone = (
        drawing.split(f'class="{name}"')[1].split("</g></g>")[0].count("<circle") for name in ("gone", "kept")
    )
    assert "nan" not in drawing
    assert drawing.count("<circle") <= 510
    assert (drawing.count("<circle") == n) == (n <= 500)
    assert kept >= (wrong > 0) or gone >= (wrong > 0)
    xs = [float(x) for x in re.findall(r'cx="([\d.]+)"', drawing)]
    assert all(0 <= x <= 480 for x in xs)


def test_history_draws_what_there_is() -> None:
    rows = [
        {"epoch": "1", "train_loss": "0.9", "rate": "0.1"},
        {"epoch": "2", "train_loss": "", "rate": "0.1"},
    ]
    assert len(plots.history_figures(rows, EN)) == 1
    assert plots.history_figures([{"rate": 1.0}], EN) == []
    both = plots.history_figures(
        [{"train_accuracy": 0.5, "val_accuracy": 0.5, "train_loss": 1, "val_loss": 1}], EN
    )
    assert len(both) == 2
    labels = [float(y) for y in re.findall(r'y="([\d.]+)" class="label', both[0])]
    assert abs(labels[0] - labels[1]) >= 15


def test_reliability_says_its_numbers() -> None:
    bins = reliability_bins(np.array([[0.9, 0.1], [0.9, 0.1]]), np.array([0, 1]))
    drawing = plots.reliability_figure(bins, EN)
    assert "90.0% → 50.0% (2)" in drawing
    assert drawing.count('class="point"') == 1


def test_a_confusion_map_has_a_square_for_every_pair_that_occurs() -> None:
    matrix = np.diag([5] * 30)
    matrix[0, 7] = 3
    drawing = plots.confusion_map(matrix.tolist(), [f"<{i}>" for i in range(30)], EN, numbered=True)
    squares = "".join(re.findall(r'<path d="([^"]+)" class="(?:right|wrong)"', drawing))
    assert squares.count("z") == 31
    assert drawing.count(">5<") == 30
    assert drawing.count(">3<") == 1
    assert "&lt;29&gt;" in drawing


def test_a_thousand_classes_have_no_names_in_the_overview() -> None:
    drawing = plots.confusion_map(np.eye(1000, dtype=int).tolist(), ["name"] * 1000, EN, numbered=False)
    assert "name" not in drawing.split("</desc>")[1]
