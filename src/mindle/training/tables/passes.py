"""One pass over a table: cross-validate every learner on some rows, and blend their answers.

A pass is given the rows it may learn from, and nothing else of the table's truth. Everything that is chosen
(encoders, settings, shares, temperatures) is chosen inside it, so that held-out rows are evaluated by a model
that knows nothing of them.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.files import write_bytes
from mindle.data.tables.parsing.columns import Features, features
from mindle.data.tables.splits import folds, take
from mindle.messages import message
from mindle.models.tables.encoder import fit_encoder, training_trees
from mindle.models.tables.model import Member, TableModel
from mindle.records import Table, Task
from mindle.training.loop.batches import draw
from mindle.training.tables import tasks
from mindle.training.tables.learners import Fitted, Learner, TrainSet, frozen
from mindle.training.tables.stacking import Stack, mixed_answers, stack, steady_weights

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
AssignFolds = Callable[[Rows, int, int], NDArray[np.int64]]
BudgetCheck = Callable[[str, float, int], str]

# Fits on fewer rows than this gain nothing from a second thread; two learners side by side do.
SMALL_ROWS = 5000


@dataclass(frozen=True, kw_only=True)
class TableProblem:
    """Rows as arrays, and what is asked of them.

    Attributes:
        features: Numbers and categories of every row.
        truth: (row,) class numbers, or numbers to estimate.
        task: What is predicted, as in `mindle.records`.
        classes: Class names in the order of the numbers; empty where a number is predicted.
        assign_folds: Rows, a number of folds and a seed to the fold of each of these rows.
        threads: How many the libraries may use.
    """

    features: Features
    truth: NDArray[np.float64] | NDArray[np.int64]
    task: Task
    classes: tuple[str, ...] = ()
    assign_folds: AssignFolds
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)

    @classmethod
    def of(cls, table: Table, rows: Rows | None = None, *, threads: int | None = None) -> TableProblem:
        """A checked table, or some of its rows, which are then numbered from 0; no other row can be reached.

        Args:
            table: The table.
            rows: Which of its rows; all unless given.
            threads: Of the libraries; as many as there are cores unless given.
        """
        view = table if rows is None else take(table, rows)
        return cls(
            features=features(view.cells, view.columns),
            truth=view.truth,
            task=view.task,
            classes=view.classes,
            assign_folds=lambda some, count, number: folds(view, some, folds=count, seed=number),
            threads=threads or os.cpu_count() or 1,
        )

    @property
    def outputs(self) -> int:
        """Columns of the scores."""
        return max(len(self.classes), 1)

    def threads_for(self, rows: int) -> int:
        """How many threads one fit may use."""
        return 1 if rows < SMALL_ROWS else self.threads

    def cells(self, rows: Rows) -> tuple[Floats, NDArray[Any]]:
        """Numbers and categories of some rows."""
        return self.features.numbers[rows], self.features.categories[rows]


def prepare(
    problem: TableProblem, rows: Rows, seed: int, views: Collection[str] = ("linear", "trees")
) -> TrainSet:
    """Fit an encoder on these rows, and nothing on any other, and make the views that are wanted."""
    numbers, categories = problem.cells(rows)
    target = tasks.of(problem.task).target(problem.truth[rows], problem.outputs)
    encoder = fit_encoder(numbers, categories, target.columns)
    made = {view: encoder.view(view, numbers, categories) for view in views if view != "trees"}
    if "trees" in views:
        made["trees"] = training_trees(encoder, numbers, categories, target.columns, seed=seed)
    return TrainSet(
        encoder=encoder,
        views=made,
        truth=target.truth,
        outputs=problem.outputs,
        centre=target.centre,
        scale=target.scale,
    )


@dataclass(kw_only=True)
class Answers:
    """What one learner answered in a pass: scores of classes, or estimates in the target's own unit.

    Attributes:
        own: (row, output) of the pass's rows, each by the model that had not seen it.
        held: (held-out row, output) by the model of all the pass's rows.
        held_folds: (held-out row, fold) by the models of the folds, where intervals are made of them.
        seconds: What all fits took.
        milliseconds: What the answer to one of many rows takes.
        fitted: The models of the folds and of all rows; empty where the answers come from a checkpoint.
    """

    own: Floats
    held: Floats
    held_folds: Floats
    seconds: float = 0.0
    milliseconds: float = 0.0
    fitted: list[Fitted] = field(default_factory=list)


@dataclass(kw_only=True)
class Pass:
    """Learners cross-validated on `rows`, and their answers to `held`, whose truth is not looked at.

    Attributes:
        problem: The table.
        name: Of the pass, for its checkpoints.
        rows: What may be learned from.
        held: What is only to be answered; may be empty.
        folds: Of the cross-validation.
        seed: Governs the folds and every learner.
        fold_of: The fold of each row.
        sets: Training sets of the folds, then that of all rows.
        learners, answers: By name, those that took part.
        skipped: By name, why others did not.
    """

    problem: TableProblem
    name: str
    rows: Rows
    held: Rows
    folds: int
    seed: int
    sets: list[TrainSet] = field(default_factory=list)
    learners: dict[str, Learner] = field(default_factory=dict)
    answers: dict[str, Answers] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fold_of = self.problem.assign_folds(self.rows, self.folds, self.seed)

    @property
    def truth(self) -> NDArray[Any]:
        """Of the rows that were learned from."""
        return self.problem.truth[self.rows]

    @property
    def threads(self) -> int:
        """How many threads one fit may use."""
        return self.problem.threads_for(len(self.rows))

    def run(
        self,
        learners: Sequence[Learner],
        *,
        gate: BudgetCheck | None = None,
        checkpoint: PassCheckpoint | None = None,
        starting: Callable[[str], None] = lambda name: None,
    ) -> Pass:
        """Let learners answer.

        Args:
            learners: Which to try.
            gate: Given a learner, the seconds of its first fit and how many there are to be, says why it is
                skipped, or "".
            checkpoint: Keeps answers, so that an interrupted pass goes on where it was.
            starting: Hears of each learner before its turn.
        """
        views = {learner.view for learner in learners}
        splits = [self.rows[self.fold_of != fold] for fold in range(self.folds)]
        self.sets = [
            prepare(self.problem, split, draw(self.seed, 2, place), views)
            for place, split in enumerate([*splits, self.rows])
        ]
        validation = _Validation(self, gate)

        def turn(learner: Learner) -> tuple[Answers | None, str]:
            starting(learner.name)
            kept = checkpoint.read(self.name, learner.name) if checkpoint else None
            if kept is not None:
                if gate is not None:
                    gate(learner.name, kept.seconds, 1)  # it was let through then: the decision is repeated
                return kept, ""
            if reason := skip_reason(learner, self.problem, self.rows):
                return None, reason
            kept, reason = validation.of(learner)
            if kept is not None and checkpoint:
                checkpoint.write(self.name, learner.name, kept)
            return kept, reason

        with threads_of(self.threads):
            if gate is None and len(self.rows) < SMALL_ROWS:
                # How many threads OpenMP takes is said in each thread that calls it.
                calm = partial(_limit_threads, self.threads)
                with ThreadPoolExecutor(self.problem.threads, "learner", initializer=calm) as pool:
                    turns = list(pool.map(turn, learners))
            else:  # decisions come in an order, and seconds are to be those of one learner alone
                turns = [turn(learner) for learner in learners]
        for learner, (answers, reason) in zip(learners, turns, strict=True):
            if answers is None:
                self.skipped[learner.name] = reason
            else:
                self.learners[learner.name], self.answers[learner.name] = learner, answers
        return self

    def fits(self, learner: Learner) -> Iterator[Fitted]:
        """The models of a learner on all training sets, one at a time."""
        return learner.fit(self.sets, draw(self.seed, 1), self.threads)

    def refit(self, name: str) -> list[Fitted]:
        """The models of a learner; fitted again, to the same, where only their answers were kept."""
        answers = self.answers[name]
        answers.fitted = answers.fitted or list(self.fits(self.learners[name]))
        return answers.fitted


def _limit_threads(count: int) -> Any:
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(count)
    return threadpool_limits(count)


def seconds_of_fits(
    problem: TableProblem,
    rows: Rows,
    learners: Sequence[Learner],
    *,
    fits: int,
    seed: int,
    go_on: Callable[[], bool] = lambda: True,
) -> dict[str, float]:
    """What one fit of each learner on some rows takes, its library loaded before.

    Args:
        problem: The table.
        rows: What is learned from.
        learners: Which to time.
        fits: How many there will be in a pass; nets learn them side by side.
        seed: Of the fits, which are thrown away.
        go_on: Asked before each learner; those after a no are not timed.
    """
    one = prepare(problem, rows, seed, {learner.view for learner in learners})
    found: dict[str, float] = {}
    threads = problem.threads_for(len(rows))
    with threads_of(threads):
        for learner in learners:
            if not go_on():
                break
            learner.warm()
            if learner.foresee is not None:
                found[learner.name] = learner.foresee([one] * fits) / fits
                continue
            began = time.perf_counter()
            next(learner.fit([one], seed, threads)).scores(one.views[learner.view])
            found[learner.name] = time.perf_counter() - began
    return found


@contextmanager
def threads_of(count: int) -> Iterator[None]:
    """Let every library use so many threads, torch's included, and keep their warnings off the terminal.

    What they warn of, few rows of a class above all, is said once, by the findings about the table.
    """
    import torch

    before = torch.get_num_threads()
    try:
        # Filters belong to the process: they are set here, before the learners' threads begin.
        with _limit_threads(count), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_num_threads(before)


def skip_reason(learner: Learner, problem: TableProblem, rows: Rows) -> str:
    """Why a learner does not suit a table, or ""."""
    if learner.most_rows is not None and len(rows) > learner.most_rows:
        return message("tables.skip.rows", most=learner.most_rows, rows=len(rows))
    if learner.positive and not tasks.of(problem.task).positive(problem.truth[rows]):
        return message("tables.skip.positive")
    return ""


class _Validation:
    """The cross-validation of one learner after the other; the views of what they answer are made once."""

    def __init__(self, this: Pass, gate: BudgetCheck | None) -> None:
        self.this, self.gate = this, gate
        self.intervals = tasks.of(this.problem.task).has_intervals
        self._views: dict[tuple[int, bool], dict[str, Floats]] = {}

    def views(self, place: int, *, held: bool) -> dict[str, Floats]:
        """What the model of a training set is asked: the held-out rows of the pass, or those of its fold."""
        if (place, held) not in self._views:
            here = self.this
            rows = here.held if held else here.rows[here.fold_of == place]
            self._views[place, held] = here.sets[place].views_of(*here.problem.cells(rows))
        return self._views[place, held]

    def of(self, learner: Learner) -> tuple[Answers | None, str]:
        """A learner's answers, or why there are none."""
        this, folds = self.this, self.this.folds
        found = Answers(
            own=np.zeros((len(this.rows), this.problem.outputs)),
            held=np.zeros((len(this.held), this.problem.outputs)),
            held_folds=np.zeros((len(this.held), folds if self.intervals else 0)),
        )
        learner.warm()
        foresee = learner.foresee if self.gate else None
        if foresee and (reason := self._stopped(learner, foresee(this.sets), 1)):
            return None, reason
        for place, (model, seconds) in enumerate(_timed(this.fits(learner))):
            found.seconds += seconds
            found.fitted.append(model)
            if place == 0 and not foresee and (reason := self._stopped(learner, seconds, folds + 1)):
                return None, reason
            if place < folds:
                began, view = time.perf_counter(), self.views(place, held=False)[learner.view]
                scores = model.scores(view)
                found.milliseconds = 1000 * (time.perf_counter() - began) / max(len(view), 1)
                found.own[this.fold_of == place] = this.sets[place].unstandardised(scores)
            if len(this.held) and (place == folds or self.intervals):
                scores = model.scores(self.views(place, held=True)[learner.view])
                answers = this.sets[place].unstandardised(scores)
                if place == folds:
                    found.held = answers
                else:
                    found.held_folds[:, place] = answers[:, 0]
        return found, ""

    def _stopped(self, learner: Learner, seconds: float, fits: int) -> str:
        return self.gate(learner.name, seconds, fits) if self.gate else ""


