"""Rows of a table from their source to a bundle: what the stages of a run do with them."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, ClassVar

from mindle.api.decisions import Decisions, asked_of
from mindle.api.doctor import Known
from mindle.api.pipeline import Packed, evaluate, fit_abstention, places_of, with_abstention
from mindle.api.run_context import RunContext, RunRequest
from mindle.artifacts import bundle as bundles
from mindle.artifacts.files import write_arrays
from mindle.artifacts.run import RunFolder
from mindle.artifacts.run_log import RunLog
from mindle.data.reading import ReadingOptions
from mindle.messages import known_message, message
from mindle.records import SILENT, Answers, OutOfFold, Table, TableSpec, Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mindle.data.common.decisions import Decided
    from mindle.evaluation.trust.costs import Costs
    from mindle.evaluation.trust.fitting import Fitted
    from mindle.evaluation.trust.limits import Inputs
    from mindle.models.tables.model import TableModel
    from mindle.training.budget import Deadline
    from mindle.training.recipe import Recipe
    from mindle.training.tables.passes import TableProblem
    from mindle.training.tables.selection import HeldOutPredictions, TableOutcome

# The share of a budget that is reserved for explaining a model by its columns, and what of the rest may be
# spent on it.
EXPLAINING, EXPLAINING_LEFT = 0.05, 0.35
# The bundle is proven on this many of the user's rows.
PARITY_ROWS = 256
# So many columns have a curve of partial dependence in the report.
DEPENDENCES = 6


@dataclass(kw_only=True)
class TablePipeline:
    """The stages of a run on rows; see `mindle.api.pipeline.Pipeline`.

    Attributes:
        table: As it was read; checked, and split where there are enough rows, once `check` has run.
        recipe: What will be trained.
        reading: How the rows were read.
        budget_seconds: Time for everything, or None.
        decisions: What was decided about labels, if anything.
        costs: What decisions of the model cost, if that was said.
        searched: Whether a search chooses the recipe, on the rows outside the test split.
    """

    searched: ClassVar[bool] = False

    table: Table
    recipe: Recipe
    reading: ReadingOptions
    budget_seconds: float | None = None
    decisions: Decisions | None = None
    costs: Costs | None = None
    _decided: Decided[Table] | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """Of the data."""
        return self.table.name

    @property
    def kind(self) -> str:
        """Of the data, as run.json says it."""
        return "table"

    @property
    def task(self) -> Task:
        """What is learned."""
        return self.table.task

    @property
    def pictures(self) -> None:
        """Rows have none."""
        return None

    @property
    def nested(self) -> bool:
        """Whether every row is predicted by models that did not learn from it, in place of a test split."""
        return not any(self.table.splits)

    def asked(self, request: RunRequest) -> dict[str, Any]:
        """Every setting of the call, as run.json keeps it."""
        from mindle.training.recipe import as_dict

        return {
            "source": self.table.source,
            "recipe": {**as_dict(self.recipe), **self.reading.as_dict()},
            "budget_seconds": self.budget_seconds,
            "seed": request.seed,
            "split_seed": request.split_seed,
            "device": "cpu",
            **asked_of(self.decisions),
            **({} if self.costs is None else {"cost": self.costs.document()}),
        }

    def check(self, run: RunContext) -> None:
        """Check the rows, split them where there are enough, and write down what they are."""
        from mindle.data.tables.checks import check_table
        from mindle.data.tables.summary import ready_table

        with run.log.stage("check"):
            checked = check_table(self.table, listener=run.listener)
            self.table = ready_table(checked, seed=run.request.split_seed, folds=self.recipe.table.folds)
            if self.decisions is not None:
                self._take(self.decisions.of(self.table, run))
        run.record_data(self.table)
        run.listener.say(_expectation(self.table, self.recipe, self.nested, self.budget_seconds))

    def _take(self, decided: Decided[Table]) -> None:
        """Learn from what was decided: of a cross-validation, every row is evaluated by its given truth."""
        from mindle.data.tables.summary import require_learnable_table

        self._decided = decided
        if self.nested:
            self.table = decided.data
        else:
            self.table = decided.applied
            require_learnable_table(self.table, folds=self.recipe.table.folds)

    def _problem(self, rows: NDArray[np.int64]) -> TableProblem:
        """Rows to learn from, by the truth that was decided."""
        from mindle.training.tables.passes import TableProblem

        problem, decided = TableProblem.of(self.table, rows), self._decided
        if decided is None or not self.nested:
            return problem
        return replace(problem, truth=decided.learned[rows], aside=decided.aside[rows])

    def fit(self, run: RunContext) -> TableOutcome:
        """Select and refit the models of the table."""
        from mindle.data.tables.splits import rows_to_learn, take
        from mindle.training.tables.passes import TableProblem
        from mindle.training.tables.selection import diagnosed, fit_table

        table, settings = self.table, self.recipe.table
        # Training is given no test row, not even to rehearse with: the bundle answers these.
        rows, test = rows_to_learn(table), None if self.nested else table.rows("test")
        outcome = fit_table(
            self._problem(rows),
            None if test is None else test[:0],
            settings=settings,
            context=run.training(before_evaluation(take(table, rows), self._deadline(run))),
            split_seed=run.request.split_seed,
        )
        outcome = diagnosed(outcome.of_table(rows, test), TableProblem.of(table), settings)
        run.add_stages(outcome.seconds)
        return replace(outcome, protocol={**outcome.protocol, "searched": self.searched})

    def known(self, outcome: TableOutcome) -> Known:
        """What the data are examined by."""
        confirmed = None if self._decided is None else self._decided.confirmed
        found, settings = outcome.out_of_fold, self.recipe.doctor
        return Known(data=self.table, found=found, settings=settings, confirmed=confirmed)

    def pack(self, run: RunContext, outcome: TableOutcome) -> Packed:
        """Write the bundle; what was predicted for the test split or the outer folds."""
        from mindle import formats
        from mindle.formats.tables import exportable

        table, folder = self.table, run.folder.bundle
        sample = _features_of(table, outcome.val.rows[:PARITY_ROWS])
        exported = exportable(outcome.model, sample.numbers, sample.categories)
        parity = formats.write(formats.DEFAULT, exported, folder)
        if outcome.calibration is not None:
            write_arrays(folder / bundles.INTERVALS, outcome.calibration.arrays())
        bundle = bundles.Bundle(
            folder=folder,
            classes=table.classes,
            spec=TableSpec(columns=table.columns, task=table.task, separator=table.separator),
            temperature=outcome.model.temperature,
            metrics={},
            licences=(),
            details={},
        )
        found = outcome.out_of_fold
        settings, inputs = self.recipe.trust, _inputs(table, outcome)
        fitted = fit_abstention(found, settings, inputs, costs=self.costs, seed=run.request.seed)
        bundle = with_abstention(bundle, fitted.abstention)
        split = outcome.protocol["kind"] == "split"
        answers = {
            "val": _trusted(table, outcome.val, fitted, found.rows),
            "test": _answered(bundle, table, outcome) if split else _across(table, outcome, fitted, found),
        }
        return Packed(
            bundle=bundle,
            parity=parity,
            answers=answers,
            strategy="table",
            baselines=_baselines(outcome, table.task),
            stopped=outcome.stopped,
            train_scores=_train_scores(table, outcome),
            diagnoses=outcome.diagnoses,
            abstention=fitted.abstention,
            protocol={"protocol": _protocol(outcome.protocol)},
        )

    def facts(self, run: RunContext, outcome: TableOutcome) -> dict[str, Any]:
        """What else of the fit stands in run.json."""
        return {
            "tried": list(outcome.tried),
            "parameters": _parameters(outcome.model),
            "explained": _explained(self.table, outcome, self._deadline(run), seed=run.request.seed),
        }

    def images(self, split: str) -> int:
        """Rows are no images."""
        return 0

    def _deadline(self, run: RunContext) -> Deadline:
        # A search has left time for what it found.
        return run.deadline(None if self.searched else self.budget_seconds)


def _answers(table: Table, held_out: HeldOutPredictions) -> Answers:
    """Answers of models that had not learned from the rows, beside the truth."""
    from mindle.evaluation import tasks
    from mindle.evaluation.family import Reading

    evaluation = tasks.of(table.task)
    found = evaluation.answers(
        evaluation.outputs_of(held_out.answers),
        Reading(classes=table.classes),
        _names(table, held_out.rows),
        table.truth[held_out.rows],
    )
    ends = {"low": held_out.low, "high": held_out.high}
    interval: dict[str, Any] = {name: end for name, end in ends.items() if end is not None}
    answers: Answers = replace(found, repeats=held_out.repeats, folds=held_out.folds, **interval)
    return answers


def _inputs(table: Table, outcome: TableOutcome) -> Inputs:
    """What is known of the rows that were answered out of fold beside their features."""
    from mindle.data.tables.quality import STATISTICS, measure
    from mindle.evaluation.trust.limits import Inputs

    cells, encoder = _features_of(table, outcome.out_of_fold.rows), outcome.model.encoder
    return Inputs(
        statistics=STATISTICS,
        quality=measure(cells.numbers, cells.categories),
        one_hot=encoder.whole_blocks,
    )


def _trusted(table: Table, held_out: HeldOutPredictions, fitted: Fitted, known: NDArray[np.int64]) -> Answers:
    """Answers out of fold, and how far each is to be trusted by what those of `known` rows show."""
    from mindle.evaluation import tasks

    answers: Answers = tasks.of(table.task).trusted_out_of_fold(
        _answers(table, held_out), fitted, places_of(held_out.rows, known)
    )
    return answers


def _across(table: Table, outcome: TableOutcome, fitted: Fitted, found: OutOfFold) -> Answers:
    """The answers of the outer folds, none of which sets its own limits."""
    from mindle.evaluation import tasks

    answers = _trusted(table, outcome.test, fitted, found.rows)
    trusted: Answers = tasks.of(table.task).trusted_across(answers, fitted.abstention)
    return trusted


def _answered(bundle: bundles.Bundle, table: Table, outcome: TableOutcome) -> Answers:
    """The test split, answered by the bundle: what is evaluated is what will serve."""
    from mindle.serving.opened import open_bundle

    rows = outcome.test.rows
    cells = {name: cells[rows] for name, cells in table.cells.items()}
    return open_bundle(bundle).answer_stored(cells, _names(table, rows), truth=table.truth[rows])


def _names(table: Table, rows: NDArray[np.int64]) -> tuple[str, ...]:
    from mindle.data.tables.parsing.columns import row_name

    return tuple(row_name(table.rows_from[row]) for row in rows.tolist())


def _train_scores(table: Table, outcome: TableOutcome) -> dict[str, Any]:
    """How well the model knows the rows it learned from."""
    from mindle.evaluation import tasks
    from mindle.evaluation.family import Reading

    rows, evaluation, reading = outcome.val.rows, tasks.of(table.task), Reading(classes=table.classes)
    found = _features_of(table, rows)
    both = (
        evaluation.outputs_of(outcome.val.answers),
        outcome.model.outputs(found.numbers, found.categories),
    )
    held_out, known = (
        evaluation.point(evaluation.answers(outputs, reading, _names(table, rows), table.truth[rows]))
        for outputs in both
    )
    return {"n": len(rows), evaluation.main: known, "out_of_fold": {evaluation.main: held_out}}


def _parameters(model: TableModel) -> dict[str, int]:
    """How many numbers training could change; nothing where trees or kernels answer, which data size."""
    counts = [member.model.parameters for member in model.members]
    known = [count for count in counts if count is not None]
    return {"all": sum(known), "trainable": sum(known)} if len(known) == len(counts) else {}


def _protocol(protocol: Mapping[str, Any]) -> str:
    """How the test scores came about, briefly."""
    if protocol["kind"] == "split":
        return message("commands.protocol.sealed" if protocol.get("searched") else "commands.protocol.split")
    return message("commands.protocol.nested", folds=protocol["folds"], n=protocol["repeats"])


def _features_of(table: Table, rows: NDArray[np.int64]) -> Any:
    from mindle.data.tables.parsing.columns import features

    return features({name: cells[rows] for name, cells in table.cells.items()}, table.columns)


def before_evaluation(table: Table, deadline: Deadline) -> Deadline:
    """The same with time reserved for the bundle, the evaluation, the explanation and the report."""
    from mindle.training.budget import Finish

    explaining = EXPLAINING * (deadline.budget_seconds or 0.0)
    return deadline.reserving(Finish(deadline.costs, lambda: rehearsed_table(table))).reserving(explaining)


def rehearsed_table(table: Table) -> float:
    """Seconds that the bundle and the evaluation will take, from doing it twice with a linear model."""
    from mindle.data.tables.splits import rows_to_learn
    from mindle.training.settings import TableSettings
    from mindle.training.tables.passes import TableProblem
    from mindle.training.tables.selection import fit_table

    known = rows_to_learn(table)
    learned, test = known[1::2], known[::2]
    settings = TableSettings(models=("linear",), folds=2)
    outcome = fit_table(TableProblem.of(table, learned), test[:0], settings=settings).of_table(learned, test)
    return [_evaluation_seconds(table, outcome) for _ in range(2)][-1]


def _evaluation_seconds(table: Table, outcome: TableOutcome) -> float:
    """How long the bundle and the evaluation take; both are thrown away."""
    from mindle.training.recipe import read_recipe
    from mindle.training.tracking import tracking

    began = time.perf_counter()
    with TemporaryDirectory() as path, tracking(None, SILENT) as listener:
        folder = RunFolder(Path(path))
        run = RunContext(
            folder=folder,
            log=RunLog(folder, {}, {"data": {"fingerprint": ""}}, time.time()),
            stored={},
            request=RunRequest(),
            listener=listener,
        )
        pipeline = TablePipeline(table=table, recipe=read_recipe("table"), reading=ReadingOptions())
        evaluate(pipeline, run, outcome)
    return time.perf_counter() - began


def _baselines(outcome: TableOutcome, task: Task) -> dict[str, float]:
    """A constant answer, and a linear model, of those that were tried."""
    from mindle.evaluation import tasks

    names = {"baseline": tasks.of(task).baseline, "linear": "linear"}
    tried = ((attempt["name"], attempt["value"]) for attempt in outcome.tried)
    return {names[name]: value for name, value in tried if name in names}


def _affordable_repeats(table: Table, outcome: TableOutcome, deadline: Deadline) -> int:
    """How often each column is shuffled to say what it counts for, by how fast the model answers."""
    from mindle.training.tables.importance import MOST_ROWS, REPEATS

    if not deadline.limited:
        return REPEATS
    models = len(outcome.fold_models)
    some = _features_of(table, outcome.val.rows[: MOST_ROWS // max(models, 1)])
    model, began = outcome.model, time.perf_counter()
    model.outputs(some.numbers, some.categories)
    round_of_all = (
        (time.perf_counter() - began) * models * (len(some.number_names) + len(some.category_names))
    )
    return int(min(REPEATS, EXPLAINING_LEFT * deadline.remaining() / max(round_of_all, 1e-9)))


def _explained(table: Table, outcome: TableOutcome, deadline: Deadline, *, seed: int) -> dict[str, Any]:
    """What the answers rest on, for the report: how much each column counts, and how answers follow it."""
    import numpy as np

    from mindle.data.tables.parsing.columns import features
    from mindle.training.tables.importance import partial_dependence, permutation_importance

    found, repeats = features(table.cells, table.columns), _affordable_repeats(table, outcome, deadline)
    if not outcome.fold_models or not (found.number_names or found.category_names) or not repeats:
        return {"importance": [], "dependence": []}
    importance = permutation_importance(outcome.fold_models, found, table.truth, repeats=repeats, seed=seed)
    ranked = [
        {"name": name, "mean": float(each.mean()), "low": float(each.min()), "high": float(each.max())}
        for name, each in importance.items()
    ]
    curves = [
        partial_dependence(outcome.model, found, name, rows=outcome.val.rows, seed=seed)
        for name in list(importance)[:DEPENDENCES]
        if deadline.allows(1.0)
    ]
    # Of several classes the curve is that of the one which moves most with the column.
    moved = [
        curve.answers[:, 1 if len(table.classes) == 2 else int(np.ptp(curve.answers, axis=0).argmax())]
        for curve in curves
    ]
    return {
        "importance": ranked,
        "dependence": [
            {"name": curve.column, "kind": curve.kind, "at": list(curve.values), "values": values.tolist()}
            for curve, values in zip(curves, moved, strict=True)
        ],
    }


def _expectation(table: Table, recipe: Recipe, nested: bool, budget_seconds: float | None) -> str:
    """What comes next, in a sentence."""
    from mindle.training.budget import duration

    asked = recipe.table
    task = known_message(f"commands.expectation.{table.task}", table.task)
    how = (
        message("commands.expectation.nested", folds=asked.folds, n=asked.repeats)
        if nested
        else message("commands.expectation.split", n=len(table.rows("test")))
    )
    said = message("commands.expectation.of", task=task, target=table.target.name, how=how)
    if budget_seconds is None:
        return said
    return message("commands.expectation.limited", said=said, limit=duration(budget_seconds))
