"""Images with classes: how nets learn them, and how well."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation import fit_temperature
from mindle.evaluation.thresholds import fit_thresholds, held_out_answers
from mindle.messages import message
from mindle.models.classifier import ClassScores, Outputs
from mindle.records import Dataset, Diagnosis, InputSpec
from mindle.training.images.attempts import accuracy_attempt, log_softmax
from mindle.training.images.baselines import baselines, some_of_each
from mindle.training.images.diagnosis import Case, diagnose
from mindle.training.images.heads.candidates import fold_numbers
from mindle.training.loop.imbalance import WORTH_TRYING, choose_method, ratio
from mindle.training.loop.objectives import CLASSIFICATION, Objective
from mindle.training.recipe import Recipe

if TYPE_CHECKING:
    from mindle.training.images.nets import TrainedNet
    from mindle.training.images.problem import Outcome, Problem
    from mindle.training.images.selection import ModelSelection


class ImageClassification:
    """See `ImageTask`."""

    @property
    def selection(self) -> type[ModelSelection[Any]]:
        """Three kinds of head, the two best blended, and methods against class imbalance."""
        from mindle.training.images.class_selection import ClassSelection

        return ClassSelection

    def require(self, recipe: Recipe) -> None:
        """Every recipe will do."""

    def net_recipe(self, recipe: Recipe) -> Recipe:
        """The recipe as it is."""
        return recipe

    def outputs(self, problem: Problem) -> Outputs:
        """One score a class."""
        return ClassScores(problem.classes)

    def objective(self, problem: Problem) -> Objective:
        """Cross-entropy and accuracy."""
        return CLASSIFICATION

    def labels(self, problem: Problem, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Class index of each row."""
        return problem.truth[rows]

    def net_outcome(self, problem: Problem, net: TrainedNet) -> Outcome:
        """Its temperature is fitted on val, which also chose the epoch: val scores are a little too good."""
        labels, train_labels = problem.truth[problem.val], problem.truth[problem.train]
        logits = net.val_scores()  # (image, class)
        temperature = fit_temperature(log_softmax(logits), labels) if len(labels) else 1.0
        probabilities = np.exp(log_softmax(logits / temperature))
        thresholds, tried = _thresholds(net.recipe, probabilities, labels, train_labels, net.seed)
        scores, some = net.train_scores()
        right = int((scores.argmax(axis=1) == train_labels[some]).sum())
        val_right = int((logits.argmax(axis=1) == labels).sum())
        attempt = accuracy_attempt(net.name, val_right, len(labels), net.result.seconds, net.note)
        return replace(
            net.outcome(),
            temperature=temperature,
            val_answers=probabilities,
            train_scores={"n": len(some), "accuracy": right / len(some)},
            tried=({**attempt, "chosen": True}, *tried),
            thresholds=thresholds,
        )

    def diagnoses(self, problem: Problem, outcome: Outcome) -> tuple[Diagnosis, ...]:
        """Every rule."""
        case = Case(
            classes=problem.classes,
            train_labels=problem.truth[problem.train],
            val_labels=problem.truth[problem.val],
            val_probabilities=outcome.val_answers,
            train_scores=outcome.train_scores,
            history=outcome.history,
            seen=outcome.seen,
        )
        return diagnose(case)

    def baselines(
        self, dataset: Dataset, spec: InputSpec, *, cache: Path | None = None, seed: int = 0
    ) -> dict[str, float]:
        """Accuracy of the commonest class, and of colours."""
        return baselines(dataset, spec, cache=cache, seed=seed)

    def baseline_rows(self, dataset: Dataset, count: int) -> NDArray[np.int64]:
        """Evenly spaced rows, with one of each class at least."""
        return some_of_each(dataset, count)


def _thresholds(
    recipe: Recipe,
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    train_labels: NDArray[np.int64],
    seed: int,
) -> tuple[tuple[float, ...], tuple[dict[str, Any], ...]]:
    """Thresholds where the recipe asks for them, or leaves it to macro-F1 on val; and what was tried.

    Another way of training would cost the training once more, so that `auto` looks at thresholds alone.
    """
    asked, auto = recipe.train.thresholds, recipe.train.balance == "auto"
    if not len(labels) or not (asked or auto):
        return (), ()
    note: dict[str, Any] = {"name": "imbalance", "value": None, "chosen": False}
    if auto and not asked:
        if ratio(train_labels) < WORTH_TRYING:
            even = message("selection.note.no-imbalance", ratio=ratio(train_labels))
            return (), ({**note, "note": message("selection.skipped", reason=even)},)
        folds = fold_numbers(labels, np.arange(len(labels)), seed=seed)
        plain, classes = probabilities.argmax(axis=1), probabilities.shape[1]
        answers = {"thresholds": held_out_answers(probabilities, labels, folds)}
        method, reason = choose_method(labels, plain, answers, classes, seed=seed)
        note |= {"name": f"imbalance: {method}", "note": reason}
        if method == "none":
            return (), (note,)
        return tuple(fit_thresholds(probabilities, labels).tolist()), (note,)
    return tuple(fit_thresholds(probabilities, labels).tolist()), ()
