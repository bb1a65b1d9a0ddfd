"""One pass over a table: cross-validate every learner on some rows, and blend their answers.

A pass is given the rows it may learn from, and nothing else of the table's truth. Everything that is chosen
(encoders, settings, shares, temperatures) is chosen inside it, so that rows held out of a pass are judged by
a model that knows nothing of them.
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
from mindle.training.tables.learners import Fitted, Learner, TrainSet
from mindle.training.tables.stacking import Loss, Stack, mixed_answers, stack, steady_weights

Floats = NDArray[np.float64]
Rows = NDArray[np.int64]
AssignFolds = Callable[[Rows, int, int], NDArray[np.int64]]
BudgetCheck = Callable[[str, float, int], str]

# Fits on fewer rows than this gain nothing from a second thread; two learners side by side do.
SMALL_ROWS = 5000


def open_gate(name: str, seconds: float, fits: int) -> str:
    """A gate that stops no learner."""
    return ""


@dataclass(frozen=True, kw_only=True)
class TableProblem:
    """Rows as arrays, and what is asked of them.

    Attributes:
        features: Numbers and categories of every row.
        truth: (row,) class numbers, or numbers to estimate.
        task: What is learned, as in `mindle.records`.
        classes: Class names in the order of the numbers; empty for regression.
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


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A training set, and how its standardised target goes back."""

    rows: Rows
    train: TrainSet
    centre: float
    scale: float

    def views(self, problem: TableProblem, rows: Rows) -> dict[str, Floats]:
        """The same views of any rows."""
        cells = problem.cells(rows)
        return {view: self.train.encoder.view(view, *cells) for view in self.train.views}


def prepare(
    problem: TableProblem, rows: Rows, seed: int, views: Collection[str] = ("linear", "trees")
) -> Prepared:
    """Fit an encoder on these rows, and nothing on any other, and make the views that are wanted."""
    numbers, categories = problem.cells(rows)
    target = tasks.of(problem.task).target(problem.truth[rows], problem.outputs)
    encoder = fit_encoder(numbers, categories, target.columns)
    made = {view: encoder.view(view, numbers, categories) for view in views if view != "trees"}
    if "trees" in views:
        made["trees"] = training_trees(encoder, numbers, categories, target.columns, seed=seed)
    train = TrainSet(
        encoder=encoder,
        views=made,
        truth=target.truth,
        outputs=problem.outputs,
        centre=target.centre,
        scale=target.scale,
    )
    return Prepared(rows=rows, train=train, centre=target.centre, scale=target.scale)


@dataclass(kw_only=True)
class Answers:
    """What one learner said in a pass: scores of classes, or estimates in the target's own unit.

    Attributes:
        own: (row, output) of the pass's rows, each by the model that had not seen it.
        held: (held row, output) by the model of all the pass's rows.
        held_folds: (held row, fold) by the models of the folds; for regression.
        seconds: What all fits took.
        milliseconds: What the answer to one of many rows takes.
        fitted: The models of the folds and of all rows; empty where the answers come from a checkpoint.
    """

    own: Floats
    held: Floats
    held_folds: Floats
    seconds: float
    milliseconds: float = 0.0
    fitted: list[Fitted] = field(default_factory=list)


@dataclass(kw_only=True)
class Pass:
    """The answers of every learner that took part."""

    problem: TableProblem
    name: str
    rows: Rows
    held: Rows
    fold_of: NDArray[np.int64]
    sets: list[Prepared]  # the folds', then that of all rows
    seed: int
    learners: dict[str, Learner] = field(default_factory=dict)
    answers: dict[str, Answers] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def truth(self) -> NDArray[Any]:
        """Of the rows that were learned from."""
        return self.problem.truth[self.rows]

    def refit(self, name: str) -> list[Fitted]:
        """The models of a learner; fitted again, to the same, where only their answers were kept."""
        answers = self.answers[name]
        if not answers.fitted:
            sets = [one.train for one in self.sets]
            fits = self.learners[name].fit(sets, draw(self.seed, 1), self.problem.threads_for(len(self.rows)))
            answers.fitted = list(fits)
        return answers.fitted


def run_pass(
    problem: TableProblem,
    name: str,
    rows: Rows,
    held: Rows,
    *,
    learners: Sequence[Learner],
    folds: int,
    seed: int,
    gate: BudgetCheck = open_gate,
    checkpoint: PassCheckpoint | None = None,
    told: Callable[[str], None] = lambda name: None,
) -> Pass:
    """Cross-validate learners on `rows`, and let them answer `held`, whose truth is not looked at.

    Args:
        problem: The table.
        name: Of the pass, for its checkpoints.
        rows: What may be learned from.
        held: What is only to be answered; may be empty.
        learners: Whom to try.
        folds: Of the cross-validation.
        seed: Governs the folds and every learner.
        gate: Given a learner, the seconds of its first fit and how many there are to be, says why it is left
            out, or "".
        checkpoint: Keeps answers, so that an interrupted pass goes on where it was.
        told: Hears of each learner before its turn.
    """
    fold_of = problem.assign_folds(rows, folds, seed)
    parts = [rows[fold_of != fold] for fold in range(folds)]
    looked_at = {learner.view for learner in learners}
    sets = [
        prepare(problem, part, draw(seed, 2, place), looked_at) for place, part in enumerate([*parts, rows])
    ]
    this = Pass(problem=problem, name=name, rows=rows, held=held, fold_of=fold_of, sets=sets, seed=seed)
    views = _Views(this)

    def turn(learner: Learner) -> tuple[Answers | None, str]:
        told(learner.name)
        kept = None if checkpoint is None else checkpoint.read(name, learner.name)
        reason = skip_reason(learner, problem, rows)
        if kept is not None:
            gate(learner.name, kept.seconds, 1)  # it was let through then: the decision is repeated
        elif not reason:
            kept, reason = _cross_validate(this, learner, views, gate)
            if kept is not None and checkpoint is not None:
                checkpoint.write(name, learner.name, kept)
        return kept, reason

    with threads_of(problem.threads_for(len(rows))):
        if gate is open_gate and len(rows) < SMALL_ROWS:
            # How many threads OpenMP takes is said in each thread that calls it.
            calm = partial(_calm, problem.threads_for(len(rows)))
            with ThreadPoolExecutor(problem.threads, thread_name_prefix="learner", initializer=calm) as pool:
                turns = list(pool.map(turn, learners))
        else:  # decisions come in an order, and seconds are to be those of one learner alone
            turns = [turn(learner) for learner in learners]
    for learner, (kept, reason) in zip(learners, turns, strict=True):
        if kept is None:
            this.skipped[learner.name] = reason
        else:
            this.learners[learner.name], this.answers[learner.name] = learner, kept
    return this


def _calm(count: int) -> None:
    import torch
    from threadpoolctl import threadpool_limits

    torch.set_num_threads(count)
    threadpool_limits(count)


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
        learners: Whom to time.
        fits: How many there will be in a pass; nets learn them side by side.
        seed: Of the fits, which are thrown away.
        go_on: Asked before each learner; those after a no are not timed.
    """
    one = prepare(problem, rows, seed, {learner.view for learner in learners}).train
    found: dict[str, float] = {}
    with threads_of(problem.threads_for(len(rows))):
        for learner in learners:
            if not go_on():
                break
            learner.warm()
            began = time.perf_counter()
            if learner.foresee is not None:
                found[learner.name] = learner.foresee([one] * fits) / fits
                continue
            model = next(learner.fit([one], seed, problem.threads_for(len(rows))))
            model.scores(one.views[learner.view])
            found[learner.name] = time.perf_counter() - began
    return found


