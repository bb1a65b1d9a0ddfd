"""`mindle train` on a table: cross-validate the models, blend the best, evaluate on held-out rows.

Small tables are judged by repeated nested cross-validation. Each outer fold in turn is held out, and
everything, from filling a missing cell to choosing which models answer, happens without it. One split of a
few hundred rows would say more about the split than about the model. Larger tables have a test part of
their own. Either way the model that is kept has learned from all rows that it may.

Whatever depends on the clock is a decision: recorded when it is made, and repeated when a run is resumed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.conformal import Calibration, calibrate, prediction_interval
from mindle.messages import known_message, message
from mindle.models.tables.model import TableModel
from mindle.records import Diagnosis
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
    Pass,
    PassCheckpoint,
    Rows,
    TableProblem,
    blend,
    freeze,
    open_gate,
    run_pass,
    seconds_of_fits,
    skip_reason,
)

Floats = NDArray[np.float64]

# What a table may take from start to report unless it is told otherwise: with a slow moment, five minutes.
BUDGET_SECONDS = 270.0
# The final pass learns from all rows, others from four fifths; freezing and a slow moment come on top. On two
# cores and more, learners of small tables run side by side after the first pass.
FINAL_COST, SAFETY, SIDE_BY_SIDE = 1.5, 1.15, 1.4
FINAL = "final"
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
        test: Answers to rows held out from everything: pooled over the outer folds, or of the test part.
        val: Answers out of fold to the rows that the kept model was chosen by.
        calibration: Held-out errors for prediction intervals with the models of the folds; None for classes.
        protocol: How `test` came about: {"kind": "nested", "folds": 5, "repeats": 3}, or {"kind": "split"}.
        tried: One document a learner: name, accuracy or mean absolute error out of fold with low and high,
            seconds, note, whether it has a share.
        stopped: Why nothing more was tried.
        seconds: By stage.
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
    diagnoses: tuple[Diagnosis, ...] = ()

    def placed(self, rows: Rows, test: Rows | None = None) -> TableOutcome:
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
        )


def settle_table(
    recipe: str | os.PathLike[str] | Recipe | None = None,
    *,
    models: str | None = None,
    folds: int | None = None,
    repeats: int | None = None,
    settings: Mapping[str, Any] | None = None,
) -> Recipe:
    """Fill in every default of a call: the recipe is the start, and whatever else is said changes it.

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
    said = {"table.models": models, "table.folds": folds, "table.repeats": repeats, **(settings or {})}
    return with_settings(chosen, {name: value for name, value in said.items() if value is not None})


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
        held=held_out,
        settings=settings,
    )
    return replace(outcome, diagnoses=diagnose_table(case))