def _timed(fits: Iterator[Fitted]) -> Iterator[tuple[Fitted, float]]:
    """Each fit with the seconds it took."""
    began = time.perf_counter()
    for model in fits:
        yield model, time.perf_counter() - began
        began = time.perf_counter()


# ---- the blend of learners ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Blend:
    """How the learners of a pass answer together.

    Attributes:
        stack: Shares of the members.
        temperatures: Of each learner's logits, 1 for numbers.
        temperature: Of the blended probabilities.
        own: (row, output) the answer to the pass's rows, each by models that had not seen it: probabilities,
            or estimates.
        held: (held-out row, output) the answer to the held-out rows.
        held_folds: (held-out row, fold) estimates of each fold's blend; empty for classes.
        losses: For each learner that took part, (row,) of its own answers.
    """

    stack: Stack
    temperatures: Mapping[str, float]
    temperature: float
    own: Floats
    held: Floats
    held_folds: Floats
    losses: Mapping[str, Floats]


def blend(this: Pass, names: Sequence[str] | None = None) -> Blend:
    """Choose shares, and temperatures for classes, on answers to rows that no model had learned from.

    Args:
        this: The pass.
        names: The learners to choose from; all that took part unless given.
    """
    taken, truth, task = this.answers, this.truth, tasks.of(this.problem.task)
    link, blended = task.model.link, task.model.blended
    temperatures = {name: task.temperature(answers.own, truth) for name, answers in taken.items()}
    own = {name: link(answers.own, temperatures[name]) for name, answers in taken.items()}
    held = {name: link(answers.held, temperatures[name]) for name, answers in taken.items()}
    eligible = {name: own[name] for name in taken if names is None or name in names} or own
    loss_of, every = task.weighting_loss(truth, eligible), np.arange(len(this.rows))
    steady = None  # where rows are few, shares are means over draws of them
    if len(every) < SMALL_ROWS:
        steady = steady_weights(eligible, loss_of, rows=len(every), seed=draw(this.seed, 5))
    chosen = stack(eligible, loss_of(every), weights=steady)
    mixed, loss = mixed_answers(own, chosen.weights), task.loss(truth)
    temperature = task.blend_temperature(mixed, truth)
    return Blend(
        stack=chosen,
        temperatures=temperatures,
        temperature=temperature,
        own=blended(mixed, temperature),
        held=blended(mixed_answers(held, chosen.weights), temperature),
        held_folds=mixed_answers({name: a.held_folds for name, a in taken.items()}, chosen.weights),
        losses={name: loss(answer) for name, answer in own.items()},
    )