@contextmanager
def threads_of(count: int) -> Iterator[None]:
    """Let every library use so many threads, torch's included, and keep their warnings off the terminal.

    What they warn of, few rows of a class above all, is said once, by the findings about the table.
    """
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        # Filters belong to the process: they are set here, before the learners' threads begin.
        with threadpool_limits(count), warnings.catch_warnings():
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


class _Views:
    """The views of what each model is to answer, made when they are first wanted."""

    def __init__(self, this: Pass) -> None:
        self._pass = this
        self._known: dict[tuple[int, str], dict[str, Floats]] = {}

    def of(self, place: int, which: str) -> dict[str, Floats]:
        if (place, which) not in self._known:
            here = self._pass
            rows = here.held if which == "held" else here.rows[here.fold_of == place]
            self._known[place, which] = here.sets[place].views(here.problem, rows)
        return self._known[place, which]


def _cross_validate(
    this: Pass, learner: Learner, views: _Views, gate: BudgetCheck
) -> tuple[Answers | None, str]:
    outputs, folds = this.problem.outputs, len(this.sets) - 1
    own = np.zeros((len(this.rows), outputs))
    held_folds = np.zeros((len(this.held), folds if outputs == 1 else 0))
    held, fitted, spent = np.zeros((len(this.held), outputs)), [], 0.0
    train, milliseconds = [one.train for one in this.sets], 0.0
    learner.warm()
    foresee = learner.foresee if gate is not open_gate else None
    if foresee is not None and (reason := gate(learner.name, foresee(train), 1)):
        return None, reason
    fits = learner.fit(train, draw(this.seed, 1), this.problem.threads_for(len(this.rows)))
    for place, (model, seconds) in enumerate(_timed(fits)):
        spent += seconds
        fitted.append(model)
        one = this.sets[place]
        if place == 0 and foresee is None and (reason := gate(learner.name, seconds, len(this.sets))):
            return None, reason
        if place < folds:
            began, view = time.perf_counter(), views.of(place, "own")[learner.view]
            scores = model.scores(view)
            milliseconds = 1000 * (time.perf_counter() - began) / max(len(view), 1)
            own[this.fold_of == place] = scores * one.scale + one.centre
        if len(this.held) and (place == folds or outputs == 1):
            scores = model.scores(views.of(place, "held")[learner.view]) * one.scale + one.centre
            if place == folds:
                held = scores
            else:
                held_folds[:, place] = scores[:, 0]
    return Answers(
        own=own, held=held, held_folds=held_folds, seconds=spent, milliseconds=milliseconds, fitted=fitted
    ), ""


