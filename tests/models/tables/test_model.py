"""Whole models: members weighed together, and what they refuse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mindle.models.tables.encoder import fit_encoder
from mindle.models.tables.model import ClassificationModel, Member, RegressionModel, TableModel, softmax
from mindle.models.tables.scorers import Linear

NONE = np.empty((3, 0), object)
NUMBERS = np.array([[-1.0], [0.0], [1.0]])


def linear(weight: float, offset: float, outputs: int = 1) -> Linear:
    weights = np.zeros((1, outputs))
    weights[0, -1] = weight
    return Linear(weights=weights, offset=np.full(outputs, offset))


def model(*members: Member, classes: tuple[str, ...] = ()) -> TableModel:
    kind = ClassificationModel if classes else RegressionModel
    return kind(
        task="binary" if classes else "regression",
        classes=classes,
        number_names=("n",),
        category_names=(),
        encoder=replace(fit_encoder(NUMBERS, NONE, np.zeros((3, 1))), scales=np.ones(1)),
        members=members,
        centre=0.0 if classes else 100.0,
        scale=1.0 if classes else 10.0,
    )


def test_estimates_are_weighed_and_go_back_to_the_targets_unit() -> None:
    two = model(
        Member(name="a", view="linear", model=linear(1.0, 0.0), weight=0.75),
        Member(name="b", view="trees", model=linear(0.0, 4.0), weight=0.25),
    )
    assert two.outputs(NUMBERS, NONE)["estimate"].tolist() == [102.5, 110.0, 117.5]
    assert list(two.outputs(NUMBERS, NONE)) == ["estimate", "features"]
    assert (two.outputs(NUMBERS, NONE)["features"] == two.encoder.view("linear", NUMBERS, NONE)).all()
    assert replace(two, folds=(two, two)).outputs(NUMBERS, NONE)["fold_estimates"].shape == (3, 2)


def test_probabilities_sum_to_one_and_are_cooled() -> None:
    warm = model(
        Member(name="a", view="linear", model=linear(3.0, 0.0, 2), temperature=2.0), classes=("no", "yes")
    )
    answers = warm.outputs(NUMBERS, NONE)["probabilities"]
    assert answers[:, 1] == pytest.approx(1 / (1 + np.exp(-1.5 * NUMBERS[:, 0])))
    cold = replace(warm, temperature=0.5).answers(NUMBERS, NONE)
    assert cold.sum(axis=1) == pytest.approx(np.ones(3))
    assert cold == pytest.approx(warm.blended(answers, 0.5))
    assert cold[2, 1] > answers[2, 1]


def test_large_logits_stay_finite() -> None:
    assert softmax(np.array([[1e4, 0.0]])).tolist() == [[1.0, 0.0]]


def test_other_columns_are_refused() -> None:
    one = model(Member(name="a", view="linear", model=linear(1.0, 0.0)))
    with pytest.raises(ValueError, match=r"`numbers` must be \(row, 1\): n. Received \(3, 2\)"):
        one.answers(np.zeros((3, 2)), NONE)
    with pytest.raises(ValueError, match="`view` must be one of linear, trees"):
        Member(name="a", view="pixels", model=linear(1.0, 0.0))