def freeze(this: Pass, blended: Blend) -> TableModel:
    """The model of a finished pass as a record, with the models of its folds."""
    *fold_models, model = (_frozen(this, blended, place) for place in range(len(this.sets)))
    return replace(model, folds=tuple(fold_models))


def _frozen(this: Pass, blended: Blend, place: int) -> TableModel:
    one, problem, weights = this.sets[place], this.problem, blended.stack.weights
    members = tuple(
        Member(
            name=name,
            view=this.learners[name].view,
            model=frozen(this.refit(name)[place]),
            weight=weights[name],
            temperature=blended.temperatures[name],
        )
        for name in this.answers
        if name in weights
    )
    return tasks.of(problem.task).model(
        task=problem.task,
        classes=problem.classes,
        number_names=problem.features.number_names,
        category_names=problem.features.category_names,
        encoder=one.encoder,
        members=members,
        centre=one.centre,
        scale=one.scale,
        temperature=blended.temperature,
    )


# ---- checkpoints ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PassCheckpoint:
    """Finished answers of an unfinished run, one small file a learner and pass.

    Attributes:
        folder: Where they are.
        resume: Whether those that are there count; else they belong to another run.
    """

    folder: Path
    resume: bool

    def read(self, name: str, learner: str) -> Answers | None:
        """What was kept, or None; a file that cannot be read counts as none."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        path = self._path(name, learner)
        if not self.resume or not path.is_file():
            return None
        try:
            arrays: dict[str, Any] = load_file(path)
            for figure in ("seconds", "milliseconds"):
                arrays[figure] = float(arrays[figure][0])
            return Answers(**arrays)
        except (OSError, SafetensorError, KeyError, TypeError):
            return None  # fitted again: costs time, and nothing else

    def write(self, name: str, learner: str, answers: Answers) -> None:
        """Keep the answers of a learner."""
        from safetensors.numpy import save

        arrays = ("own", "held", "held_folds", "seconds", "milliseconds")
        kept = {name: np.ascontiguousarray(np.atleast_1d(getattr(answers, name))) for name in arrays}
        write_bytes(self._path(name, learner), save(kept))

    def _path(self, name: str, learner: str) -> Path:
        return self.folder / f"{name}-{learner.replace(' ', '-').lower()}.safetensors"
