"""One pass over a table: cross-validate every learner on some rows, and blend their answers.

A pass is given the rows it may learn from, and nothing else of the table's truth. Everything that is chosen
(encoders, settings, shares, temperatures) is chosen inside it, so that held-out rows are evaluated by a model
that knows nothing of them.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.environment import usable_cores
from mindle.artifacts.files import write_bytes
from mindle.data.common.groups import group_numbers
from mindle.data.tables.parsing.columns import Features, features
from mindle.data.tables.splits import folds, take
from mindle.evaluation import tasks as tasks_of_evaluation
from mindle.evaluation.conformal import Calibration, calibrate
from mindle.evaluation.trust.difficulty import fit_difficulty
from mindle.messages import message
from mindle.models.tables.encoder import fit_encoder, training_trees
from mindle.models.tables.model import Member, TableModel
from mindle.records import OutOfFold, Table, Task
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
        groups: (row,) rows of one number belong together; empty where none do.
        aside: bool (row,), rows that are evaluated and never learned from; empty where there are none.
    """

    features: Features
    truth: NDArray[np.float64] | NDArray[np.int64]
    task: Task
    classes: tuple[str, ...] = ()
    assign_folds: AssignFolds
    threads: int = field(default_factory=usable_cores)
    groups: Rows = field(default_factory=lambda: np.zeros(0, np.int64))
    aside: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))

    @classmethod
    def of(cls, table: Table, rows: Rows | None = None, *, threads: int | None = None) -> TableProblem:
        """A checked table, or some of its rows, which are then numbered from 0; no other row can be reached.

        Args:
            table: The table.
            rows: Which of its rows; all unless given.
            threads: Of the libraries; as many as there are cores for this process unless given.
        """
        view = table if rows is None else take(table, rows)
        return cls(
            features=features(view.cells, view.columns),
            truth=view.truth,
            task=view.task,
            classes=view.classes,
            assign_folds=lambda some, count, number: folds(view, some, folds=count, seed=number),
            threads=threads or usable_cores(),
            groups=group_numbers(view.groups, np.arange(len(view.groups))),
        )

    @property
    def outputs(self) -> int:
        """Columns of the scores."""
        return max(len(self.classes), 1)

    def learned(self, rows: Rows) -> Rows:
        """Those of some rows that may be learned from."""
        return rows[~self.aside[rows]] if len(self.aside) else rows

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
        out_of_fold: (row, output) of the pass's rows, each by the model that had not seen it.
        held_out: (model, held-out row, output) by the model of all the pass's rows, and before it by those of
            the folds where intervals are made of them.
        seconds: What all fits took.
        milliseconds: What the answer to one of many rows takes.
        fitted: The models of the folds and of all rows; empty where the answers come from a checkpoint.
    """

    out_of_fold: Floats
    held_out: Floats
    seconds: float = 0.0
    milliseconds: float = 0.0
    fitted: list[Fitted] = field(default_factory=list)


@dataclass(kw_only=True)
class Pass:
    """Learners cross-validated on `rows`, and their answers to `held_out`, whose truth is not looked at.

    Attributes:
        problem: The table.
        name: Of the pass, for its checkpoints.
        rows: What may be learned from.
        held_out: What is only to be answered; may be empty.
        folds: Of the cross-validation.
        seed: Governs the folds and every learner.
        sets: Training sets of the folds, then that of all rows.
        learners, answers: By name, those that took part.
        skipped: By name, why others did not.
    """

    problem: TableProblem
    name: str
    rows: Rows
    held_out: Rows
    folds: int
    seed: int
    sets: list[TrainSet] = field(default_factory=list)
    learners: dict[str, Learner] = field(default_factory=dict)
    answers: dict[str, Answers] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.fold_of = self.problem.assign_folds(self.rows, self.folds, self.seed)
        self.threads = self.problem.threads_for(len(self.rows))
        self.task = tasks.of(self.problem.task)
        self._views: dict[tuple[int, bool], Mapping[str, Floats]] = {}

    @property
    def truth(self) -> NDArray[Any]:
        """Of the rows that were learned from."""
        return self.problem.truth[self.rows]

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
            prepare(self.problem, split, draw(self.seed, 2, index), views)
            for index, split in enumerate([*splits, self.rows])
        ]

        one_at_a_time = Lock()

        def turn(learner: Learner) -> Answers | str:
            with one_at_a_time:
                starting(learner.name)
            kept = checkpoint.read(self.name, learner.name) if checkpoint else None
            if kept is not None:
                if gate:
                    gate(learner.name, kept.seconds, 1)  # it was let through then: the decision is repeated
                return kept
            found = skip_reason(learner, self.problem, self.rows) or self._validated(learner, gate)
            if checkpoint and isinstance(found, Answers):
                checkpoint.write(self.name, learner.name, found)
            return found

        with threads_of(self.threads):
            if gate is None and len(self.rows) < SMALL_ROWS:
                # How many threads OpenMP takes is said in each thread that calls it.
                limit = partial(_limit_threads, self.threads)
                with ThreadPoolExecutor(self.problem.threads, "learner", initializer=limit) as pool:
                    # Each turn is in the language of the call, which a thread does not have by itself.
                    waiting = [pool.submit(copy_context().run, turn, learner) for learner in learners]
                    turns = [each.result() for each in waiting]
            else:  # decisions come in an order, and seconds are to be those of one learner alone
                turns = [turn(learner) for learner in learners]
        for learner, found in zip(learners, turns, strict=True):
            if isinstance(found, Answers):
                self.learners[learner.name], self.answers[learner.name] = learner, found
            else:
                self.skipped[learner.name] = found
        return self

    def _validated(self, learner: Learner, gate: BudgetCheck | None) -> Answers | str:
        """A learner's answers, or why there are none."""
        learner.warm()
        foresee = learner.foresee if gate else None
        if gate and foresee and (reason := gate(learner.name, foresee(self.sets), 1)):
            return reason
        out_of_fold, held_out = np.zeros((len(self.rows), self.problem.outputs)), []
        found, began = Answers(out_of_fold=out_of_fold, held_out=out_of_fold), time.perf_counter()
        for index, model in enumerate(self._fits(learner)):
            seconds = time.perf_counter() - began
            found.seconds += seconds
            found.fitted.append(model)
            if gate and not foresee and not index and (reason := gate(learner.name, seconds, self.folds + 1)):
                return reason
            if index < self.folds:
                began, view = time.perf_counter(), self._asked(index, held_out=False)[learner.view]
                scores = model.scores(view)
                found.milliseconds = 1000 * (time.perf_counter() - began) / max(len(view), 1)
                out_of_fold[self.fold_of == index] = self.sets[index].unstandardised(scores)
            if index == self.folds or self.task.has_intervals:
                view = self._asked(index, held_out=True)[learner.view]
                scores = model.scores(view) if len(view) else np.zeros((0, self.problem.outputs))
                held_out.append(self.sets[index].unstandardised(scores))
            began = time.perf_counter()
        found.held_out = np.stack(held_out)
        return found

    def _asked(self, index: int, *, held_out: bool) -> Mapping[str, Floats]:
        """What the model of a training set is given of the held-out rows, or of those of its fold."""
        if (index, held_out) not in self._views:
            rows = self.held_out if held_out else self.rows[self.fold_of == index]
            self._views[index, held_out] = self.sets[index].views_of(*self.problem.cells(rows))
        return self._views[index, held_out]

    def _fits(self, learner: Learner) -> Iterator[Fitted]:
        return learner.fit(self.sets, draw(self.seed, 1), self.threads)

    def refit(self, name: str) -> list[Fitted]:
        """The models of a learner; fitted again, to the same, where only their answers were kept."""
        answers = self.answers[name]
        answers.fitted = answers.fitted or list(self._fits(self.learners[name]))
        return answers.fitted

    def forget(self) -> None:
        """Let go of models that only had to answer."""
        for answers in self.answers.values():
            answers.fitted.clear()
        self.sets.clear()
        self._views.clear()


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


