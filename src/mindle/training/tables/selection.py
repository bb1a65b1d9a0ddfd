"""`mindle train` on a table: cross-validate the models, blend the best, evaluate on held-out rows.

Small tables are evaluated by repeated nested cross-validation. Each outer fold in turn is held out, and
everything, from filling a missing cell to choosing which models answer, happens without it. One split of a
few hundred rows would say more about the split than about the model. Larger tables have a test split.
Either way the final model has learned from all rows that it may.

Whatever depends on the clock is a decision: recorded when it is made, and repeated when a run is resumed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.conformal import Calibration, prediction_interval
from mindle.messages import known_message, message
from mindle.models.tables.model import TableModel
from mindle.records import Diagnosis, OutOfFold
from mindle.training.budget import duration
from mindle.training.loop.batches import draw
from mindle.training.loop.job import TrainingContext
from mindle.training.recipe import TABLE, Recipe, read_recipe, with_settings
from mindle.training.settings import TableSettings as TableSettings
from mindle.training.tables import tasks
from mindle.training.tables.diagnosis import TableCase, diagnose_table
from mindle.training.tables.learners import Learner, learners
from mindle.training.tables.passes import (
    Blend,
    BudgetCheck,
    Pass,
    PassCheckpoint,
    Rows,
    TableProblem,
    blend,
    seconds_of_fits,
    skip_reason,
)

Floats = NDArray[np.float64]

# What a table may take from start to report unless --budget is given: with a slow moment, five minutes.
BUDGET_SECONDS = 270.0
# The final pass learns from all rows, others from four fifths; freezing and a slow moment come on top. On two
# cores and more, learners of small tables run side by side after the first pass.
FINAL_COST, SAFETY, SIDE_BY_SIDE = 1.5, 1.15, 1.4
FINAL, STACK = "final", "stack"
ALWAYS = ("baseline", "linear")


@dataclass(frozen=True, kw_only=True)
class HeldOutPredictions:
    """Answers to rows by models that had not learned from them.

    Attributes:
        rows: Which rows of the table, repeat after repeat.
        answers: (row, class) probabilities, or (row,) estimates.
        repeats: How often each row was answered.
        folds: (row,) which fold of its repeat held it out; None where one split did.
        low, high: (row,) ends of a prediction interval of 90 %; None for classes.
    """

    rows: Rows
    answers: Floats
    repeats: int = 1
    folds: Rows | None = None
    low: Floats | None = None
    high: Floats | None = None


@dataclass(frozen=True, kw_only=True)
class TableOutcome:
    """What came of it.

    Attributes:
        model: Refitted on all rows that it may learn from; for regression with the models of the folds.
        fold_models: The models of the last cross-validation with the rows that each had not seen.
        test: Answers to rows held out from everything: pooled over the outer folds, or of the test split.
        val: Answers out of fold to the rows that the final model was chosen by.
        calibration: Held-out errors for prediction intervals with the models of the folds; None for classes.
        protocol: How `test` came about: {"kind": "nested", "folds": 5, "repeats": 3}, or {"kind": "split"}.
        tried: One document a learner: name, accuracy or mean absolute error out of fold with low and high,
            seconds, note, whether it has a share.
        stopped: Why nothing more was tried.
        seconds: By stage.
        out_of_fold: The answers of `val`, with what is needed to evaluate them.
        diagnoses: What was wrong with the training; nothing for a healthy one.
    """

    model: TableModel
    fold_models: tuple[tuple[TableModel, Rows], ...]
    test: HeldOutPredictions
    val: HeldOutPredictions
    calibration: Calibration | None
    protocol: Mapping[str, Any]
    tried: Sequence[Mapping[str, Any]]
    stopped: str
    seconds: Mapping[str, float]
    out_of_fold: OutOfFold
    diagnoses: tuple[Diagnosis, ...] = ()

    def of_table(self, rows: Rows, test: Rows | None = None) -> TableOutcome:
        """The same with the rows of the table that the problem was made of.

        Args:
            rows: The row of the table that each row of the problem is.
            test: Sealed rows of the table, which are yet to be answered; those of the outcome unless given.
        """
        sealed = None if test is None else HeldOutPredictions(rows=test, answers=np.zeros(0))
        return replace(
            self,
            fold_models=tuple((model, rows[seen]) for model, seen in self.fold_models),
            test=sealed or replace(self.test, rows=rows[self.test.rows]),
            val=replace(self.val, rows=rows[self.val.rows]),
            out_of_fold=replace(self.out_of_fold, rows=rows[self.out_of_fold.rows]),
        )


def settle_table(
    recipe: str | os.PathLike[str] | Recipe | None = None,
    *,
    models: str | None = None,
    folds: int | None = None,
    repeats: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Recipe:
    """Fill in every default of a call: the recipe is the start, and whatever else is given changes it.

    Raises:
        ValueError: If the recipe is not for tables, or a setting is unknown or out of its range.

    Example:
        >>> settle_table(models="linear, nets", settings={"table.epochs": "20"}).table.models
        ('linear', 'nets')
    """
    chosen = recipe if isinstance(recipe, Recipe) else read_recipe(TABLE if recipe is None else recipe)
    if chosen.strategy != TABLE:
        named = "one" if isinstance(recipe, Recipe) else repr(str(recipe))
        raise ValueError(
            f'`recipe` must be for a table, with strategy = "{TABLE}". Received {named} of the strategy '
            f'"{chosen.strategy}", which is for images. `mindle recipes {TABLE}` prints one to begin with.'
        )
    given = {"table.models": models, "table.folds": folds, "table.repeats": repeats, **(settings or {})}
    return with_settings(chosen, {name: value for name, value in given.items() if value is not None})


def fit_table(
    problem: TableProblem,
    test: Rows | None = None,
    *,
    settings: TableSettings | None = None,
    context: TrainingContext | None = None,
    split_seed: int | None = None,
) -> TableOutcome:
    """Train the models of a table and evaluate them on rows that they had not seen.

    Args:
        problem: The rows with their truth. Where rows are sealed, they are not among these.
        test: Rows of the problem that only evaluate. None nests: every row evaluates once a repeat, by models
            without it. Empty evaluates nothing: one pass chooses, weights and refits.
        settings: How models are evaluated, what is tried, and how it is trained.
        context: What the training runs in.
        split_seed: Governs the outer folds, so that runs of other seeds are evaluated on the same; the seed
            of the context unless given.

    Returns:
        The model and how it did, without diagnoses: see `diagnosed`.
    """
    settings, context = settings or TableSettings(), context or TrainingContext()
    outer = context.seed if split_seed is None else split_seed
    selection = _Selection(problem=problem, settings=settings, context=context, split_seed=outer)
    every = np.arange(len(problem.truth))
    return selection.nested(every) if test is None else selection.split(np.setdiff1d(every, test), test)


def diagnosed(outcome: TableOutcome, problem: TableProblem, settings: TableSettings) -> TableOutcome:
    """The outcome with its diagnoses.

    Args:
        outcome: Its rows are those of `problem`.
        problem: All rows, the test rows with them, which may have been standardised together.
        settings: How the nets were trained.
    """
    once = len(outcome.test.rows) // outcome.test.repeats
    held_out = outcome.test.rows[:once]
    if outcome.test.folds is not None:  # of a cross-validation the first fold stands for all
        held_out = held_out[outcome.test.folds[:once] == 0]
    case = TableCase(
        problem=problem,
        model=outcome.model,
        rows=outcome.val.rows,
        answers=outcome.val.answers,
        held_out=held_out,
        settings=settings,
    )
    return replace(outcome, diagnoses=diagnose_table(case))


@dataclass
class _Selection:
    """One training: what it tries, what it has spent, and what it did without."""

    problem: TableProblem
    settings: TableSettings
    context: TrainingContext
    split_seed: int
    skipped: dict[str, str] = field(default_factory=dict)
    spent: dict[str, float] = field(default_factory=dict)
    paces: list[float] = field(default_factory=list)  # seconds of each pass that was made here
    shortened: list[str] = field(default_factory=list)  # what of the protocol was, for time

    def __post_init__(self) -> None:
        folder, resume = self.context.folder, self.context.resume
        self.checkpoint = None if folder is None else PassCheckpoint(folder / "checkpoint", resume)
        self.deadline, self.listener = self.context.deadline, self.context.listener
        self.task = tasks.of(self.problem.task)
        self.began = time.perf_counter()
        every, wished = learners(self.settings), self.settings.models
        names = [learner.name for learner in every]
        if unknown := set(wished) - set(names):
            raise ValueError(
                f"`models` must be among {', '.join(names)}. Received {', '.join(sorted(unknown))}."
            )
        # The baseline is scored beside the models that were asked for, and has no share.
        self.eligible = [name for name in names if not wished or name in wished]
        self.learners = [
            learner
            for learner in every
            if learner.name in ("baseline", *self.eligible)
            and (self.task.has_intervals or not learner.positive)
        ]

    # ---- the two protocols ------------------------------------------------------------------------------

    def split(self, known: Rows, test: Rows) -> TableOutcome:
        """Choose by cross-validation on the known rows, and answer the test rows once."""
        self.deadline.require(0.0, "models")
        final = self._pass(FINAL, known, test, self.settings.folds, self._gate)
        return self._outcome([final], final, {"kind": "split"})

    def nested(self, known: Rows) -> TableOutcome:
        """Every row held out once a repeat; then one more pass over all rows makes the model.

        Where time is short, repeats are dropped, then folds, then all but the first outer fold.
        """
        plan = self._protocol(known)
        outer, inner, repeats = plan["outer"], plan["inner"], plan["repeats"]
        done: list[Blend] = []
        for repeat, fold in product(range(max(repeats, 1)), range(outer)):
            fold_of = self.problem.assign_folds(known, outer, draw(self.split_seed, 3, repeat))
            name = f"repeat-{repeat + 1}-fold-{fold + 1}"
            learned = self.problem.learned(known[fold_of != fold])
            done.append(self._pass(name, learned, known[fold_of == fold], inner))
            if not repeats or (len(done) < outer * repeats and not self._goes_on(done, outer)):
                break
            if len(done) > 1 or not self.deadline.limited:  # the first may have to answer for all
                done[-1].made_of.forget()
            self.listener.progress("outer folds", len(done), outer * repeats)
        whole = len(done) // outer
        if not whole:
            self._shorten(message("tables.time.first-fold"))
            return self._outcome(done[:1], done[0], {"kind": "split"})
        if whole < repeats:
            self._shorten(message("tables.time.repeats", made=whole, wanted=repeats))
        done[0].made_of.forget()
        final = self._pass(FINAL, self.problem.learned(known), known[:0], inner)
        protocol = {"kind": "nested", "folds": outer, "repeats": whole}
        return self._outcome(done[: whole * outer], final, protocol)

    def _pass(
        self, name: str, rows: Rows, held_out: Rows, folds: int, gate: BudgetCheck | None = None
    ) -> Blend:
        def starting(learner: str) -> None:
            if name == FINAL:
                self.listener.say(message("tables.fitting", name=learner))

        began, seed = time.perf_counter(), draw(self.context.seed, 4, *name.encode())
        this = Pass(problem=self.problem, name=name, rows=rows, held_out=held_out, folds=folds, seed=seed)
        this.run(self.learners, gate=gate, checkpoint=self.checkpoint, starting=starting)
        if any(answers.fitted for answers in this.answers.values()):
            self.paces.append(time.perf_counter() - began)
        self._skip(this.skipped)
        for learner, answers in this.answers.items():
            self.spent[learner] = self.spent.get(learner, 0.0) + answers.seconds
        return blend(this, self.eligible)

    def _skip(self, reasons: Mapping[str, str]) -> None:
        self.skipped |= reasons
        self.learners = [learner for learner in self.learners if learner.name not in reasons]

    def _shorten(self, what: str) -> None:
        if what not in self.shortened:
            self.shortened.append(what)
            self.listener.say(message("tables.time.said", words=what))

    # ---- what the clock allows --------------------------------------------------------------------------

    def _gate(self, learner: str, seconds: float, fits: int) -> str:
        """Why there is no time for a learner; for one that the user named there has to be."""
        if learner in ALWAYS or not self.deadline.limited:
            return ""
        cost = seconds * fits

        def affordable() -> dict[str, Any]:
            left = self.deadline.remaining()
            if learner in self.settings.models:
                self.deadline.require(SAFETY * cost, learner)
            if SAFETY * cost <= left:
                return {"take": True}
            return {"take": False, "reason": _too_slow(cost, left)}

        reason: str = self.context.decisions.decide(f"{FINAL} {learner}", affordable).get("reason", "")
        return reason

    def _protocol(self, known: Rows) -> dict[str, Any]:
        """How the rows are evaluated, and what is skipped: as was asked, or what there is time for."""
        folds, repeats = self.settings.folds, self.settings.repeats
        asked = {"outer": folds, "inner": folds, "repeats": repeats, "skipped": {}}
        if not self.deadline.limited:
            return asked
        plan = self.context.decisions.decide("protocol", lambda: self._planned(known, asked))
        self._skip(plan["skipped"])
        if plan["outer"] < folds:
            self._shorten(message("tables.time.folds", made=plan["outer"], wanted=folds))
        if 0 < plan["repeats"] < repeats:
            self._shorten(message("tables.time.repeats", made=plan["repeats"], wanted=repeats))
        return plan

    def _planned(self, known: Rows, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The fullest protocol that all models have time for; else as many kinds as one split has."""
        self.deadline.require(0.0, "models")
        folds, whole = self.settings.folds, self.deadline.remaining()
        suited = [one for one in self.learners if not skip_reason(one, self.problem, known)]
        costs = seconds_of_fits(
            self.problem,
            known[self.problem.assign_folds(known, folds, draw(self.split_seed, 3, 0)) != 0],
            suited,
            fits=folds + 1,
            seed=draw(self.context.seed, 6),
            go_on=lambda: self.deadline.remaining() > whole / 2,
        )
        left, pace = self.deadline.remaining(), SIDE_BY_SIDE if self.problem.threads > 1 else 1.0
        every, least = SAFETY * sum(costs.values()) / pace, min(3, folds)
        if len(costs) == len(suited):
            nested = [(folds, repeats) for repeats in range(self.settings.repeats, 0, -1)]
            nested += [(outer, 1) for outer in range(folds - 1, least - 1, -1)]
            for outer, repeats in nested:
                if every * (outer + 1) * (outer * repeats + FINAL_COST) <= left:
                    return {**asked, "outer": outer, "inner": outer, "repeats": repeats}
            for inner in range(folds, least - 1, -1):
                if every * (inner + 1) <= left:
                    return {**asked, "inner": inner, "repeats": 0}
        per_second = SAFETY * (least + 1) / pace
        slow = self._without_time(suited, {name: per_second * cost for name, cost in costs.items()}, left)
        return {**asked, "inner": least, "repeats": 0, "skipped": slow}

    def _without_time(
        self, suited: Sequence[Learner], costs: Mapping[str, float], left: float
    ) -> dict[str, str]:
        """What is skipped in one split, with the reason; models that the user named never are."""
        found: dict[str, str] = {}
        certain = [one.name for one in suited if one.name in (*ALWAYS, *self.settings.models)]
        spent = sum(costs.get(name, 0.0) for name in certain)
        self.deadline.require(spent, ", ".join(certain))
        for name in (one.name for one in suited if one.name not in certain):
            if name not in costs:
                found[name] = message("tables.skip.not-timed")
            elif spent + costs[name] <= left:
                spent += costs[name]
            else:
                found[name] = _too_slow(costs[name], left)
        return found

    def _goes_on(self, done: Sequence[Blend], outer: int) -> bool:
        """Whether the rest of the repeat, and the final pass, would end in time."""
        if not self.deadline.limited:
            return True
        rest = -len(done) % outer or outer  # of this repeat, or all of the next
        need = float(np.mean(self.paces or [0.0])) * (rest + FINAL_COST)
        name = f"after {done[-1].made_of.name}"
        return bool(self.context.decisions.decide(name, lambda: {"take": self.deadline.allows(need)})["take"])

    # ---- what came of it --------------------------------------------------------------------------------

    def _outcome(self, done: Sequence[Blend], final: Blend, protocol: Mapping[str, Any]) -> TableOutcome:
        began, this, intervals = time.perf_counter(), final.made_of, self.task.has_intervals
        model = final.freeze()
        return TableOutcome(
            model=model if intervals else replace(model, folds=()),
            fold_models=tuple((fold, this.rows[this.fold_of == i]) for i, fold in enumerate(model.folds)),
            test=_held_out(done, protocol.get("repeats", 1), intervals=intervals),
            val=HeldOutPredictions(rows=this.rows, answers=final.answers),
            calibration=final.calibration if intervals else None,
            protocol=protocol,
            tried=self._tried(final),
            stopped=self._stopped(final),
            seconds={"fit": time.perf_counter() - self.began, "freeze": time.perf_counter() - began},
            out_of_fold=final.held_out_rows(),
        )

    def _tried(self, final: Blend) -> list[dict[str, Any]]:
        measure = known_message(f"tables.loss.{self.task.loss_name}", self.task.loss_name)
        weights, this = final.stack.weights, final.made_of

        def tried(name: str, answers: Floats, milliseconds: float, note: str) -> dict[str, Any]:
            return {
                "name": name,
                "seconds": round(self.spent.get(name, 0.0), 2),
                "milliseconds": float(f"{milliseconds:.3g}") or None,
                "note": note,
                **self.task.score(answers, this.truth),
                "chosen": name in weights or name == STACK,
            }

        found = []
        for name, answers in this.answers.items():
            value = self.task.value(float(final.losses[name].mean()))
            code = "tables.note.share" if name in weights else "tables.note.loss"
            note = message(code, loss=measure, value=value, share=weights.get(name, 0.0))
            found.append(tried(name, answers.out_of_fold, answers.milliseconds, note))
        if len(weights) > 1:
            milliseconds = sum(this.answers[name].milliseconds for name in weights)
            found.append(tried(STACK, final.out_of_fold, milliseconds, final.stack.note))
        for name, reason in self.skipped.items():
            note = message("selection.skipped", reason=reason)
            found.append({"name": name, "value": None, "note": note, "chosen": False})
        return found

    def _stopped(self, final: Blend) -> str:
        names = [f"{name} {share:.0%}" for name, share in final.stack.weights.items()]
        sentences = [message("tables.kept", names=names, note=final.stack.note)]
        if self.shortened:
            sentences.append(message("tables.time.said", words=self.shortened))
        if self.skipped:
            reasons = [message("tables.reason", name=name, why=why) for name, why in self.skipped.items()]
            sentences.append(message("tables.skipped", names=reasons))
        return reduce(
            lambda first, second: message("selection.sentences", first=first, second=second), sentences
        )


def _held_out(done: Sequence[Blend], repeats: int, *, intervals: bool) -> HeldOutPredictions:
    """The answers of all passes to the rows that each held out, the same rows in one order every repeat."""
    rows = np.concatenate([each.made_of.held_out for each in done])
    which = np.concatenate([np.full(len(each.made_of.held_out), index) for index, each in enumerate(done)])
    folds = len(done) // repeats
    order = np.lexsort((rows, which // folds))
    answers = np.concatenate([each.held_out[-1] for each in done])[order]
    found = HeldOutPredictions(
        rows=rows[order],
        answers=answers[:, 0] if intervals else answers,
        repeats=repeats,
        folds=(which % folds)[order] if folds > 1 else None,
    )
    if not intervals:
        return found
    ends = [
        prediction_interval(each.calibration, each.held_out[:-1, :, 0].T, features=each.held_out_features)
        for each in done
    ]
    low, high = (np.concatenate(end)[order] for end in zip(*ends, strict=True))
    return replace(found, low=low, high=high)


def _too_slow(cost: float, left: float) -> str:
    return message("tables.skip.time", cost=duration(cost), left=duration(left))
