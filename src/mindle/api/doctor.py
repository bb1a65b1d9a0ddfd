"""What is wrong with the data: a stage of each training before its bundle, while the test part is sealed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mindle.api.shortcuts import cue_name, sentence, shortcuts
from mindle.api.slices import outliers, slices_of_answers, slices_out_of_fold
from mindle.artifacts import answers as layouts
from mindle.artifacts.label_issues import path_of, write_label_issues
from mindle.messages import message
from mindle.records import Answers, Examples, OutOfFold

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mindle.api.pipeline import Pipeline
    from mindle.api.run_context import RunContext
    from mindle.evaluation.doctor.labels import Issues
    from mindle.training.settings import DoctorSettings

# The stated precision, in per cent, of the suggestions that are counted in a sentence.
SAID = 90
SAID_SLICES = 3
# What all parts of a learning curve cost, in the time of the largest; and the seconds, or share of those
# spent so far, that they may take.
CURVE_COST, CURVE_SECONDS, CURVE_SHARE = 3.0, 2.0, 0.02


@dataclass(frozen=True, kw_only=True)
class Known:
    """What an examination goes by; nothing in it says how test rows are answered.

    Attributes:
        data: Checked and split, with what was decided applied.
        found: Answers out of fold to rows of the data.
        settings: How data are examined.
        confirmed: bool (row of the data,), whose truth somebody looked at; None where nobody did.
    """

    data: Examples
    found: OutOfFold
    settings: DoctorSettings
    confirmed: NDArray[np.bool_] | None = None


def examine(pipeline: Pipeline[Any], run: RunContext, outcome: Any) -> None:
    """Examine the data of a run by what its models said out of fold, and write down what was found.

    The labels go into label_issues.csv, the rest into run.json.

    Args:
        pipeline: Of the data.
        run: Gets the files.
        outcome: What was fitted.
    """
    known = pipeline.known(outcome)
    if known is None or not len(known.found):
        return
    with run.log.stage("examine"):
        document = {
            "labels": _labels(known, run),
            "curve": _curve(known, run),
            "shortcuts": _shortcuts(known, run),
            "slices": _slices(known, run),
            "outliers": outliers(known.data, known.found, seed=run.request.seed),
        }
    run.log.record(doctor={name: found for name, found in document.items() if found})


def examine_answers(pipeline: Pipeline[Any], run: RunContext, outcome: Any, answers: Answers) -> None:
    """Look for slices in what was evaluated, once that is open; nothing follows from them.

    Args:
        pipeline: Of the data.
        run: Gets what is found, in run.json.
        outcome: What was fitted.
        answers: To the test split, or to one fold. Those of a cross-validation are the ones that `examine`
            looked at.
    """
    known = pipeline.known(outcome)
    if known is None or answers.folds is not None or not len(answers):
        return
    found = slices_of_answers(known.data, answers)
    _say_slices(found, run)
    if found:
        run.log.record(doctor={**run.log.document.get("doctor", {}), "test_slices": found})


# ---- shortcuts and slices ----------------------------------------------------------------------------------


def _shortcuts(known: Known, run: RunContext) -> list[dict[str, Any]]:
    """What each cue of train and val says alone."""
    import numpy as np

    data = known.data
    learned = np.union1d(data.rows("train"), data.rows("val")) if any(data.splits) else data.rows()
    found = shortcuts(data, learned, seed=run.request.seed)
    for each in found:
        if each.alarm:
            run.listener.say(sentence(each, data.unit))
    said = {each.cue: {"message": sentence(each, data.unit)} for each in found if each.alarm}
    return [
        {**each.document(), "name": cue_name(each, data.unit), **said.get(each.cue, {})} for each in found
    ]


def _slices(known: Known, run: RunContext) -> list[dict[str, Any]]:
    """Where the model is clearly worse out of fold."""
    found = slices_out_of_fold(known.data, known.found, seed=run.request.seed)
    _say_slices(found, run)
    return found


def _say_slices(found: Sequence[dict[str, Any]], run: RunContext) -> None:
    for each in found[:SAID_SLICES]:
        run.listener.say(each["message"])


# ---- labels ------------------------------------------------------------------------------------------------


def _labels(known: Known, run: RunContext) -> dict[str, Any]:
    """Question the labels, list all of them in label_issues.csv, and say how many seem wrong."""
    from mindle.evaluation.doctor import tasks

    confirmed = None if known.confirmed is None else known.confirmed[known.found.rows]
    issues = tasks.of(known.data.task).issues(known.found, known.data.classes, confirmed)
    write_label_issues(path_of(run.folder), _rows(known, issues))
    if count := (issues.suggestions or {}).get(SAID, 0):
        share = {name: end or 0.0 for name, end in issues.share.items()}
        run.listener.say(message("doctor.labels.found", n=count, path=str(path_of(run.folder)), **share))
    return {**issues.document(), "unasked": len(_unasked(known))}


def _rows(known: Known, issues: Issues) -> Iterator[list[Any]]:
    """The rows of label_issues.csv; those that no model was asked about come last, without a score."""
    from mindle.evaluation.doctor import tasks

    data, found, written = known.data, known.found, tasks.of(known.data.task).suggested
    columns = (data.row_names, data.sha256, data.splits or ("",) * len(data), _labels_learned(data, found))
    for at in issues.ranked.tolist():
        row, suggested = int(found.rows[at]), written(issues.suggested[at], data.classes)
        yield [*(column[row] for column in columns), suggested, float(issues.scores[at])]
    for row in _unasked(known).tolist():
        yield [*(column[row] for column in columns), "", None]


def _unasked(known: Known) -> NDArray[np.int64]:
    """Rows of train and val that no model was asked about: a net has learned from all of train."""
    import numpy as np

    data, found = known.data, known.found
    test = data.rows("test") if any(data.splits) else found.rows[:0]
    return np.setdiff1d(data.rows(), np.union1d(test, found.rows))


def _labels_learned(data: Examples, found: OutOfFold) -> list[str]:
    """The truth of every row as the manifest has it, where it was learned from as it was learned."""
    changed = data.truth.copy()
    changed[found.rows] = found.truth
    field: Any = {"targets" if len(data.targets) else "labels": changed}
    return layouts.of(data.task).labels(replace(data, **field))


# ---- how much more data would help -------------------------------------------------------------------------


def _curve(known: Known, run: RunContext) -> dict[str, Any]:
    """The learning curve, where a model can be fitted to parts of the rows in a moment."""
    from mindle.evaluation.doctor import tasks
    from mindle.evaluation.doctor.curve import learn, learning_curve, parts_of

    found, task, seed = known.found, tasks.of(known.data.task), run.request.seed
    strata = task.strata(found.truth)
    rows = parts_of(strata, seed=seed)
    first = next(rows, None)
    if not known.settings.curve or found.relearn is None or first is None:
        return {}
    part = partial(learn, truth=found.truth, relearn=found.relearn, losses=task.losses)
    began, most = time.perf_counter(), _curve_seconds(run) / CURVE_COST
    parts = [part(first)] if found.relearn_seconds <= most else []
    if not _decided(run, bool(parts) and time.perf_counter() - began <= most):
        return {}
    parts = [*(parts or [part(first)]), *map(part, rows)]
    losses = task.losses(found.outputs[task.output], found.truth)
    return learning_curve(parts, losses, strata, known.data.classes, seed=seed).document()


def _curve_seconds(run: RunContext) -> float:
    """What the parts of a learning curve may take: little of what was spent, and of a budget."""
    budget = run.log.document["asked"].get("budget_seconds")
    return min(max(CURVE_SECONDS, CURVE_SHARE * run.log.spent()), CURVE_SHARE * (budget or float("inf")))


def _decided(run: RunContext, take: bool) -> bool:
    """Whether there is time for the curve; a resumed run does as it did before."""
    step = "learning curve"
    before = next((each for each in run.log.decisions if each.get("step") == step), None)
    if before is None:
        run.log.decide({"step": step, "take": take})
    return take if before is None else bool(before["take"])
