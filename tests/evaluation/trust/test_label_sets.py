"""Label sets: how often they hold the truth, how large they are, and what others make of the same answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mindle.evaluation.trust.label_sets import (
    SCORES,
    LabelSets,
    fit_label_sets,
    held_out_sets,
    needed,
    read_label_sets,
)


def answers(count: int, classes: int = 4, *, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Calibrated probabilities, and a truth drawn from them."""
    generator = np.random.default_rng(seed)
    probabilities = generator.dirichlet(np.full(classes, 0.3), count)
    labels = (probabilities.cumsum(axis=1) > generator.random((count, 1))).argmax(axis=1)
    return probabilities, labels


def covered(sets: NDArray[Any], labels: NDArray[Any]) -> float:
    return float(sets[np.arange(len(labels)), labels].mean())


@pytest.mark.parametrize("method", SCORES)
@pytest.mark.parametrize("level", [0.9, 0.99])
def test_sets_hold_the_truth_as_often_as_promised(method: str, level: float) -> None:
    found = []
    for seed in range(20):
        probabilities, labels = answers(1000, seed=seed)
        fitted = fit_label_sets(probabilities[:500], labels[:500], level=level, method=method)
        found.append(covered(fitted.of(probabilities[500:]), labels[500:]))
    assert np.mean(found) >= level - 0.01


def test_every_class_is_covered_where_that_is_promised() -> None:
    probabilities, labels = answers(8000, 3)
    probabilities[labels == 2] = np.roll(probabilities[labels == 2], 1, axis=1)  # the model is bad at one
    known, new = slice(0, 4000), slice(4000, None)
    of_all, each = (
        fit_label_sets(probabilities[known], labels[known], per_class=per_class).of(probabilities[new])
        for per_class in (False, True)
    )
    bad = labels[new] == 2
    assert covered(of_all[bad], labels[new][bad]) < 0.85
    assert covered(each[bad], labels[new][bad]) > 0.87


def test_no_set_is_empty_and_the_named_class_is_in() -> None:
    probabilities, labels = answers(300)
    fitted = fit_label_sets(probabilities, np.where(labels >= 0, probabilities.argmax(axis=1), 0))
    named = probabilities.argsort(axis=1)[:, -2]
    assert fitted.of(probabilities).any(axis=1).all()
    assert fitted.of(probabilities, named)[np.arange(300), named].all()


def test_where_the_model_alone_is_good_enough_sets_hold_one_class() -> None:
    labels = np.arange(400) % 2
    sure = np.where((np.arange(400) % 50 == 0)[:, None], [[0.4, 0.6]], [[0.95, 0.05]])
    probabilities = np.where(labels[:, None] == 1, sure[:, ::-1], sure)
    fitted = fit_label_sets(probabilities, labels)
    assert fitted.alone > fitted.level
    assert (fitted.of(probabilities).sum(axis=1) == 1).all()


@pytest.mark.parametrize("level", [0.9, 0.95, 0.99])
def test_a_promise_is_made_from_just_enough_answers(level: float) -> None:
    count = needed(level)
    probabilities, labels = answers(count)
    enough = fit_label_sets(probabilities, labels, level=level)
    few = fit_label_sets(probabilities[1:], labels[1:], level=level)
    assert (enough.refused, few.refused) == (False, True)
    assert (few.of(probabilities).sum(axis=1) == 1).all()
    assert few.document()["limit"] == [None]


def test_a_class_with_too_few_answers_gets_no_promise() -> None:
    probabilities, labels = answers(200, 3)
    few = labels != 2
    few[np.flatnonzero(labels == 2)[:5]] = True
    fitted = fit_label_sets(probabilities[few], labels[few], per_class=True)
    assert np.isinf(fitted.limit).tolist() == [False, False, True]
    assert fitted.refused
    assert fitted.n.tolist()[2] == 5


