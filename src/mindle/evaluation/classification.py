"""Classes: what their answers are scored, compared and listed by; see `mindle.evaluation.family`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.family import Evaluation, Outputs, Paths, Reading, Truth
from mindle.evaluation.intervals import Floats
from mindle.evaluation.metrics import checked_predictions, measured, score
from mindle.evaluation.paired import (
    Difference,
    Measure,
    mcnemar,
    paired_difference,
    require_same_classes,
)
from mindle.evaluation.thresholds import named_classes
from mindle.evaluation.trust.abstention import Abstention
from mindle.evaluation.trust.fitting import Fitted, parts_of
from mindle.evaluation.trust.label_sets import held_out_sets
from mindle.evaluation.trust.scores import calibration_scores, cost_scores, set_scores
from mindle.records import Predictions

_LEAST = 1e-30  # the smallest probability whose logarithm counts; float32 holds 1e-38


class Classification(Evaluation[Predictions]):
    """What evaluation does for a task whose answers are `Predictions`."""

    main = "accuracy"
    number = "{:.1%}"
    baseline = "majority"
    compared = ("accuracy", "macro_f1", "log_loss")
    truth = "labels"
    columns = ("probabilities",)

    def answers(self, outputs: Outputs, reading: Reading, paths: Paths, truth: Truth = None) -> Predictions:
        """The probabilities of a graph, and the classes that thresholds name."""
        probabilities = np.asarray(outputs["probabilities"], np.float64)
        thresholds = reading.thresholds
        named = None if thresholds is None else named_classes(probabilities, thresholds)
        return Predictions(
            classes=reading.classes,
            paths=paths,
            probabilities=probabilities,
            answers=named,
            labels=truth,
        )

    def trusted(self, answers: Predictions, outputs: Outputs, reading: Reading) -> Predictions:
        """Label sets and decisions too."""
        answers, abstention = super().trusted(answers, outputs, reading), reading.abstention
        if abstention is None:
            return answers
        if abstention.label_sets is not None:
            sets = abstention.label_sets.of(answers.probabilities, answers.predicted)
            answers = replace(answers, sets=sets)
        return _decided(answers, abstention)

    def trusted_out_of_fold(self, answers: Predictions, fitted: Fitted, at: NDArray[np.int64]) -> Predictions:
        """Label sets, in which the named class is, and decisions too."""
        answers = _decided(super().trusted_out_of_fold(answers, fitted, at), fitted.abstention)
        if fitted.sets is None:
            return answers
        named = np.arange(len(answers.classes)) == answers.predicted[:, None]  # (row, class)
        return replace(answers, sets=fitted.sets[at] | named)

    def trusted_across(self, answers: Predictions, abstention: Abstention) -> Predictions:
        """Label sets, by the answers that the same repeat gave to the rows of its other folds."""
        sets, labels = abstention.label_sets, self.known_truth(answers)
        if sets is None:
            return answers
        folds = np.zeros(len(answers), np.int64) if answers.folds is None else answers.folds
        found = [
            held_out_sets(
                sets,
                answers.probabilities[rows],
                labels[rows],
                parts_of(folds[rows]),
                answers.predicted[rows],
            )
            for rows in np.split(np.arange(len(answers)), answers.repeats)
        ]
        return replace(answers, sets=np.concatenate(found))

    def losses(self, answers: Predictions) -> Floats:
        """1 where another class is named."""
        return np.asarray(answers.predicted != self.known_truth(answers), np.float64)

    def certainty(self, answers: Predictions) -> Floats:
        """The probability of the class that is named."""
        return np.asarray(answers.probabilities[np.arange(len(answers)), answers.predicted])

    def trust_scores(
        self, answers: Predictions, abstention: Abstention, *, temperature: float | None = None, seed: int = 0
    ) -> dict[str, Any]:
        """Calibration, label sets and costs too."""
        labels, repeats = np.asarray(self.known_truth(answers), np.int64), answers.repeats
        found = super().trust_scores(answers, abstention, temperature=temperature, seed=seed)
        found |= calibration_scores(answers.probabilities, labels, temperature=temperature, repeats=repeats)
        if answers.sets is not None and abstention.label_sets is not None:
            found["conformal"] = set_scores(answers.sets, labels, abstention.label_sets, repeats=repeats)
        if answers.decisions is not None and abstention.costs is not None:
            costs = abstention.costs
            without = replace(costs, abstain=None).decisions(answers.probabilities)
            found |= cost_scores(costs.of(answers.decisions, labels), costs.of(without, labels), seed=seed)
        return found

    def outputs_of(self, values: Floats) -> dict[str, Floats]:
        """Probabilities (row, class)."""
        return {"probabilities": values}

    def evidence(self, outputs: Outputs) -> Floats:
        """The log-odds of each class against all others.

        Near 1 a probability says little of how much more a class could lose; its log-odds do. The others are
        summed, because 1 - p would keep none of the digits of a sure answer.

        Example:
            >>> Classification().evidence({"probabilities": np.array([[0.5, 0.25, 0.25]])}).round(2).tolist()
            [[0.0, -1.1, -1.1]]
        """
        probabilities = np.asarray(outputs["probabilities"], np.float64)
        others = probabilities @ (1 - np.eye(probabilities.shape[1]))
        return np.log(np.maximum(probabilities, _LEAST)) - np.log(np.maximum(others, _LEAST))

    def explained(self, answers: Predictions) -> NDArray[np.int64]:
        """The class that is named."""
        return answers.predicted

    def score(self, answers: Predictions, *, seed: int = 0) -> dict[str, Any]:
        """See `mindle.evaluation.score`."""
        return score(answers, seed=seed)

    def pooled(self, answers: Predictions) -> Predictions:
        """Of the mean over the repeats the likeliest class is named."""
        return super().pooled(answers if answers.repeats == 1 else replace(answers, answers=None, sets=None))

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
        wrong = np.flatnonzero(named != self.known_truth(answers))
        order = np.argsort(-answers.probabilities[wrong, named[wrong]], kind="stable")
        rows: list[int] = wrong[order][:limit].tolist()
        return rows

    def cells(self, answers: Predictions, rows: list[int]) -> dict[str, list[Any]]:
        """Label, answer and confidence."""
        named = answers.predicted[rows]
        return {
            "label": self.spelled(answers)[rows].tolist(),
            "predicted": np.array(answers.classes, object)[named].tolist(),
            "confidence": answers.probabilities[rows, named].tolist(),
        }

    def spelled(self, answers: Predictions) -> NDArray[Any]:
        """The name of each row's class."""
        names: NDArray[Any] = np.array(answers.classes, object)[self.known_truth(answers)]
        return names

    def matched(self, first: Predictions, second: Predictions) -> Predictions:
        """The second model's answers in the order of the first one's rows and classes."""
        require_same_classes(first.classes, second.classes)
        checked_predictions(first)
        probabilities, labels = checked_predictions(second)
        columns = [second.classes.index(name) for name in first.classes]
        index = np.argsort(columns)  # of the second one's class in the first one's list
        ordered = replace(
            second,
            classes=first.classes,
            probabilities=probabilities[:, columns],
            labels=index[labels],
            answers=None if second.answers is None else index[second.answers],
            sets=None if second.sets is None else second.sets[:, columns],
            decisions=None if second.decisions is None else np.append(index, -1)[second.decisions],
        )
        return super().matched(first, ordered)

    def measure(self, first: Predictions, second: Predictions) -> Measure:
        """The scores of draws of rows, from the answers of both one after the other."""
        columns = [(each.probabilities, self.known_truth(each), each.predicted) for each in (first, second)]
        return measured(*(np.concatenate(pair) for pair in zip(*columns, strict=True)))

    def exact(self, first: Predictions, second: Predictions) -> tuple[Difference, ...]:
        """Newcombe's interval and McNemar's exact test from the four counts of right and wrong."""
        one, two = (each.predicted == self.known_truth(each) for each in (first, second))
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


def _decided(answers: Predictions, abstention: Abstention) -> Predictions:
    """The same with decisions, where costs are known."""
    if abstention.costs is None:
        return answers
    return replace(answers, decisions=abstention.costs.decisions(answers.probabilities, answers.abstain))
