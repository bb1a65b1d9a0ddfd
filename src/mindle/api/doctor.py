"""What is wrong with the data: a stage of each training before its bundle, while the test part is sealed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mindle.artifacts import answers as layouts
from mindle.artifacts.label_issues import path_of, write_label_issues
from mindle.messages import message
from mindle.records import Examples, OutOfFold

if TYPE_CHECKING:
    from mindle.api.pipeline import Pipeline
    from mindle.api.run_context import RunContext
    from mindle.evaluation.doctor.labels import Issues
    from mindle.training.settings import DoctorSettings

# The stated precision, in per cent, of the suggestions that are counted in a sentence.
SAID = 90


@dataclass(frozen=True, kw_only=True)
class Known:
    """What an examination goes by; nothing in it says how test rows are answered.

    Attributes:
        data: Checked and split, with what was decided applied.
        found: Answers out of fold to rows of the data.
        settings: How data are examined.
    """

    data: Examples
    found: OutOfFold
    settings: DoctorSettings


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
        document = {"labels": _labels(known, run), "curve": _curve(known, run)}
    run.log.record(doctor={name: found for name, found in document.items() if found})


# ---- labels ------------------------------------------------------------------------------------------------


def _labels(known: Known, run: RunContext) -> dict[str, Any]:
    """Question the labels, list all of them in label_issues.csv, and say how many seem wrong."""
    from mindle.evaluation.doctor import tasks

    issues = tasks.of(known.data.task).issues(known.found, known.data.classes)
    write_label_issues(path_of(run.folder), _rows(known, issues))
    if count := (issues.suggestions or {}).get(SAID, 0):
        share = {name: end or 0.0 for name, end in issues.share.items()}
        run.listener.say(message("doctor.labels.found", n=count, path=str(path_of(run.folder)), **share))
    return issues.document()


def _rows(known: Known, issues: Issues) -> Iterator[list[Any]]:
    """The rows of label_issues.csv; those that no model was asked about come last, without a score."""
    import numpy as np

    data, found = known.data, known.found
    labels = _texts(data, found, found.truth)
    suggested = _texts(data, found, issues.suggested)
    ranked = [(found.rows[at], float(issues.scores[at])) for at in issues.ranked.tolist()]
    test = data.rows("test") if any(data.splits) else found.rows[:0]
    unasked = np.setdiff1d(data.rows(), np.union1d(test, found.rows))
    for row, score in [*ranked, *((row, None) for row in unasked)]:
        split = data.splits[row] if data.splits else ""
        yield [data.row_names[row], data.sha256[row], split, labels[row], suggested[row], score]


def _texts(data: Examples, found: OutOfFold, truth: Any) -> list[str]:
    """The truth of every row as the manifest has it, of some rows another."""
    changed = data.truth.copy()
    changed[found.rows] = truth
    field: Any = {"targets" if len(data.targets) else "labels": changed}
    return layouts.of(data.task).labels(replace(data, **field))


def _curve(known: Known, run: RunContext) -> dict[str, Any]:
    return {}
