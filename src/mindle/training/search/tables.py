"""A search over a table: the recipes that it varies, and one trial, evaluated without the test split.

The rows that may be learned from are cross-validated, with the same folds in every trial. The value so far is
reported after each fold, so that a trial that does worse than others did by then can be pruned. The value is
the cross-entropy of calibrated answers, or the root mean squared error; lower is better.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.splits import Fractions
from mindle.data.tables.checks import check_table
from mindle.data.tables.reader import read_table
from mindle.data.tables.splits import rows_to_learn, split_table
from mindle.data.tables.summary import NESTED_BELOW, require_learnable_table
from mindle.models.tables.encoder import VIEWS
from mindle.records import Table
from mindle.training.loop.batches import draw
from mindle.training.recipe import TABLE, Recipe
from mindle.training.search.space import Space, make_space, space_of
from mindle.training.search.task import Origin, Score, SearchTask, TrialMonitor
from mindle.training.settings import TableSettings
from mindle.training.tables import tasks
from mindle.training.tables.learners import Fitted, Learner, TrainSet, learners
from mindle.training.tables.passes import (
    Floats,
    Rows,
    TableProblem,
    prepare,
    skip_reason,
    threads_of,
)
from mindle.training.tables.stacking import choose_weights, mixed_answers

# Below NESTED_BELOW rows 15 % would say too little; all of them nested would need a search a fold.
SMALL_FRACTIONS: Fractions = (0.80, 0.0, 0.20)
# How run.json calls the loss of a task.
SCORES = {"log loss": "log_loss", "root mean squared error": "rmse"}
# Settings by which trials are evaluated: the same for all.
EVALUATION = ("table.folds", "table.repeats")


def suited_learners(
    problem: TableProblem, rows: Rows, names: Sequence[str], settings: TableSettings | None = None
) -> list[Learner]:
    """The models that suit a table.

    Args:
        problem: The table.
        rows: Those to learn from.
        names: Of the models; all but the baseline where there are none.
        settings: Of the models.

    Raises:
        ValueError: If a name is none, or nothing suits the table.
    """
    known = learners(settings)
    every = [one.name for one in known]
    if unknown := sorted(set(names) - set(every)):
        raise ValueError(f"`table.models` must be among {', '.join(every)}. Received {', '.join(unknown)}.")
    chosen = [one for one in known if (one.name in names if names else one.name != "baseline")]
    reasons = {one.name: skip_reason(one, problem, rows) for one in chosen}
    suited = [one for one in chosen if not reasons[one.name]]
    if not suited:
        received = "; ".join(f"{name} {reason}" for name, reason in reasons.items())
        raise ValueError(f"`model` must name a model that suits the table. Received {received}.")
    return suited


def seal(table: Table, *, seed: int) -> Table:
    """The checked table with a test split that the search does not see, also where the table is small.

    Args:
        table: As it was read.
        seed: Of the split.
    """
    table = check_table(table)
    require_learnable_table(table)
    fractions = {"fractions": SMALL_FRACTIONS} if len(table.rows()) < NESTED_BELOW else {}
    table = split_table(table, seed=seed, **fractions)
    require_learnable_table(table)
    return table


def table_space(
    entries: Mapping[str, Any], recipe: Recipe, table: Table, models: Sequence[str] = ()
) -> Space:
    """The space of a table's recipes; "models" stands for all models that suit it together, and each alone.

    Args:
        entries: As `read_space` gives them.
        recipe: That points change.
        table: Sealed.
        models: Names of the models to choose from; all that suit the table unless given.

    Raises:
        ValueError: If an entry is not about what is trained, or a name is none.
    """
    other = [name for name in entries if not name.startswith("table.") or name in EVALUATION]
    if other:
        raise ValueError(
            "The space of a table must name settings table.… that say what is trained. Received "
            f"{', '.join(other)}. docs/tune.md lists them."
        )
    rows = rows_to_learn(table)
    names = [one.name for one in suited_learners(TableProblem.of(table, rows), np.arange(len(rows)), models)]
    alone = [[name] for name in names]
    return make_space(
        entries, {TABLE: recipe}, TABLE, {"models": [names, *alone] if len(names) > 1 else alone}
    )


# ---- trials -----------------------------------------------------------------------------------------------


class TableOrigin(Origin):
    """Where a process finds the rows that another one has sealed."""

    def table(self) -> Table:
        """The data, read, checked and sealed as the call that began did."""
        return seal(read_table(self.source, **self.reading), seed=self.split_seed)


@dataclass(frozen=True, kw_only=True)
class Fold:
    """One fold of the cross-validation: encoded once, whatever is tried on it.

    Attributes:
        held_out: (row,) which rows are predicted.
        train: The other rows, encoded.
        views: What models are given of the held-out rows, by the name of the view.
    """

    held_out: NDArray[np.bool_]
    train: TrainSet
    views: Mapping[str, Floats]


@dataclass(kw_only=True)
class TableTask(SearchTask):
    """Evaluates one recipe after the other on the same folds of the same rows; see `SearchTask`.

    Attributes:
        problem: The table.
        rows: What may be learned from; the test split is not among them.
        folds: Of the cross-validation.
    """

    kind: ClassVar[str] = "table"

    problem: TableProblem
    rows: Rows
    folds: int = 5
    _known: dict[TableSettings, Score] = field(default_factory=dict)

    @classmethod
    def of(
        cls, table: Table, space: Space, *, seed: int, origin: TableOrigin | None, threads: int | None = None
    ) -> TableTask:
        """The task of a sealed table."""
        rows = rows_to_learn(table)
        return cls(
            problem=TableProblem.of(table, rows, threads=threads),
            rows=np.arange(len(rows)),
            space=space,
            folds=space.bases[TABLE].table.folds,
            seed=seed,
            origin=origin,
        )

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], threads: int | None = None) -> TableTask:
        """The task of an `as_dict`, in another process."""
        origin, space = TableOrigin(**document["origin"]), space_of(document["space"])
        return cls.of(origin.table(), space, seed=document["seed"], origin=origin, threads=threads)

    @property
    def score(self) -> str:
        """What a trial's value is."""
        return SCORES[tasks.of(self.problem.task).loss_name]

    @property
    def warmup_steps(self) -> int:
        """Two fifths of the folds: one fold says little of a trial."""
        return 2 * self.folds // 5

    def evaluate(self, recipe: Recipe, monitor: TrialMonitor) -> Score:
        """Cross-validate what a recipe says.

        Args:
            recipe: Of the strategy "table".
            monitor: Is given the value after each fold but the last.

        Raises:
            Pruned: If the monitor says so.
            TimeUp: If the deadline comes first.
            ValueError: If a model is unknown, or does not suit the table.
        """
        settings = recipe.table
        if settings not in self._known:
            with threads_of(self.problem.threads_for(len(self.rows))):
                self._known[settings] = self._evaluated(settings, monitor)
        return self._known[settings]

    def _evaluated(self, settings: TableSettings, monitor: TrialMonitor) -> Score:
        chosen = suited_learners(self.problem, self.rows, settings.models, settings)
        fits = {learner.name: self._fits(learner) for learner in chosen}
        out: dict[str, Floats] = {name: np.zeros((len(self.rows), self.problem.outputs)) for name in fits}
        answered = np.zeros(len(self.rows), bool)
        for step, fold in enumerate(self._folds, start=1):
            for learner in chosen:
                scores = next(fits[learner.name]).scores(fold.views[learner.view])
                out[learner.name][fold.held_out] = fold.train.unstandardised(scores)
            answered |= fold.held_out
            score = self._score({name: answers[answered] for name, answers in out.items()}, answered)
            if step < self.folds:
                monitor.check(step, self.folds, score.value, "fold")
        return score

    def _fits(self, learner: Learner) -> Iterator[Fitted]:
        """The models of the folds, fitted one at a time as they are asked for."""
        threads = self.problem.threads_for(len(self.rows))
        return learner.fit([fold.train for fold in self._folds], draw(self.seed, 1), threads)

    @cached_property
    def _folds(self) -> tuple[Fold, ...]:
        """The same in all trials; a space may vary what nets are given, so every view is made."""
        fold_of = self.problem.assign_folds(self.rows, self.folds, draw(self.seed, 4))
        found = []
        for index in range(self.folds):
            held_out = fold_of == index
            train = prepare(self.problem, self.rows[~held_out], draw(self.seed, 2, index), VIEWS)
            views = train.views_of(*self.problem.cells(self.rows[held_out]))
            found.append(Fold(held_out=held_out, train=train, views=views))
        return tuple(found)

    def _score(self, out: Mapping[str, Floats], answered: NDArray[np.bool_]) -> Score:
        """Of the rows answered so far, by what the models answer together."""
        truth, task = self.problem.truth[self.rows[answered]], tasks.of(self.problem.task)
        answers = {name: task.model.link(each, task.temperature(each, truth)) for name, each in out.items()}
        loss = task.loss(truth)
        weights = choose_weights(answers, loss) if len(answers) > 1 else dict.fromkeys(answers, 1.0)
        mixed = mixed_answers(answers, weights)
        note = " + ".join(
            f"{name} {weight:.0%}" if len(answers) > 1 else name for name, weight in weights.items()
        )
        value = task.value(float(loss(mixed).mean()))
        return Score(value=value, accuracy=task.accuracy(mixed, truth), note=note)
