"""`train` on a table: read → check → split → fit → bundle → judge → report."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from mindle.api.models import Run
from mindle.api.reports import write_report
from mindle.api.starts import begin_tracking, start, write_down
from mindle.artifacts import bundle as bundles
from mindle.artifacts.environment import peak_memory_bytes
from mindle.artifacts.files import write_arrays
from mindle.artifacts.run import RunFolder
from mindle.artifacts.run_log import RunLog
from mindle.data.reading import ReadingOptions
from mindle.records import Answers, Estimates, Listener, Predictions, Table, TableSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mindle.models.tables import TableModel
    from mindle.training.budget import Deadline
    from mindle.training.recipe import Recipe
    from mindle.training.tables.selection import HeldOutPredictions, TableOutcome

# The share of a budget that is kept for explaining a model by its columns, and what of the rest may go there.
EXPLAINING, EXPLAINING_LEFT = 0.05, 0.35
# The bundle is proven on this many of the user's own rows.
PARITY_ROWS = 256
# So many columns have a curve of partial dependence in the report.
DEPENDENCES = 6


def train_table(
    data: Any,
    options: ReadingOptions,
    recipe: Recipe,
    *,
    began: float,
    command: str,
    budget_seconds: float | None,
    seed: int,
    split_seed: int,
    out: Path | None,
    resume: bool,
    lang: str,
    track: str | None,
    listener: Listener,
) -> Run:
    """Train on a table; the arguments are those of `mindle.train`.

    `recipe` is complete; `began` is `time.time()` at the start of the process; `command` is what was typed.
    """
    from mindle.training.recipe import as_dict
    from mindle.training.tracking import require_tracker, tracking

    require_tracker(track)
    table = options.read_table(data)

    # ── the run folder ──
    asked = {
        "source": table.source,
        "recipe": {**as_dict(recipe), **options.as_dict()},
        "budget_seconds": budget_seconds,
        "seed": seed,
        "split_seed": split_seed,
        "device": "cpu",
    }
    folder, stored, run_log = start(
        out,
        asked,
        name=table.name,
        kind="table",
        command=command,
        began=began,
        resume=resume,
        listener=listener,
    )
    if run_log is None:
        return Run(folder.path)
    with tracking(track, listener) as told:
        begin_tracking(told, track, folder, run_log, stored)
        metrics = _fit_and_judge(table, recipe, folder, run_log, stored, asked, lang=lang, listener=told)
        told.end(folder.path, metrics)
    return Run(folder.path)


def _fit_and_judge(
    table: Table,
    recipe: Recipe,
    folder: RunFolder,
    run_log: RunLog,
    stored: Mapping[str, Any],
    asked: Mapping[str, Any],
    *,
    lang: str,
    listener: Listener,
) -> dict[str, Any]:
    """The stages between an open run folder and a finished one."""
    from mindle.data.tables.checks import check_table
    from mindle.data.tables.summary import ready_table
    from mindle.training.budget import Deadline

    seed, split_seed, budget_seconds = (asked[name] for name in ("seed", "split_seed", "budget_seconds"))

    # ── the rows: checked, and split where there are enough of them ──
    with run_log.stage("check", len(table)):
        checked = check_table(table, listener=listener)
        table = ready_table(checked, seed=split_seed, folds=recipe.table.folds)
    nested = not any(table.parts)
    tell_table(table, folder, run_log, stored, listener)
    listener.say(_expectation(table, recipe, nested, budget_seconds))

    return fit_and_conclude_table(
        table,
        recipe,
        folder,
        run_log,
        stored,
        nested=nested,
        deadline=Deadline(budget_seconds, spent_seconds=run_log.spent()),
        seed=seed,
        split_seed=split_seed,
        lang=lang,
        listener=listener,
    )


def tell_table(
    table: Table, folder: RunFolder, run_log: RunLog, stored: Mapping[str, Any], listener: Listener
) -> None:
    """Write down what the checked rows and columns are, and say what was noticed about them."""
    from mindle.data.tables.parsing.columns import describe_columns
    from mindle.data.tables.summary import describe_table

    columns = [
        {**asdict(facts), "missing": round(facts.missing_fraction * len(table.rows()))}
        for facts in describe_columns(table)
    ]
    facts = {"counts": {}, "columns": columns}
    write_down(table, facts, describe_table(table), folder, run_log, stored, listener)


def fit_and_conclude_table(
    table: Table,
    recipe: Recipe,
    folder: RunFolder,
    run_log: RunLog,
    stored: Mapping[str, Any],
    *,
    nested: bool,
    deadline: Deadline,
    seed: int,
    split_seed: int,
    lang: str,
    listener: Listener,
    searched: bool = False,
) -> dict[str, Any]:
    """Fit, pack, judge and report, as a training does and as a search does with its winner.

    Args:
        table: Checked, and split unless `nested`.
        recipe: What is trained.
        folder: Of the run.
        run_log: Of the run.
        stored: run.json of the interrupted run, or empty.
        nested: Whether every row judges by models without it; else the test part does.
        deadline: Of the fit.
        seed: Of the training.
        split_seed: Of the outer folds.
        lang: Language of the report.
        listener: Hears what is done.
        searched: Whether a search chose the recipe, on the rows outside the test part.
    """
    from mindle.data.tables.parsing.columns import features
    from mindle.data.tables.splits import folds
    from mindle.training.tables.selection import fit_table

    outcome = fit_table(
        features(table.cells, table.columns),
        truth_of(table),
        classes=table.classes,
        rows=table.rows() if nested else _joined(table, "train", "val"),
        test=None if nested else table.rows("test"),
        deal=lambda rows, count, number: folds(table, rows, folds=count, seed=number),
        settings=recipe.table,
        deadline=before_judging(table, deadline),
        seed=seed,
        split_seed=split_seed,
        folder=folder.path,
        resume=bool(stored),
        replay=tuple(run_log.decisions),
        record=run_log.decide,
        listener=listener,
    )
    for name, seconds in outcome.seconds.items():
        run_log.add_stage(name, seconds)

    # ── bundle, judge, report ──
    outcome = replace(outcome, protocol={**outcome.protocol, "searched": searched})
    metrics = _judge(folder, table, outcome, run_log, seed=seed)
    run_log.record(
        strategy="table",
        tried=list(outcome.tried),
        stopped=outcome.stopped,
        advice="",
        licences=[],
        temperature=outcome.model.temperature,
        parameters=_parameters(outcome.model),
        peak_memory_bytes=peak_memory_bytes(),
        diagnoses=[asdict(found) for found in outcome.diagnoses],
        explained=_explained(table, outcome, deadline, seed=seed),
        finished=datetime.now(UTC).isoformat(timespec="minutes"),
    )
    write_report(folder, None, lang=lang, out=folder.report)
    run_log.finish()
    _tell_result(folder, metrics, outcome, listener)
    return metrics


def truth_of(table: Table) -> NDArray[Any]:
    """Class numbers of a classification, numbers to estimate of a regression, one a row."""
    return table.targets if table.task == "regression" else table.labels


def _joined(table: Table, *parts: str) -> NDArray[np.int64]:
    import numpy as np

    return np.sort(np.concatenate([table.rows(part) for part in parts]))


def _judge(
    folder: RunFolder, table: Table, outcome: TableOutcome, run_log: RunLog, *, seed: int
) -> dict[str, Any]:
    """Write the bundle; judge what it answers to the test part, or what the outer folds answered."""
    from mindle.evaluation import tasks
    from mindle.formats.table_onnx import write_table_graph

    answers_of = _estimates if table.task == "regression" else _predictions
    answered: dict[str, Answers] = {
        part: answers_of(table, held) for part, held in (("val", outcome.val), ("test", outcome.test))
    }
    with run_log.stage("evaluate", len(outcome.test.rows)):
        sample = _features_of(table, outcome.val.rows[:PARITY_ROWS])
        parity = write_table_graph(
            outcome.model, folder.bundle, numbers=sample.numbers, categories=sample.categories
        )
        if outcome.calibration is not None:
            write_arrays(folder.bundle / bundles.INTERVALS, outcome.calibration.arrays())
        spec = TableSpec(columns=table.columns, task=table.task, separator=table.separator)
        bundle = bundles.Bundle(
            folder=folder.bundle,
            classes=table.classes,
            spec=spec,
            temperature=outcome.model.temperature,
            metrics={},
            licences=(),
            details={},
        )
        if outcome.protocol["kind"] == "split":
            answered["test"] = _answered(bundle, table, outcome.test)
        folder.write_answers(answered)
        task = tasks.of(table.task)
        scores = {
            part: task.score(answers, seed=seed) for part, answers in folder.answers(table.task).items()
        }
    scores["test"]["protocol"] = _protocol(outcome.protocol)
    rivals = {"baseline": task.baseline, "linear": "linear"}
    metrics = {
        "task": table.task,
        "classes": list(table.classes),
        **scores,
        "train": _train_scores(table, outcome),
        "baselines": {
            rivals[attempt["name"]]: attempt["value"]
            for attempt in outcome.tried
            if attempt["name"] in rivals
        },
        "strategy": "table",
        "seconds": run_log.seconds(),
        "images_per_second": {},
    }
    folder.write_metrics(metrics)
    details = bundles.origin(
        task=table.task,
        strategy="table",
        data=run_log.document["data"]["fingerprint"],
        parity=parity.as_dict(),
    )
    bundles.write_bundle_document(replace(bundle, metrics=scores["test"], details=details))
    return metrics


def _parameters(model: TableModel) -> dict[str, int]:
    """How many numbers training could change; nothing where trees or kernels answer, which data size."""
    from mindle.models.tables import DenseNets, Linear

    found = 0
    for member in model.members:
        if isinstance(member.model, DenseNets):
            found += sum(array.size for array in (*member.model.weights, *member.model.offsets))
        elif isinstance(member.model, Linear):
            found += member.model.weights.size + member.model.offset.size
        else:
            return {}
    return {"all": found, "trainable": found}


def _protocol(protocol: Mapping[str, Any]) -> str:
    """How the test scores came about, in a few words."""
    if protocol["kind"] == "split":
        return "one split, sealed from the search" if protocol.get("searched") else "one split"
    again = f", repeated {protocol['repeats']} times" if protocol["repeats"] > 1 else ""
    return f"nested {protocol['folds']}-fold cross-validation{again}"


def before_judging(table: Table, deadline: Deadline) -> Deadline:
    """The same with time kept for the bundle, the judgement, what explains the model, and the report."""
    from mindle.training.budget import Finish

    explaining = EXPLAINING * (deadline.budget_seconds or 0.0)
    return deadline.reserving(Finish(deadline.costs, lambda: rehearsed_table(table))).reserving(explaining)


def rehearsed_table(table: Table) -> float:
    """Seconds that the bundle and the judgement will take, from doing it twice with a linear model."""
    from mindle.data.tables.parsing.columns import features
    from mindle.training.recipe import TableSettings
    from mindle.training.tables.selection import fit_table

    known = _joined(table, "train", "val") if any(table.parts) else table.rows()
    outcome = fit_table(
        features(table.cells, table.columns),
        truth_of(table),
        classes=table.classes,
        rows=known[1::2],
        test=known[::2],
        settings=TableSettings(models=("linear",), folds=2),
    )
    return [_judge_seconds(table, outcome) for _ in range(2)][-1]


def _judge_seconds(table: Table, outcome: TableOutcome) -> float:
    """How long the bundle and the judgement take; both are thrown away."""
    began = time.perf_counter()
    with TemporaryDirectory() as path:
        folder = RunFolder(Path(path))
        run_log = RunLog(folder, {}, {"data": {"fingerprint": ""}}, time.time())
        _judge(folder, table, outcome, run_log, seed=0)
    return time.perf_counter() - began


def _affordable_repeats(table: Table, outcome: TableOutcome, deadline: Deadline) -> int:
    """How often each column is shuffled to say what it counts for, by how fast the model answers."""
    from mindle.training.tables.importance import MOST_ROWS, REPEATS

    if not deadline.limited:
        return REPEATS
    judges = len(outcome.fold_models)
    some = _features_of(table, outcome.val.rows[: MOST_ROWS // max(judges, 1)])
    model, began = outcome.model, time.perf_counter()
    answer = model.estimates if table.task == "regression" else model.probabilities
    answer(some.numbers, some.categories)
    round_of_all = (
        (time.perf_counter() - began) * judges * (len(some.number_names) + len(some.category_names))
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
    importance = permutation_importance(
        outcome.fold_models, found, truth_of(table), repeats=repeats, seed=seed
    )
    order = importance.order()
    ranked = [
        {
            "name": importance.columns[at],
            "mean": float(importance.increase[at].mean()),
            "low": float(importance.increase[at].min()),
            "high": float(importance.increase[at].max()),
        }
        for at in order.tolist()
    ]
    curves = [
        partial_dependence(outcome.model, found, entry["name"], rows=outcome.val.rows, seed=seed)
        for entry in ranked[:DEPENDENCES]
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


def _tell_result(folder: RunFolder, metrics: Mapping[str, Any], outcome: TableOutcome, say: Listener) -> None:
    """Close with the score, its error bar and where to look."""
    from mindle.evaluation import tasks

    test, task = metrics["test"], tasks.of(metrics["task"])
    rivals = ", ".join(f"{name} {task.number.format(value)}" for name, value in metrics["baselines"].items())
    say.say("")
    say.say(f"{task.headline(test)}, {test['protocol']}; {rivals}; {metrics['seconds']['total']:.0f} s")
    say.say(outcome.stopped)
    for found in outcome.diagnoses:
        say.say(f"! {found.kind}: {found.message} {found.remedy}")
    say.say(f"report  {folder.report}")
    say.say(f"bundle  {folder.bundle}")


def _features_of(table: Table, rows: NDArray[np.int64]) -> Any:
    from mindle.data.tables.parsing.columns import features

    return features({name: cells[rows] for name, cells in table.cells.items()}, table.columns)


def _answered(bundle: bundles.Bundle, table: Table, held: HeldOutPredictions) -> Answers:
    """The same rows, answered by the bundle: what is judged is what will serve."""
    from mindle.serving.opened import open_bundle

    cells = {name: cells[held.rows] for name, cells in table.cells.items()}
    return open_bundle(bundle).answer_stored(cells, _names(table, held), truth=truth_of(table)[held.rows])


def _names(table: Table, held: HeldOutPredictions) -> tuple[str, ...]:
    from mindle.data.tables.reader import row_name

    return tuple(row_name(table.rows_from[row]) for row in held.rows.tolist())


def _predictions(table: Table, held: HeldOutPredictions) -> Predictions:
    return Predictions(
        classes=table.classes,
        paths=_names(table, held),
        probabilities=held.answers,
        labels=table.labels[held.rows],
        repeats=held.repeats,
        folds=held.folds,
    )


def _estimates(table: Table, held: HeldOutPredictions) -> Estimates:
    return Estimates(
        paths=_names(table, held),
        values=held.answers,
        targets=table.targets[held.rows],
        low=held.low,
        high=held.high,
        repeats=held.repeats,
        folds=held.folds,
    )


def _train_scores(table: Table, outcome: TableOutcome) -> dict[str, Any]:
    """How well the model knows the rows it learned from."""
    import numpy as np

    rows = outcome.val.rows
    found = _features_of(table, rows)
    if table.task == "regression":
        truth = table.targets[rows]

        def score(answers: NDArray[np.float64]) -> dict[str, float]:
            return {"mae": float(np.abs(answers - truth).mean())}

        own = outcome.model.estimates(found.numbers, found.categories)
    else:
        labels = table.labels[rows]

        def score(answers: NDArray[np.float64]) -> dict[str, float]:
            return {"accuracy": float((answers.argmax(axis=1) == labels).mean())}

        own = outcome.model.probabilities(found.numbers, found.categories)
    return {"n": len(rows), **score(own), "out_of_fold": score(outcome.val.answers)}


def _expectation(table: Table, recipe: Recipe, nested: bool, budget_seconds: float | None) -> str:
    """What comes next, in a sentence."""
    from mindle.training.budget import duration

    asked = recipe.table
    times = "once" if asked.repeats == 1 else f"{asked.repeats} times"
    how = (
        f"judged by {asked.folds}-fold cross-validation inside cross-validation, {times}"
        if nested
        else f"judged once on {len(table.rows('test')):,} rows"
    )
    limit = "" if budget_seconds is None else f"; at most {duration(budget_seconds)}"
    return f"{table.task} of {table.target.name!r}, {how}{limit}"
