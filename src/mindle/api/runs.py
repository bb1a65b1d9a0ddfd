"""`train`: read → check → split → fit → bundle → judge → report.

It joins the stages and holds no logic of its own: each room knows how; this page knows in which order, and
what stands on disk after each.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindle.api.models import Run
from mindle.api.numbers import judge_numbers
from mindle.api.packing import pack, rehearsed
from mindle.api.reports import require_language, write_report
from mindle.api.starts import begin_tracking, command, process_start, start, write_down
from mindle.api.tables import train_table
from mindle.artifacts import bundle as bundles
from mindle.artifacts.environment import peak_memory_bytes
from mindle.artifacts.run import RunFolder
from mindle.artifacts.run_log import RunLog
from mindle.console import Console
from mindle.records import Dataset, InputSpec, Listener, Predictions

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mindle.formats.parity import Parity
    from mindle.training.images.plan import Plan
    from mindle.training.images.problem import Outcome
    from mindle.training.recipe import Recipe

Source = str | os.PathLike[str]


def train(
    data: Source,
    *,
    recipe: Source | Recipe | None = None,
    model: str | None = None,
    strategy: str | None = None,
    weights: Source | None = None,
    budget: str | float | None = None,
    seed: int = 0,
    split_seed: int = 0,
    device: str = "auto",
    out: Source | None = None,
    resume: bool = False,
    imbalance: str | None = None,
    prefer: str | None = None,
    set: Mapping[str, Any] | None = None,
    target: str | int | None = None,
    task: str | None = None,
    columns: Sequence[str] = (),
    kinds: Mapping[str, str] | None = None,
    group: str | int | None = None,
    time: str | int | None = None,
    ids: Sequence[str | int] = (),
    separator: str | None = None,
    header: int | None = None,
    missing: str | Sequence[str] | None = None,
    label_from: str | None = None,
    per_class: str | int | Mapping[str, int] | None = None,
    folds: int | None = None,
    repeats: int | None = None,
    lang: str = "en",
    track: str | None = None,
    listener: Listener | None = None,
) -> Run:
    """Check, split, train, judge once on a sealed test part, write a report and a bundle.

    Args:
        data: A folder of class folders, a CSV (`path,label`, or `path,target` for numbers), an `.npz`, a
            folder of idx or CIFAR files, or "digits". Or a table: a CSV with a target, a data frame, or
            "breast-cancer", "diabetes", "iris" or "wine".
        recipe: A named recipe, a TOML file or a `Recipe`; "table" is the one for tables.
        model: A backbone or net by name; any timm model works where its weights are to be had. Of a table:
            models to try, such as "linear, CatBoost".
        strategy: "auto", "probe", "inline", "finetune" or "scratch"; "auto" unless the recipe says otherwise.
        weights: A weight file, or a folder of them with their cards.
        budget: Time for everything, from the start of the process: "90s", "10m", "1h30m", or seconds. `auto`
            takes 10 minutes, a table 4.5; a named strategy or recipe runs to its end unless one is given.
        seed: Seed of the training.
        split_seed: Seed of the split.
        device: "auto", "cpu", "cuda" or "mps"; tables train on the processor.
        out: The run folder; `runs/<data>-<n>` unless set.
        resume: Go on with the unfinished run in `out`, or with the newest of this data in `runs/`.
        imbalance: What to do for classes of few images: "auto", "none", "weights", "sampling", "augment",
            "smote", "focal" or "thresholds"; what the recipe says unless set.
        prefer: What to keep of several backbones: "accuracy", or the cheapest answer that is shown to lose at
            most 0.5 points ("balance", the default) or 2 points ("speed").
        set: Settings of the recipe to change, such as `{"train.learning_rate": 3e-4}`, of a table
            `{"table.epochs": 20}`.
        target: Of a table: the column to learn, by name, position from 1, or "last". Of a CSV of images: the
            column of numbers, where it is not called `target`.
        task: "classification" or "regression", where the target of a table, or of images in a CSV or an
            `.npz`, cannot tell.
        columns: Of a table: names for a file without a header, whose columns are else c1…cN.
        kinds: Of a table: "number", "category", "date" or "ignored" by column name, where the guess is wrong.
        group: Of a table: a column whose equal values hold rows together in every split.
        time: Of a table: a column of dates or numbers; the latest rows judge.
        ids: Of a table: columns that name a row; they are carried through and never learned from.
        separator: Of a table or a list of images: what stands between cells (",", ";", "tab", "|", "space" or
            another character); what the file shows unless set.
        header: Of a table or a list of images: how many lines of header it has, 0 for none; what the file
            shows unless set.
        missing: Of a table or a list of images: words that stand for nothing, such as "?,-200", instead
            of the usual ones.
        label_from: Of images in a folder: a template by which file names hold their labels, such as
            "{class}_{n}".
        per_class: Of images: use so many of each class, drawn by `split_seed`: a number, or numbers by part,
            such as "train=1000,val=500,test=500".
        folds: Of a table of fewer than 2,000 rows: parts of the cross-validation, 5 unless set.
        repeats: Of such a table: how often the cross-validation is repeated, 3 unless set.
        lang: Language of the report, "en" or "ko".
        track: "mlflow[:URI]" or "tensorboard[:DIR]": who else is told of settings, epochs and scores.
        listener: Hears sentences and progress; prints to standard output unless set.

    Returns:
        The finished run.

    Raises:
        ValueError: If an argument is wrong, or `resume` finds a run with other data or settings.
        DataError: If the data hold nothing to learn from.
        ModelError: If the model or its weights are not to be had.
        DeviceError: If the machine lacks the device, memory or disk space.

    Example:
        >>> run = train("digits")  # doctest: +SKIP
        >>> run.metrics["test"]["accuracy"]["value"] > 0.95  # doctest: +SKIP
        True
    """
    from mindle.data.reading import ReadingOptions, refuse
    from mindle.training.budget import parse_budget
    from mindle.training.images.plan import make_plan, resolve_options
    from mindle.training.tracking import require_tracker, tracking

    began = process_start()
    listener = listener or Console(sys.stdout)
    require_language(lang)
    require_tracker(track)
    options = ReadingOptions(
        target=target,
        task=task,
        columns=tuple(columns),
        kinds=kinds,
        group=group,
        time=time,
        ids=tuple(ids),
        separator=separator,
        header=header,
        missing=missing,
        label_from=label_from,
        per_class=per_class,
    )
    if options.is_table(data):
        about_images = {
            "strategy": strategy,
            "weights": weights,
            "imbalance": imbalance,
            "prefer": prefer,
            "device": None if device in ("auto", "cpu") else device,  # tables train on the processor
        }
        refuse(about_images, "images", "a table")
        from mindle.training.tables.selection import BUDGET_SECONDS, settle_table

        return train_table(
            data,
            options,
            settle_table(recipe, models=model, folds=folds, repeats=repeats, settings=set),
            began=began,
            command=command(),
            # A recipe runs to its end unless a budget is given.
            budget_seconds=parse_budget(BUDGET_SECONDS if budget is None and recipe is None else budget),
            seed=seed,
            split_seed=split_seed,
            out=None if out is None else Path(out),
            resume=resume,
            lang=lang,
            track=track,
            listener=listener,
        )
    refuse({"folds": folds, "repeats": repeats}, "a table", "images")
    settled = resolve_options(
        recipe,
        model=model,
        strategy=strategy,
        weights=weights,
        budget=budget,
        settings=set,
        imbalance=imbalance,
        prefer=prefer,
    )

    dataset = options.read_images(data, split_seed=split_seed)
    plan = make_plan(dataset, settled, device=device)

    # ── the run folder ──
    asked = {
        "source": dataset.source,
        **settled.as_dict(),
        "seed": seed,
        "split_seed": split_seed,
        "device": device,
        **options.as_dict(),
    }
    folder, stored, run_log = start(
        None if out is None else Path(out),
        asked,
        name=dataset.name,
        kind=dataset.kind,
        command=command(),
        began=began,
        resume=resume,
        listener=listener,
    )
    if run_log is None:
        return Run(folder.path)
    with tracking(track, listener) as told:
        begin_tracking(told, track, folder, run_log, stored)
        run = _fit_and_judge(
            dataset, plan, folder, run_log, stored, seed=seed, split_seed=split_seed, lang=lang, listener=told
        )
        told.end(folder.path, run.metrics)
    return run


def _fit_and_judge(
    dataset: Dataset,
    plan: Plan,
    folder: RunFolder,
    run_log: RunLog,
    stored: Mapping[str, Any],
    *,
    seed: int,
    split_seed: int,
    lang: str,
    listener: Listener,
) -> Run:
    """The stages between an open run folder and a finished one."""
    from mindle.training.images.plan import expectation

    # ── the data: checked, decoded once, split ──
    dataset = take_in(dataset, plan.specs, folder, run_log, stored, split_seed=split_seed, listener=listener)
    listener.say(expectation(plan, dataset))

    return fit_and_conclude(plan, dataset, folder, run_log, stored, seed=seed, lang=lang, listener=listener)


def take_in(
    dataset: Dataset,
    specs: Sequence[InputSpec],
    folder: RunFolder,
    run_log: RunLog,
    stored: Mapping[str, Any],
    *,
    split_seed: int,
    listener: Listener,
) -> Dataset:
    """Check the data, decode them once, split them, and write down what they are.

    Args:
        dataset: As it was read.
        specs: Pixel layouts that will be wanted.
        folder: The run.
        run_log: Its keeper.
        stored: run.json of the run that goes on, or an empty mapping.
        split_seed: Seed of the split.
        listener: Hears what was found.

    Returns:
        The data, checked and split.

    Raises:
        ValueError: If the run began with other data.
        DataError: If they hold nothing to learn from.
    """
    from mindle import data as data_room
    from mindle.data.common.summary import describe, part_counts, ready

    with run_log.stage("check", len(dataset)):
        checked = data_room.check(dataset, specs=specs, listener=listener)
        dataset = ready(checked, seed=split_seed)
    facts = {**({"target": dataset.target} if dataset.target else {}), "counts": part_counts(dataset)}
    write_down(dataset, facts, describe(dataset), folder, run_log, stored, listener)
    return dataset


def fit_and_conclude(
    plan: Plan,
    dataset: Dataset,
    folder: RunFolder,
    run_log: RunLog,
    stored: Mapping[str, Any],
    *,
    seed: int,
    lang: str,
    listener: Listener,
    settled: bool = False,
) -> Run:
    """Carry a plan out and write down what came of it: the bundle, the judgement, once, and the report.

    What is `settled` by a search is trained however little time it left.
    """
    from mindle.training.decisions import DecisionLog
    from mindle.training.images.plan import carry_out
    from mindle.training.images.problem import Problem
    from mindle.training.loop.job import TrainingContext

    # ── fit ──
    context = TrainingContext(
        seed=seed,
        folder=folder.path,
        resume=bool(stored),
        decisions=DecisionLog(tuple(run_log.decisions), run_log.decide),
        listener=listener,
    )
    outcome = carry_out(
        plan,
        Problem.of(dataset, typical_size=plan.typical_size),
        context,
        spent_seconds=run_log.spent(),
        rehearse=partial(rehearsed, plan, dataset),
        searched=settled,
    )
    for name, seconds in outcome.seconds.items():
        run_log.add_stage(name, seconds, outcome.images.get(name, 0))
    if outcome.history:
        folder.write_history(outcome.history)

    # ── bundle, judge once, report ──
    judge = judge_numbers if dataset.task == "regression" else _judge
    metrics = judge(folder, dataset, outcome, run_log, seed=seed)
    run_log.record(
        strategy=outcome.strategy,
        tried=list(outcome.tried),
        stopped=outcome.stopped,
        advice=outcome.advice,
        licences=[dict(licence) for licence in outcome.licences],
        temperature=outcome.temperature,
        parameters=_parameters(outcome),
        peak_memory_bytes=peak_memory_bytes(),
        diagnoses=[asdict(found) for found in outcome.diagnoses],
        finished=datetime.now(UTC).isoformat(timespec="minutes"),
    )
    write_report(folder, dataset, lang=lang, out=folder.report)
    run_log.finish()
    _tell_result(folder, metrics, outcome, listener)
    return Run(folder.path)


def _judge(
    folder: RunFolder, dataset: Dataset, outcome: Outcome, run_log: RunLog, *, seed: int
) -> dict[str, Any]:
    """Write the model and its bundle; open the test part, once; score what the bundle answers."""
    from mindle.evaluation import score
    from mindle.formats.onnx import write_graph
    from mindle.training.images.baselines import baselines

    def write(pixels: NDArray[np.uint8]) -> Parity:
        return write_graph(model, folder.bundle, temperature=outcome.temperature, pixels=pixels)

    model, rows = outcome.model, {part: dataset.rows(part) for part in ("val", "test")}
    with run_log.stage("evaluate", len(rows["test"])):
        bundle, parity, test = pack(folder, dataset, outcome, write=write)
        parts = {
            "val": _predictions(dataset, rows["val"], outcome.val_answers, outcome.thresholds),
            "test": test,
        }
        folder.write_answers({part: answers for part, answers in parts.items() if answers.paths})
        # ONNX Runtime ends probabilities in float32, predictions.csv in eight decimals: scores are of what
        # is written.
        scores = {part: score(answers, seed=seed) for part, answers in folder.answers(dataset.task).items()}
    thresholds = dict(zip(dataset.classes, outcome.thresholds, strict=False))
    metrics = {
        "task": dataset.task,
        "classes": list(dataset.classes),
        **scores,
        "train": dict(outcome.train_scores),
        "baselines": baselines(dataset, model.spec, seed=seed),
        "strategy": outcome.strategy,
        "thresholds": thresholds,
        "seconds": run_log.seconds(),
        "images_per_second": run_log.rates(),
    }
    folder.write_metrics(metrics)
    details = bundles.origin(
        task=dataset.task,
        strategy=outcome.strategy,
        data=run_log.document["data"]["fingerprint"],
        parity=parity.as_dict(),
    )
    bundles.write_bundle_document(
        replace(bundle, metrics=scores["test"], details={**details, "thresholds": thresholds})
    )
    return metrics


def _parameters(outcome: Outcome) -> dict[str, int]:
    """How many numbers the model has, and how many of them this training could change."""
    from mindle.models.nets.layers import count_parameters

    model = outcome.model
    if outcome.strategy != "probe":
        return {"all": count_parameters(model), "trainable": count_parameters(model, trainable=True)}
    # What a head learned are tensors of its state, and the backbones were frozen.
    head = sum(tensor.numel() for tensor in model.head.state_dict().values())
    bodies = sum(count_parameters(body) for body in model.bodies)
    return {"all": head + bodies, "trainable": head}


def _predictions(
    dataset: Dataset,
    rows: NDArray[np.int64],
    probabilities: NDArray[np.float64],
    thresholds: tuple[float, ...],
) -> Predictions:
    import numpy as np

    from mindle.evaluation.thresholds import named_classes

    return Predictions(
        classes=dataset.classes,
        paths=tuple(dataset.paths[row] for row in rows.tolist()),
        probabilities=probabilities,
        answers=named_classes(probabilities, np.array(thresholds)) if thresholds else None,
        labels=dataset.labels[rows],
    )


def _tell_result(folder: RunFolder, metrics: Mapping[str, Any], outcome: Outcome, listener: Listener) -> None:
    """Close with the score, its error bar and where to look."""
    from mindle.evaluation import tasks

    test, baselines, task = metrics["test"], metrics["baselines"], tasks.of(metrics["task"])
    rivals = (
        f"{task.constant_baseline(baselines[task.baseline])}, "
        f"colour alone {task.number.format(baselines['colour'])}"
    )
    listener.say("")
    listener.say(f"test {task.headline(test)}; {rivals}; {metrics['seconds']['total']:.0f} s")
    if outcome.thresholds:
        listener.say("classes are named by a threshold for each; bundle.json and metrics.json have them")
    if outcome.stopped:
        listener.say(outcome.stopped)
    for found in outcome.diagnoses:
        listener.say(f"! {found.kind}: {found.message} {found.remedy}")
    if outcome.advice:
        listener.say(outcome.advice)
    listener.say(f"report  {folder.report}")
    listener.say(f"bundle  {folder.bundle}")