# ---- the blend of learners ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Blend:
    """How the learners of a pass answer together.

    Attributes:
        made_of: The pass.
        stack: Shares of the members.
        temperatures: Of each learner's logits, 1 for numbers.
        temperature: Of the blended probabilities.
        out_of_fold: (row, output) the answer to the pass's rows, each by models that had not seen it:
            probabilities, or estimates.
        held_out: (model, held-out row, output) the answers to the held-out rows, as in `Answers`.
        losses: For each learner that took part, (row,) of its own answers.
        features, held_out_features: (row, column) the linear view of the pass's rows, and of those held out,
            where widths of intervals may follow them.
    """

    made_of: Pass
    stack: Stack
    temperatures: Mapping[str, float]
    temperature: float
    out_of_fold: Floats
    held_out: Floats
    losses: Mapping[str, Floats]
    features: Floats | None = None
    held_out_features: Floats | None = None

    @property
    def answers(self) -> Floats:
        """Probabilities (row, class) out of fold, or estimates (row,)."""
        return self.out_of_fold[:, 0] if self.made_of.task.has_intervals else self.out_of_fold

    def held_out_rows(self) -> OutOfFold:
        """What was answered out of fold, with the linear view of the encoder that answers."""
        this = self.made_of
        problem, rows = this.problem, this.rows
        quickest = min(self.stack.weights, key=lambda name: this.answers[name].seconds)
        return OutOfFold(
            rows=rows,
            outputs=tasks_of_evaluation.of(problem.task).outputs_of(self.answers),
            truth=this.truth,
            folds=this.fold_of,
            groups=problem.groups[rows] if len(problem.groups) else rows,
            learned_from=np.ones(len(rows), np.bool_),
            features=this.sets[-1].encoder.view("linear", *problem.cells(rows)),
            relearn=partial(_relearned, problem, this.learners[quickest], rows, this.folds, this.seed),
            relearn_seconds=this.answers[quickest].seconds,
        )

    @cached_property
    def calibration(self) -> Calibration:
        """Errors of the blend on rows that its models had not seen."""
        this = self.made_of
        errors, groups = this.truth - self.out_of_fold[:, 0], this.problem.groups
        own = groups[this.rows] if len(groups) else this.rows
        return calibrate(errors, this.fold_of, fit_difficulty(self.features, errors, own, seed=this.seed))

    def freeze(self) -> TableModel:
        """The model as a record, with the models of its folds."""
        *fold_models, model = (self._frozen(index) for index in range(len(self.made_of.sets)))
        return replace(model, folds=tuple(fold_models))

    def _frozen(self, index: int) -> TableModel:
        this, problem, weights = self.made_of, self.made_of.problem, self.stack.weights
        members = tuple(
            Member(
                name=name,
                view=this.learners[name].view,
                model=frozen(this.refit(name)[index]),
                weight=weights[name],
                temperature=self.temperatures[name],
            )
            for name in this.answers
            if name in weights
        )
        return this.task.model(
            task=problem.task,
            classes=problem.classes,
            number_names=problem.features.number_names,
            category_names=problem.features.category_names,
            encoder=this.sets[index].encoder,
            members=members,
            centre=this.sets[index].centre,
            scale=this.sets[index].scale,
            temperature=self.temperature,
        )


