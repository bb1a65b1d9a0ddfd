"""Classes: what their answers are scored, compared and listed by; see `mindle.evaluation.tasks`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.conformal import Calibration
from mindle.evaluation.metrics import (
    checked_predictions,
    log_losses,
    macro_scores,
    score,
    tally_resamples,
)
from mindle.evaluation.paired import (
    Difference,
    Floats,
    Ints,
    Measure,
    mcnemar,
    paired_difference,
    require_same_classes,
    require_same_truth,
    row_order,
)
from mindle.evaluation.thresholds import named_classes
from mindle.messages import Message, message
from mindle.records import Predictions


class Classification:
    """What evaluation does for a task whose answers are `Predictions`."""

    main = "accuracy"
    number = "{:.1%}"
    baseline = "majority"

    def answers(
        self,
        outputs: Mapping[str, NDArray[np.floating[Any]]],
        paths: tuple[str, ...],
        *,
        classes: tuple[str, ...] = (),
        thresholds: Floats | None = None,
        calibration: Calibration | None = None,
        truth: NDArray[Any] | None = None,
    ) -> Predictions:
        """The probabilities of a graph, and the classes that thresholds name."""
        probabilities = np.asarray(outputs["probabilities"], np.float64)
        return Predictions(
            classes=classes,
            paths=paths,
            probabilities=probabilities,
            answers=None if thresholds is None else named_classes(probabilities, thresholds),
            labels=truth,
        )

    def outputs_of(self, values: Floats) -> dict[str, Floats]:
        """Probabilities (row, class)."""
        return {"probabilities": values}

    def score(self, answers: Predictions, *, seed: int = 0) -> dict[str, Any]:
        """See `mindle.evaluation.score`."""
        return score(answers, seed=seed)

    def point(self, answers: Predictions) -> float:
        """Accuracy."""
        return float((answers.predicted == _labels(answers)).mean())

    def headline(self, scores: Mapping[str, Any]) -> Message:
        """Accuracy with its interval."""
        value, low, high = (self.number.format(end) for end in scores["accuracy"].values())
        return message("evaluation.accuracy", value=value, low=low, high=high, n=scores["n"])

    def constant_baseline(self, value: float) -> Message:
        """How often the most common class is right."""
        return message("evaluation.majority", value=self.number.format(value))

    def pooled(self, answers: Predictions) -> Predictions:
        """One answer a row: the mean over the repeats where there were some."""
        if answers.repeats == 1:
            return answers
        rows = len(answers) // answers.repeats
        return replace(
            answers,
            paths=answers.paths[:rows],
            probabilities=answers.probabilities.reshape(answers.repeats, rows, -1).mean(axis=0),
            labels=None if answers.labels is None else answers.labels[:rows],
            answers=None,
            repeats=1,
            folds=None,
        )

    def worst(self, answers: Predictions, limit: int | None = None) -> list[int]:
        """Rows of the wrong answers, the most confident first.

        The images to look at first: a mislabelled file, an odd crop, or a class the model never understood.

        Example:
            >>> Classification().worst(Predictions(
            ...     classes=("cat", "dog"), paths=("a", "b", "c"),
            ...     probabilities=np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), labels=np.array([1, 1, 1])))
            [0, 2]
        """
        named = answers.predicted
        wrong = np.flatnonzero(named != _labels(answers))
        order = np.argsort(-answers.probabilities[wrong, named[wrong]], kind="stable")
        rows: list[int] = wrong[order][:limit].tolist()
        return rows

    def errors(self, answers: Predictions) -> dict[str, list[Any]]:
        """The columns of a table of the wrong answers, the most confident first."""
        rows, classes = self.worst(answers), np.array(answers.classes, object)
        named = answers.predicted[rows]
        return {
            "path": [answers.paths[row] for row in rows],
            "label": classes[_labels(answers)[rows]].tolist(),
            "predicted": classes[named].tolist(),
            "confidence": answers.probabilities[rows, named].tolist(),
        }

    def matched(self, first: Predictions, second: Predictions) -> Predictions:
        """The second model's answers in the order of the first one's rows and classes."""
        require_same_classes(first.classes, second.classes)
        (_, truth), (probabilities, labels) = checked_predictions(first), checked_predictions(second)
        order = row_order(first, second)
        columns = [second.classes.index(name) for name in first.classes]
        index = np.argsort(columns)  # of the second one's class in the first one's list
        names = np.array(first.classes)
        require_same_truth(first.paths, names[truth], names[index[labels[order]]])
        return replace(
            second,
            classes=first.classes,
            paths=first.paths,
            probabilities=probabilities[order][:, columns],
            labels=index[labels[order]],
            answers=None if second.answers is None else index[second.answers[order]],
            folds=None if second.folds is None else second.folds[order],
        )

    def measure(self, first: Predictions, second: Predictions) -> Measure:
        """The scores of draws of rows, from the answers of both one after the other."""
        probabilities = np.concatenate([first.probabilities, second.probabilities])
        labels = np.concatenate([_labels(first), _labels(second)])
        answers = np.concatenate([first.predicted, second.predicted])
        right, losses, classes = answers == labels, log_losses(probabilities, labels), len(first.classes)

        def measure(at: Ints) -> dict[str, Floats]:
            return {
                "accuracy": right[at].mean(axis=1),
                "macro_f1": macro_scores(tally_resamples(at, labels, answers, right, classes))["macro_f1"],
                "log_loss": losses[at].mean(axis=1),
            }

        return measure

    def exact(self, first: Predictions, second: Predictions) -> tuple[Difference, ...]:
        """Newcombe's interval and McNemar's exact test from the four counts of right and wrong."""
        one, two = (each.predicted == _labels(each) for each in (first, second))
        both, gained, lost = int((one & two).sum()), int((~one & two).sum()), int((one & ~two).sum())
        low, high = paired_difference(both, gained, lost, len(one))
        accuracy = Difference(
            name="accuracy",
            first=float(one.mean()),
            second=float(two.mean()),
            value=(gained - lost) / len(one),
            low=low,
            high=high,
            chance=mcnemar(gained, lost),
            interval="newcombe",
            test="mcnemar",
        )
        return (accuracy,)


def _labels(answers: Predictions) -> Ints:
    if answers.labels is None:
        raise ValueError("`predictions` must carry `labels` to find mistakes. Received labels=None.")
    return answers.labels