@pytest.mark.parametrize("per_class", [False, True])
def test_answers_are_judged_by_those_of_other_folds(per_class: bool) -> None:
    probabilities, labels = answers(500)
    folds = np.arange(500) % 5
    fitted = fit_label_sets(probabilities, labels, per_class=per_class)
    sets = held_out_sets(fitted, probabilities, labels, folds)
    turned = np.where(folds == 0, (labels + 1) % 4, labels)  # what a fold holds says nothing of itself
    assert (held_out_sets(fitted, probabilities, turned, folds)[folds == 0] == sets[folds == 0]).all()
    assert abs(covered(sets, labels) - 0.9) < 0.03


def test_they_come_back_from_their_document() -> None:
    probabilities, labels = answers(100)
    for fitted in (
        fit_label_sets(probabilities, labels, per_class=True, method="raps", level=0.8),
        fit_label_sets(probabilities[:3], labels[:3]),
    ):
        again = read_label_sets(fitted.document())
        assert again.document() == fitted.document()
        assert (again.of(probabilities) == fitted.of(probabilities)).all()


@pytest.mark.parametrize(
    "change",
    [{"method": "aps"}, {"level": 1.0}, {"limit": []}, {"n": [1, 2]}, {"limit": ["x"]}, {"more": 1}],
    ids=str,
)
def test_a_document_that_means_nothing_is_refused(change: dict[str, Any]) -> None:
    document = fit_label_sets(*answers(100)).document()
    with pytest.raises(ValueError, match="`"):
        read_label_sets(document | change)


def test_raps_adds_up_what_is_likelier() -> None:
    sets = LabelSets(
        method="raps", level=0.9, penalty=0.1, limit=np.array([0.85]), n=np.array([99]), alone=0.5
    )
    # Scores: 0.5, 0.3 + 0.5 + 0.1, 0.2 + 0.8 + 0.2.
    assert sets.of(np.array([[0.2, 0.5, 0.3]])).tolist() == [[False, True, False]]
    assert SCORES["raps"](np.array([[0.2, 0.5, 0.3]]), 0.1).round(6).tolist() == [[1.2, 0.5, 0.9]]


# ---- what others make of the same answers ------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.9, 0.99])
def test_crepes_makes_the_same_sets(level: float) -> None:
    crepes = pytest.importorskip("crepes")
    (known, labels), (new, _) = answers(400), answers(600, seed=1)
    scores = 1 - known[np.arange(400), labels]
    theirs = crepes.ConformalClassifier().fit(scores).predict_set(1 - new, confidence=level, smoothing=False)
    named = np.eye(4, dtype=bool)[new.argmax(axis=1)]  # theirs may be empty
    ours = fit_label_sets(known, labels, level=level).of(new)
    assert (ours == (theirs.astype(bool) | named)).all()


@pytest.mark.slow  # importing MAPIE takes a second
@pytest.mark.parametrize("level", [0.9, 0.99])
def test_mapie_makes_the_same_sets(level: float) -> None:
    classification = pytest.importorskip("mapie.classification")
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Given(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
        """Hands probabilities on."""

        def fit(self, x: Any, y: Any) -> Any:
            self.classes_, self.is_fitted_ = np.unique(y), True
            return self

        def predict_proba(self, x: Any) -> Any:
            return np.asarray(x)

        def predict(self, x: Any) -> Any:
            return self.classes_[np.asarray(x).argmax(axis=1)]

    (known, labels), (new, _) = answers(400), answers(600, seed=1)
    model = Given().fit(known, labels)
    theirs = classification.SplitConformalClassifier(
        model, confidence_level=level, conformity_score="lac", prefit=True
    ).conformalize(known, labels)
    sets = theirs.predict_set(new)[1][:, :, 0]
    named = np.eye(4, dtype=bool)[new.argmax(axis=1)]
    assert (fit_label_sets(known, labels, level=level).of(new) == (sets | named)).all()