def blend(this: Pass, names: Sequence[str] | None = None) -> Blend:
    """Choose shares, and temperatures for classes, on answers to rows that no model had learned from.

    Args:
        this: The pass.
        names: The learners to choose from; all that took part unless given.
    """
    taken, truth, task = this.answers, this.truth, this.task
    link, blended = task.model.link, task.model.blended
    temperatures = {name: task.temperature(answers.out_of_fold, truth) for name, answers in taken.items()}
    out_of_fold = {name: link(answers.out_of_fold, temperatures[name]) for name, answers in taken.items()}
    eligible = {name: out_of_fold[name] for name in taken if names is None or name in names} or out_of_fold
    loss_of, every = task.weighting_loss(truth, eligible), np.arange(len(this.rows))
    steady = None  # where rows are few, shares are means over draws of them
    if len(every) < SMALL_ROWS:
        steady = steady_weights(eligible, loss_of, rows=len(every), seed=draw(this.seed, 5))
    chosen = stack(eligible, loss_of(every), weights=steady)
    mixed, loss = mixed_answers(out_of_fold, chosen.weights), task.loss(truth)
    temperature = task.blend_temperature(mixed, truth)
    held_out = {name: link(taken[name].held_out, temperatures[name]) for name in chosen.weights}
    return Blend(
        made_of=this,
        stack=chosen,
        temperatures=temperatures,
        temperature=temperature,
        out_of_fold=blended(mixed, temperature),
        held_out=blended(mixed_answers(held_out, chosen.weights), temperature),
        losses={name: loss(answer) for name, answer in out_of_fold.items()},
        features=_view(this, this.rows),
        held_out_features=_view(this, this.held_out),
    )


def _view(this: Pass, rows: Rows) -> Floats | None:
    """The linear view of some rows by the encoder of all of the pass's rows; None of classes."""
    if not this.task.has_intervals:
        return None
    return this.sets[-1].encoder.view("linear", *this.problem.cells(rows))


def _relearned(
    problem: TableProblem,
    learner: Learner,
    every: Rows,
    folds: int,
    seed: int,
    truth: NDArray[Any],
    rows: Rows,
) -> Floats:
    """As `OutOfFold.relearn`: the quickest learner of the blend alone, on some of the rows."""
    changed = problem.truth.copy()
    changed[every] = truth
    again = replace(problem, truth=changed)
    this = Pass(problem=again, name="again", rows=every[rows], held_out=every[:0], folds=folds, seed=seed)
    return blend(this.run([learner])).answers


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

        names = ("out_of_fold", "held_out", "seconds", "milliseconds")
        kept = {each: np.ascontiguousarray(np.atleast_1d(getattr(answers, each))) for each in names}
        write_bytes(self._path(name, learner), save(kept))

    def _path(self, name: str, learner: str) -> Path:
        return self.folder / f"{name}-{learner.replace(' ', '-').lower()}.safetensors"
