"""How good a recipe of a table is, judged without the test part: one trial of a search over tables.

The rows that may be learned from are cross-validated, by the same folds in every trial. After each fold the
value so far is told, so that a trial that does worse than others did by then can be given up. The value is
the cross-entropy of calibrated answers, or the root mean squared error; lower is better.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mindle.models.tables.encoder import VIEWS
from mindle.training.budget import Deadline, TimeUp
from mindle.training.loop.batches import draw
from mindle.training.recipe import Recipe, TableSettings
from mindle.training.search.judge import Pruned, Report, Score, go_on
from mindle.training.tables import tasks
from mindle.training.tables.learners import Fitted, Learner, learners
from mindle.training.tables.passes import (
    Floats,
    Prepared,
    Rows,
    TableProblem,
    prepare,
    skip_reason,
    threads_of,
)
from mindle.training.tables.stacking import choose_weights, mixed_answers

# What `choices` of `table.models` may name instead of listing it.
MODELS = "models"


def candidates(problem: TableProblem, rows: Rows, wished: Sequence[str] = ()) -> tuple[tuple[str, ...], ...]:
    """What "models" in a space stands for: all models that suit the table together, and each alone.

    Args:
        problem: The table.
        rows: Those to learn from.
        wished: Names of the models; all but the baseline unless given.

    Raises:
        ValueError: If a name is none, or nothing is left.
    """
    names = require_models(wished) if wished else [one.name for one in learners() if one.name != "baseline"]
    suited = [one.name for one in learners() if one.name in names and not skip_reason(one, problem, rows)]
    if not suited:
        raise ValueError(f"`model` must name a model that suits the table. Received {', '.join(names)}.")
    alone = tuple((name,) for name in suited)
    return (tuple(suited), *alone) if len(suited) > 1 else alone


def require_models(names: Iterable[str]) -> list[str]:
    """The names, if each is a model of tables that this machine has.

    Raises:
        ValueError: If one is not.

    Example:
        >>> require_models(["linear", "SVM"])
        ['linear', 'SVM']
    """
    known, wished = [learner.name for learner in learners()], list(names)
    unknown = sorted(set(wished) - set(known))
    if unknown:
        raise ValueError(f"`table.models` must be among {', '.join(known)}. Received {', '.join(unknown)}.")
    return wished


@dataclass(kw_only=True)
class TableBench:
    """Judges one recipe after the other on the same folds of the same rows.

    Attributes:
        problem: The table.
        rows: What may be learned from; the test part is not among them.
        folds: Of the cross-validation.
        seed: Governs the folds and every learner, so that recipes differ and nothing else does.
        deadline: When every trial must be over.
    """

    problem: TableProblem
    rows: Rows
    folds: int = 5
    seed: int = 0
    deadline: Deadline = field(default_factory=lambda: Deadline(None))
    _prepared: tuple[Prepared, ...] = ()
    _views: dict[int, dict[str, Floats]] = field(default_factory=dict)
    _known: dict[TableSettings, Score] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._fold_of = self.problem.assign_folds(self.rows, self.folds, draw(self.seed, 4))

    def judge(self, recipe: Recipe, *, number: int = 0, report: Report = go_on) -> Score:
        """Cross-validate what a recipe says.

        Args:
            recipe: Of the strategy "table".
            number: Of the trial; nothing is kept under it.
            report: Told (folds judged so far, value so far); says whether to go on.

        Raises:
            Pruned: If `report` said so.
            TimeUp: If the deadline came first.
            ValueError: If a model is unknown, or suits the table not at all.
        """
        settings = recipe.table
        if settings not in self._known:
            with threads_of(self.problem.threads_for(len(self.rows))):
                self._known[settings] = self._judged(settings, report)
        return self._known[settings]

    def _judged(self, settings: TableSettings, report: Report) -> Score:
        chosen = self._learners(settings)
        fits = {learner.name: self._fits(learner) for learner in chosen}
        own: dict[str, Floats] = {name: np.zeros((len(self.rows), self.problem.outputs)) for name in fits}
        judged = np.zeros(len(self.rows), bool)
        score = Score(value=float("nan"), accuracy=None, images=0)
        for fold in range(self.folds):
            held, one = self._fold_of == fold, self._sets[fold]
            for learner in chosen:
                scores = next(fits[learner.name]).scores(self._view(fold, learner.view))
                own[learner.name][held] = scores * one.scale + one.centre
            judged |= held
            score = self._score({name: answers[judged] for name, answers in own.items()}, judged)
            if fold + 1 < self.folds:
                told = f"after fold {fold + 1} of {self.folds}"
                if not report(fold + 1, score.value):
                    raise Pruned(f"given up {told}")
                if not self.deadline.remaining():
                    raise TimeUp(f"the time was up {told}")
        return score

    def _learners(self, settings: TableSettings) -> list[Learner]:
        names = require_models(settings.models)
        chosen = [
            learner
            for learner in learners(settings)
            if (learner.name in names or not names and learner.name != "baseline")
        ]
        reasons = {learner.name: skip_reason(learner, self.problem, self.rows) for learner in chosen}
        suited = [learner for learner in chosen if not reasons[learner.name]]
        if not suited:
            raise ValueError("; ".join(f"{name} {reason}" for name, reason in reasons.items()))
        return suited

    def _fits(self, learner: Learner) -> Iterator[Fitted]:
        """The models of the folds, fitted one at a time as they are asked for."""
        threads = self.problem.threads_for(len(self.rows))
        return learner.fit([one.train for one in self._sets], draw(self.seed, 1), threads)

    @property
    def _sets(self) -> tuple[Prepared, ...]:
        """The training sets of the folds: encoded once, whatever is tried on them."""
        if not self._prepared:
            parts = [self.rows[self._fold_of != fold] for fold in range(self.folds)]
            # A space may vary what nets are given, so every view is made.
            self._prepared = tuple(
                prepare(self.problem, part, draw(self.seed, 2, place), VIEWS)
                for place, part in enumerate(parts)
            )
        return self._prepared

    def _view(self, fold: int, view: str) -> Floats:
        """What models of a fold are asked about."""
        if fold not in self._views:
            self._views[fold] = self._sets[fold].views(self.problem, self.rows[self._fold_of == fold])
        return self._views[fold][view]

    def _score(self, own: Mapping[str, Floats], judged: np.ndarray[Any, Any]) -> Score:
        """Of rows judged so far, by what the models answer together."""
        truth = self.problem.truth[self.rows[judged]]
        task = tasks.of(self.problem.task)
        own = {name: task.answers(scores, task.temperature(scores, truth)) for name, scores in own.items()}
        loss = task.loss(truth)
        weights = choose_weights(own, loss) if len(own) > 1 else dict.fromkeys(own, 1.0)
        mixed = mixed_answers(own, weights)
        mean = float(loss(mixed).mean())
        note = " + ".join(
            f"{name} {weight:.0%}" if len(own) > 1 else name for name, weight in weights.items()
        )
        accuracy = task.accuracy(mixed, truth)
        return Score(value=task.value(mean), accuracy=accuracy, images=len(truth), note=note)
