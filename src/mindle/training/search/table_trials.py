"""One trial of a search over a table, evaluated without the test part.

The rows that may be learned from are cross-validated, with the same folds in every trial. The value so far is
reported after each fold, so that a trial that does worse than others did by then can be pruned. The value is
the cross-entropy of calibrated answers, or the root mean squared error; lower is better.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np

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
from mindle.training.search.task import Score, TrialMonitor
from mindle.training.settings import TableSettings
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

# Below NESTED_BELOW rows a part of 15 % would say too little; all of them nested would need a search a fold.
SMALL_FRACTIONS: Fractions = (0.80, 0.0, 0.20)
# How run.json calls the loss of a task.
SCORES = {"log loss": "log_loss", "root mean squared error": "rmse"}
# Settings by which trials are evaluated: the same for all.
EVALUATION = ("table.folds", "table.repeats")


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


def seal(table: Table, *, seed: int) -> Table:
    """The checked table with a test part that the search does not see, also where the table is small.

    Args:
        table: As it was read.
        seed: Of the split.
    """
    table = check_table(table)
    small = len(table.rows()) < NESTED_BELOW
    require_learnable_table(table)
    table = (
        split_table(table, seed=seed, fractions=SMALL_FRACTIONS) if small else split_table(table, seed=seed)
    )
    require_learnable_table(table)
    return table


def table_space(
    entries: Mapping[str, Any], recipe: Recipe, table: Table, models: Sequence[str] = ()
) -> Space:
    """The space of a table's recipes.

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
    problem = TableProblem.of(table, rows)
    choices = [list(names) for names in candidates(problem, np.arange(len(rows)), models)]
    return make_space(entries, {TABLE: recipe}, TABLE, {"models": choices})


# ---- trials -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TableOrigin:
    """Where a process finds the rows that another one has sealed.

    Attributes:
        source: What the user typed for the data.
        reading: What else `read_table` is given.
        split_seed: Of the sealed part.
    """

    source: str
    reading: Mapping[str, Any]
    split_seed: int

    def table(self) -> Table:
        """The data, read, checked and sealed as the call that began did."""
        return seal(read_table(self.source, **self.reading), seed=self.split_seed)


@dataclass(kw_only=True)
class TableTask:
    """Evaluates one recipe after the other on the same folds of the same rows; see `SearchTask`.

    Attributes:
        problem: The table.
        rows: What may be learned from; the test part is not among them.
        space: The recipes.
        folds: Of the cross-validation.
        seed: Of the folds and of every learner, so that recipes differ and nothing else does.
        origin: Where worker processes find the data; None where there are none.
    """

    kind: ClassVar[str] = "table"

    problem: TableProblem
    rows: Rows
    space: Space
    folds: int = 5
    seed: int = 0
    origin: TableOrigin | None = None
    _prepared: tuple[Prepared, ...] = ()
    _views: dict[int, dict[str, Floats]] = field(default_factory=dict)
    _known: dict[TableSettings, Score] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._fold_of = self.problem.assign_folds(self.rows, self.folds, draw(self.seed, 4))
        self._task = tasks.of(self.problem.task)

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

    @property
    def score(self) -> str:
        """What a trial's value is."""
        return SCORES[self._task.loss_name]

    @property
    def warmup_steps(self) -> int:
        """Two fifths of the folds: one fold says little of a trial."""
        return 2 * self.folds // 5

    def as_dict(self) -> dict[str, Any]:
        """Everything that a worker process needs to evaluate the same."""
        origin = asdict(self.origin) if self.origin else None
        return {"origin": origin, "space": self.space.document(), "seed": self.seed}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], threads: int | None = None) -> TableTask:
        """The task of an `as_dict`, in another process."""
        origin, space = TableOrigin(**document["origin"]), space_of(document["space"])
        return cls.of(origin.table(), space, seed=document["seed"], origin=origin, threads=threads)

    def prepare(self) -> None:
        """Nothing: what trials share is computed by the first that needs it."""

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
        chosen = self._learners(settings)
        fits = {learner.name: self._fits(learner) for learner in chosen}
        out: dict[str, Floats] = {name: np.zeros((len(self.rows), self.problem.outputs)) for name in fits}
        answered = np.zeros(len(self.rows), bool)
        for fold in range(self.folds):
            held_out, one = self._fold_of == fold, self._sets[fold]
            for learner in chosen:
                scores = next(fits[learner.name]).scores(self._view(fold, learner.view))
                out[learner.name][held_out] = scores * one.scale + one.centre
            answered |= held_out
            score = self._score({name: answers[answered] for name, answers in out.items()}, answered)
            if fold + 1 < self.folds:
                monitor.check(fold + 1, self.folds, score.value, "fold")
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
                prepare(self.problem, part, draw(self.seed, 2, index), VIEWS)
                for index, part in enumerate(parts)
            )
        return self._prepared

    def _view(self, fold: int, view: str) -> Floats:
        """What models of a fold are given of its held-out rows."""
        if fold not in self._views:
            self._views[fold] = self._sets[fold].views(self.problem, self.rows[self._fold_of == fold])
        return self._views[fold][view]

    def _score(self, out: Mapping[str, Floats], answered: np.ndarray[Any, Any]) -> Score:
        """Of the rows answered so far, by what the models answer together."""
        truth, task = self.problem.truth[self.rows[answered]], self._task
        answers = {name: task.answers(each, task.temperature(each, truth)) for name, each in out.items()}
        loss = task.loss(truth)
        weights = choose_weights(answers, loss) if len(answers) > 1 else dict.fromkeys(answers, 1.0)
        mixed = mixed_answers(answers, weights)
        note = " + ".join(
            f"{name} {weight:.0%}" if len(answers) > 1 else name for name, weight in weights.items()
        )
        value = task.value(float(loss(mixed).mean()))
        return Score(value=value, accuracy=task.accuracy(mixed, truth), note=note)