@dataclass
class _Selection:
    problem: TableProblem
    settings: TableSettings
    context: TrainingContext
    split_seed: int
    left_out: dict[str, str] = field(default_factory=dict)
    spent: dict[str, float] = field(default_factory=dict)
    paces: list[float] = field(default_factory=list)  # seconds of each pass that was made here
    gave_way: list[str] = field(default_factory=list)  # what of the protocol did, for time

    def __post_init__(self) -> None:
        folder = self.context.folder
        self.checkpoint = (
            None if folder is None else PassCheckpoint(folder / "checkpoint", self.context.resume)
        )
        self.deadline, self.listener = self.context.deadline, self.context.listener
        every = learners(self.settings)
        wished = self.settings.models
        unknown = set(wished) - {learner.name for learner in every}
        if unknown:
            raise ValueError(
                f"`models` must be among {', '.join(learner.name for learner in every)}. Received "
                f"{', '.join(sorted(unknown))}."
            )
        self.learners: tuple[Learner, ...] = tuple(
            learner
            for learner in every
            if (not wished or learner.name in ("baseline", *wished))
            and not (learner.positive and self.problem.classes)
        )
        self.task = tasks.of(self.problem.task)
        self.began = time.perf_counter()

    # ---- the two protocols ------------------------------------------------------------------------------

    def split(self, known: Rows, test: Rows) -> TableOutcome:
        """Choose by cross-validation on the known rows, and answer the test rows once."""
        self.deadline.require(0.0, "models")
        this = self._pass(FINAL, known, test, gated=True)
        blended = blend(this, self._answering())
        held = self._held([(this, blended)], repeats=1)
        return self._outcome(this, blended, held, {"kind": "split"})

    def nested(self, known: Rows) -> TableOutcome:
        """Every row held out once a repeat; then one more pass over all rows makes the model.

        Where time is short, repeats give way, then folds, then all but the first outer fold.
        """
        plan = self._protocol(known)
        outer, inner, repeats = int(plan["outer"]), int(plan["inner"]), int(plan["repeats"])
        done: list[tuple[Pass, Blend]] = []
        for repeat in range(max(repeats, 1)):
            fold_of = self.problem.assign_folds(known, outer, draw(self.split_seed, 3, repeat))
            for fold in range(outer):
                learn, held = known[fold_of != fold], known[fold_of == fold]
                this = self._pass(f"repeat-{repeat + 1}-fold-{fold + 1}", learn, held, folds=inner)
                done.append((this, blend(this, self._answering())))
                if not repeats or (len(done) < outer * repeats and not self._goes_on(done, outer)):
                    break
                if len(done) > 1 or not self.deadline.limited:  # the first may have to answer for all
                    self._forget(this)
                self.listener.progress("outer folds", len(done), outer * repeats)
            else:
                continue
            break
        whole = len(done) // outer
        if not whole:
            return self._first_alone(*done[0])
        if whole < repeats:
            self._give_way(message("tables.time.repeats", made=whole, wanted=repeats))
        self._forget(done[0][0])
        final = self._pass(FINAL, known, np.zeros(0, np.int64), folds=inner)
        protocol = {"kind": "nested", "folds": outer, "repeats": whole}
        blended = blend(final, self._answering())
        return self._outcome(final, blended, self._held(done[: whole * outer], whole), protocol)

    def _first_alone(self, this: Pass, blended: Blend) -> TableOutcome:
        """What the first outer pass came to, as if its fold were a test part."""
        self._give_way(message("tables.time.first-fold"))
        return self._outcome(this, blended, self._held([(this, blended)], repeats=1), {"kind": "split"})

    def _give_way(self, words: str) -> None:
        if words not in self.gave_way:
            self.gave_way.append(words)
            self.listener.say(message("tables.time.said", words=words))

    def _answering(self) -> list[str]:
        """Who may have a share: whoever was asked for; the baseline is scored beside them in any case."""
        wished = self.settings.models
        return [one.name for one in self.learners if not wished or one.name in wished]

    def _pass(
        self, name: str, rows: Rows, held: Rows, *, folds: int | None = None, gated: bool = False
    ) -> Pass:
        def gate(learner: str, seconds: float, fits: int) -> str:
            if learner in ALWAYS or not self.deadline.limited:
                return ""
            decision = self.context.decisions.decide(
                f"{name} {learner}", lambda: self._affordable(learner, seconds * fits)
            )
            reason: str = decision.get("reason", "")
            return reason

        began = time.perf_counter()
        this = run_pass(
            self.problem,
            name,
            rows,
            held,
            learners=self.learners,
            folds=folds or self.settings.folds,
            seed=draw(self.context.seed, 4, *name.encode()),
            gate=gate if gated else open_gate,
            checkpoint=self.checkpoint,
            told=lambda learner: (
                self.listener.say(message("tables.fitting", name=learner)) if name == FINAL else None
            ),
        )
        if any(answers.fitted for answers in this.answers.values()):
            self.paces.append(time.perf_counter() - began)
        self.left_out |= this.skipped
        self.learners = tuple(learner for learner in self.learners if learner.name not in this.skipped)
        for learner, answers in this.answers.items():
            self.spent[learner] = self.spent.get(learner, 0.0) + answers.seconds
        return this

    def _affordable(self, learner: str, cost: float) -> dict[str, Any]:
        """Whether a learner would end in time; one that the user named has to."""
        left = self.deadline.remaining()
        if learner in self.settings.models:
            self.deadline.require(SAFETY * cost, learner)
        if SAFETY * cost <= left:
            return {"take": True}
        return {
            "take": False,
            "reason": message("tables.skip.time", cost=duration(cost), left=duration(left)),
        }

    def _forget(self, this: Pass) -> None:
        """Let go of models that only had to answer."""
        for answers in this.answers.values():
            answers.fitted.clear()
        this.sets.clear()

    # ---- what the clock allows --------------------------------------------------------------------------

    def _protocol(self, known: Rows) -> dict[str, Any]:
        """How the rows are judged, and who is left out: as was asked, or what there is time for."""
        folds, repeats = self.settings.folds, self.settings.repeats
        asked = {"outer": folds, "inner": folds, "repeats": repeats, "left_out": {}}
        if not self.deadline.limited:
            return asked
        plan = self.context.decisions.decide("protocol", lambda: self._planned(known, asked))
        self.left_out |= plan["left_out"]
        self.learners = tuple(one for one in self.learners if one.name not in plan["left_out"])
        if plan["outer"] < folds:
            self._give_way(message("tables.time.folds", made=plan["outer"], wanted=folds))
        if 0 < plan["repeats"] < repeats:
            self._give_way(message("tables.time.repeats", made=plan["repeats"], wanted=repeats))
        return plan

    def _planned(self, known: Rows, asked: Mapping[str, Any]) -> dict[str, Any]:
        """The fullest protocol that all models have time for; else as many kinds as one split has."""
        self.deadline.require(0.0, "models")
        folds, whole = self.settings.folds, self.deadline.remaining()
        suited = [one for one in self.learners if not skip_reason(one, self.problem, known)]
        part = known[self.problem.assign_folds(known, folds, draw(self.split_seed, 3, 0)) != 0]
        costs = seconds_of_fits(
            self.problem,
            part,
            suited,
            fits=folds + 1,
            seed=draw(self.context.seed, 6),
            go_on=lambda: self.deadline.remaining() > whole / 2,
        )
        left, pace = self.deadline.remaining(), SIDE_BY_SIDE if self.problem.threads > 1 else 1.0
        every = SAFETY * sum(costs.values())
        timed = len(costs) == len(suited)
        fewer = range(folds, min(3, folds) - 1, -1)
        nested = [(folds, repeats) for repeats in range(self.settings.repeats, 0, -1)]
        nested += [(count, 1) for count in fewer if count < folds]
        for outer, repeats in nested if timed else []:
            if every * (outer + 1) * (outer * repeats + FINAL_COST) / pace <= left:
                return {**asked, "outer": outer, "inner": outer, "repeats": repeats}
        split = {**asked, "repeats": 0}
        for inner in fewer if timed else []:
            if every * (inner + 1) / pace <= left:
                return {**split, "inner": inner}
        return {**split, "inner": min(3, folds), "left_out": self._without_time(suited, costs, left, pace)}

    def _without_time(
        self, suited: Sequence[Learner], costs: Mapping[str, float], left: float, pace: float
    ) -> dict[str, str]:
        """Who is left out of one split, with the reason; those that were named by the user never are."""
        fits = SAFETY * (min(3, self.settings.folds) + 1) / pace
        found: dict[str, str] = {}
        kept = [one.name for one in suited if one.name in (*ALWAYS, *self.settings.models)]
        spent = fits * sum(costs.get(name, 0.0) for name in kept)
        self.deadline.require(spent, ", ".join(kept))
        for one in suited:
            cost = fits * costs.get(one.name, np.inf)
            if one.name in kept or spent + cost <= left:
                spent += 0.0 if one.name in kept else cost
            elif np.isinf(cost):
                found[one.name] = message("tables.skip.not-timed")
            else:
                found[one.name] = message("tables.skip.time", cost=duration(cost), left=duration(left))
        return found

    def _goes_on(self, done: Sequence[tuple[Pass, Blend]], outer: int) -> bool:
        """Whether the rest of the repeat, and the final pass, would end in time."""
        if not self.deadline.limited:
            return True
        rest = -len(done) % outer or outer  # of this repeat, or all of the next
        need = float(np.mean(self.paces or [0.0])) * (rest + FINAL_COST)
        name = f"after {done[-1][0].name}"
        return bool(self.context.decisions.decide(name, lambda: {"take": self.deadline.allows(need)})["take"])

    # ---- what came of it --------------------------------------------------------------------------------

    def _held(self, done: Sequence[tuple[Pass, Blend]], repeats: int) -> HeldOutPredictions:
        rows = np.concatenate([this.held for this, _ in done])
        place = np.concatenate([np.full(len(this.held), place) for place, (this, _) in enumerate(done)])
        folds = len(done) // repeats
        order = np.lexsort((rows, place // folds))  # the same rows in the same order in every repeat
        held = HeldOutPredictions(
            rows=rows[order],
            answers=np.concatenate([blended.held for _, blended in done])[order],
            repeats=repeats,
            folds=(place % folds)[order] if folds > 1 else None,
        )
        if not self.task.has_intervals:
            return held
        ends = [
            prediction_interval(_calibration(this, blended), blended.held_folds) for this, blended in done
        ]
        return replace(
            held,
            answers=held.answers[:, 0],
            low=np.concatenate([low for low, _ in ends])[order],
            high=np.concatenate([high for _, high in ends])[order],
        )

    def _outcome(
        self, final: Pass, blended: Blend, test: HeldOutPredictions, protocol: Mapping[str, Any]
    ) -> TableOutcome:
        began = time.perf_counter()
        model = freeze(final, blended)
        folds = tuple((fold, final.rows[final.fold_of == place]) for place, fold in enumerate(model.folds))
        intervals = self.task.has_intervals
        tried = self._tried(final, blended)
        freezing = time.perf_counter() - began
        own = blended.own[:, 0] if intervals else blended.own
        return TableOutcome(
            model=model if intervals else replace(model, folds=()),
            fold_models=folds,
            test=test,
            val=HeldOutPredictions(rows=final.rows, answers=own),
            calibration=_calibration(final, blended) if intervals else None,
            protocol=protocol,
            tried=tried,
            stopped=self._stopped(blended),
            seconds={"fit": time.perf_counter() - self.began, "freeze": freezing},
        )

    def _tried(self, final: Pass, blended: Blend) -> list[dict[str, Any]]:
        documents = [self._document(final, blended, name) for name in final.answers]
        aside = [
            {"name": name, "value": None, "note": message("tables.left-out", reason=reason), "chosen": False}
            for name, reason in self.left_out.items()
        ]
        if len(blended.stack.weights) > 1:
            each = [final.answers[name].milliseconds for name in blended.stack.weights]
            documents.append(self._scored("stack", blended.stack.note, 0.0, sum(each)))
            documents[-1] |= self.task.score(blended.own, final.truth) | {"chosen": True}
        return [*documents, *aside]

    def _document(self, final: Pass, blended: Blend, name: str) -> dict[str, Any]:
        share = blended.stack.weights.get(name, 0.0)
        loss = float(blended.losses[name].mean())
        measure = known_message(f"tables.loss.{self.task.loss_name}", self.task.loss_name)
        code = "tables.note.share" if share else "tables.note.loss"
        note = message(code, loss=measure, value=self.task.value(loss), share=share)
        own = final.answers[name].own
        return (
            self._scored(name, note, self.spent.get(name, 0.0), final.answers[name].milliseconds)
            | self.task.score(own, final.truth)
            | {"chosen": bool(share)}
        )

    def _scored(self, name: str, note: str, seconds: float, milliseconds: float) -> dict[str, Any]:
        figures = {"seconds": round(seconds, 2), "milliseconds": float(f"{milliseconds:.3g}") or None}
        return {"name": name, **figures, "note": note}

    def _stopped(self, blended: Blend) -> str:
        names = [f"{name} {share:.0%}" for name, share in blended.stack.weights.items()]
        said = message("tables.kept", names=names, note=blended.stack.note)
        if self.gave_way:
            short = message("tables.time.said", words=self.gave_way)
            said = message("selection.sentences", first=said, second=short)
        if self.left_out:
            left = [message("tables.reason", name=name, why=why) for name, why in self.left_out.items()]
            said = message("selection.sentences", first=said, second=message("tables.skipped", names=left))
        return said


def _calibration(this: Pass, blended: Blend) -> Calibration:
    """Errors of the stack on rows that its models had not seen."""
    return calibrate(this.truth - blended.own[:, 0], this.fold_of)