def _timed(fits: Iterator[Fitted]) -> Iterator[tuple[Fitted, float]]:
    """Each fit with the seconds it took."""
    while True:
        began = time.perf_counter()
        model = next(fits, None)
        if model is None:
            return
        yield model, time.perf_counter() - began


# ---- the blend of learners ------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Blend:
    """How the learners of a pass answer together.

    Attributes:
        stack: Shares of the members.
        temperatures: Of each learner's logits, 1 for regression.
        temperature: Of the mixed probabilities.
        own: (row, output) the answer to the pass's rows, each by models that had not seen it: probabilities,
            or estimates.
        held: (held row, output) the answer to the rows held out.
        held_folds: (held row, fold) estimates of each fold's stack; empty for classes.
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
    taken = this.answers
    names = [name for name in taken if names is None or name in names] or list(taken)
    truth = this.truth
    task = tasks.of(this.problem.task)
    temperatures = {name: task.temperature(answers.own, truth) for name, answers in taken.items()}
    own = {name: task.model.link(answers.own, temperatures[name]) for name, answers in taken.items()}
    held = {name: task.model.link(answers.held, temperatures[name]) for name, answers in taken.items()}
    eligible = {name: own[name] for name in names}
    chosen = _shares(this, eligible, task.weighting_loss(truth, eligible))
    mixed, loss = mixed_answers(own, chosen.weights), task.loss(truth)
    temperature = task.blend_temperature(mixed, truth)
    return Blend(
        stack=chosen,
        temperatures=temperatures,
        temperature=temperature,
        own=task.model.blended(mixed, temperature),
        held=task.model.blended(mixed_answers(held, chosen.weights), temperature),
        held_folds=mixed_answers({name: a.held_folds for name, a in taken.items()}, chosen.weights),
        losses={name: loss(answer) for name, answer in own.items()},
    )


def _shares(this: Pass, own: Mapping[str, Floats], loss_of: Callable[[Rows], Loss]) -> Stack:
    """Shares of the members: steady ones where rows are few."""
    every = np.arange(len(this.rows))
    if len(every) >= SMALL_ROWS:
        return stack(own, loss_of(every))
    weights = steady_weights(own, loss_of, rows=len(every), seed=draw(this.seed, 5))
    return stack(own, loss_of(every), weights=weights)


def freeze(this: Pass, blended: Blend) -> TableModel:
    """The model of a finished pass as a record, with the models of its folds."""
    kept = [name for name in this.answers if name in blended.stack.weights]
    models = [_frozen(this, blended, kept, place) for place in range(len(this.sets))]
    return replace(models[-1], folds=tuple(models[:-1]))


def _frozen(this: Pass, blended: Blend, kept: Sequence[str], place: int) -> TableModel:
    one, features = this.sets[place], this.problem.features
    members = tuple(
        Member(
            name=name,
            view=this.learners[name].view,
            model=this.refit(name)[place].freeze(),
            weight=blended.stack.weights[name],
            temperature=blended.temperatures[name],
        )
        for name in kept
    )
    return tasks.of(this.problem.task).model(
        task=this.problem.task,
        classes=this.problem.classes,
        number_names=features.number_names,
        category_names=features.category_names,
        encoder=one.train.encoder,
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
        folder: Where they lie.
        resume: Whether those that lie there count; else they belong to another run.
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
            arrays = load_file(path)
            return Answers(
                own=arrays["own"],
                held=arrays["held"],
                held_folds=arrays["held_folds"],
                seconds=float(arrays["seconds"][0]),
                milliseconds=float(arrays["milliseconds"][0]) if "milliseconds" in arrays else 0.0,
            )
        except (OSError, SafetensorError, KeyError):
            return None  # fitted again: costs time, and nothing else

    def write(self, name: str, learner: str, answers: Answers) -> None:
        """Keep the answers of a learner."""
        from safetensors.numpy import save

        arrays = {
            "own": np.ascontiguousarray(answers.own),
            "held": np.ascontiguousarray(answers.held),
            "held_folds": np.ascontiguousarray(answers.held_folds),
            "seconds": np.array([answers.seconds]),
            "milliseconds": np.array([answers.milliseconds]),
        }
        write_bytes(self._path(name, learner), save(arrays))

    def _path(self, name: str, learner: str) -> Path:
        return self.folder / f"{name}-{learner.replace(' ', '-').lower()}.safetensors"
