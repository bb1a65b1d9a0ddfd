"""Decisions of least expected cost: what they are, what they cost, and tables that are refused."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mindle.evaluation.trust.costs import Costs, costs_of, read_costs

TABLE = [["truth", "good", "bad", "abstain"], ["bad", "20", "0", "2"], ["good", "0", "1", "2"]]


def test_the_decision_costs_least_of_all_that_could_be_taken() -> None:
    costs = costs_of(TABLE, "costs.csv")
    assert costs.classes == ("good", "bad")
    probabilities = np.random.default_rng(0).dirichlet([1, 1], 200)
    found = costs.decisions(probabilities)
    every = probabilities @ np.column_stack([costs.table, costs.abstain])
    assert np.array_equal(np.where(found < 0, 2, found), every.argmin(axis=1))
    assert set(found.tolist()) == {0, 1}  # bad costs at most 1, which is less than to abstain
    dear = Costs(classes=costs.classes, table=costs.table, abstain=np.array([0.5, 0.5]))
    assert (dear.decisions(probabilities) == -1).any()


def test_over_many_draws_no_other_rule_costs_less() -> None:
    costs = costs_of(TABLE, "costs.csv")
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet([1, 1], 4000)
    labels = (rng.random(4000) < probabilities[:, 1]).astype(np.int64)  # a calibrated model
    ours = costs.of(costs.decisions(probabilities), labels).mean()
    likeliest = costs.of(probabilities.argmax(axis=1), labels).mean()
    assert ours < 0.5 * likeliest
    others = [
        costs.of((probabilities[:, 1] > at).astype(np.int64), labels).mean() for at in np.linspace(0, 1, 21)
    ]
    assert ours <= min(others) + 1e-9 + 0.02


def test_what_is_unlike_training_is_left_to_a_person_where_that_is_a_choice() -> None:
    costs = costs_of(TABLE, "costs.csv")
    sure = np.array([[1.0, 0.0], [1.0, 0.0]])
    codes = np.array(["", "unlike_training"])
    assert costs.decisions(sure, codes).tolist() == [0, -1]
    assert costs.of(np.array([0, -1]), np.array([0, 0])).tolist() == [0.0, 2.0]
    without = Costs(classes=costs.classes, table=costs.table)
    assert without.decisions(sure, codes).tolist() == [0, 0]


def test_classes_may_come_in_any_order() -> None:
    costs = costs_of(TABLE, "costs.csv")
    turned = costs.of_classes(("bad", "good"))
    probabilities = np.random.default_rng(0).dirichlet([1, 1], 50)
    assert np.array_equal(
        np.where(
            turned.decisions(probabilities[:, ::-1]) < 0, -1, 1 - turned.decisions(probabilities[:, ::-1])
        ),
        costs.decisions(probabilities),
    )
    again = read_costs(json.loads(json.dumps(costs.document())))
    assert np.array_equal(again.table, costs.table)
    assert again.classes == costs.classes
    with pytest.raises(ValueError, match="cat, dog"):
        costs.of_classes(("cat", "dog"))


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([], "the same classes"),
        ([["truth", "a", "b"], ["a", "0", "1"]], "the same classes"),
        ([["truth", "a", "a"], ["a", "0", "1"]], "each once"),
        ([["truth", "a", "b"], ["a", "0", "1"], ["b", "1", "0"], ["b", "9", "0"]], "each once.*rows a, b, b"),
        ([["truth", "a", "b"], ["a", "0", "x"], ["b", "1", "0"]], "'a' must hold a number"),
        ([["truth", "a", "b"], ["a", "0"], ["b", "1", "0"]], "in each of 2 columns"),
        ([["truth", "a", "b"], ["a", "0", "inf"], ["b", "1", "0"]], "must hold a number"),
    ],
)
def test_tables_that_are_no_costs_are_refused(rows: list[list[str]], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        costs_of(rows, "costs.csv")


def test_a_class_may_be_called_abstain() -> None:
    costs = costs_of([["", "abstain", "b"], ["abstain", "0", "1"], ["b", "5", "0"]], "costs.csv")
    assert (costs.classes, costs.abstain) == (("abstain", "b"), None)
    assert costs.table.tolist() == [[0, 1], [5, 0]]


def test_tables_of_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="one row"):
        Costs(classes=("a", "b"), table=np.zeros((2, 3)))
    with pytest.raises(ValueError, match="finite"):
        Costs(classes=("a", "b"), table=np.full((2, 2), np.nan))
