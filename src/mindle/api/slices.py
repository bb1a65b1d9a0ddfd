"""Where a model is clearly worse, and which samples lie far from the others, as run.json has it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mindle.api.shortcuts import MOST_ROWS
from mindle.messages import Message, known_message, message
from mindle.records import Answers, Examples, OutOfFold, of_rows

if TYPE_CHECKING:
    from mindle.evaluation.doctor.slices import Slice

MOST_SLICES, MOST_OUTLIERS = 12, 12


def slices_out_of_fold(data: Examples, found: OutOfFold, *, seed: int = 0) -> list[dict[str, Any]]:
    """Slices of train and val, by answers out of fold.

    Args:
        data: Checked.
        found: Answers to rows of the data; a draw of `MOST_ROWS` of more is looked at.
        seed: Of the draw.
    """
    from mindle.evaluation.doctor import tasks

    examination, some = tasks.of(data.task), np.arange(len(found))
    if len(some) > MOST_ROWS:
        some = np.sort(np.random.default_rng(seed).permutation(some)[:MOST_ROWS])
    outputs = found.outputs[examination.output][some]
    return _documents(
        data,
        found.rows[some],
        examination.losses(outputs, found.truth[some]),
        expected=examination.expected(outputs),
        features=None if found.features is None else found.features[some],
    )


def slices_of_answers(data: Examples, answers: Answers) -> list[dict[str, Any]]:
    """Slices of what a model was evaluated on.

    Args:
        data: Checked.
        answers: To rows of the data, with the truth. They are found by name: a table of few rows has no test
            split, also where one fold alone is evaluated.
    """
    from mindle.evaluation.doctor import tasks

    places = {name: row for row, name in enumerate(data.row_names)}
    rows = np.array([places[path] for path in answers.paths], np.int64)
    losses, expected = tasks.of(data.task).answered(answers)
    return _documents(data, rows, losses, expected=expected)


def _documents(
    data: Examples,
    rows: NDArray[np.int64],
    losses: NDArray[np.float64],
    *,
    expected: NDArray[np.float64] | None = None,
    features: NDArray[Any] | None = None,
) -> list[dict[str, Any]]:
    from mindle.data import sources
    from mindle.evaluation.doctor import tasks
    from mindle.evaluation.doctor.slices import find_slices

    comparison = tasks.of(data.task).comparison
    found = find_slices(
        sources.of(data).facets(data, rows),
        losses,
        comparison,
        labels=data.labels[rows] if len(data.labels) else None,
        names=data.classes,
        expected=expected,
        features=features,
    )
    names = of_rows(data.row_names, rows)
    return [
        {**each.document(names, losses), "message": sentence(each, data.unit, comparison.wording)}
        for each in found[:MOST_SLICES]
    ]


def sentence(each: Slice, unit: str, wording: str) -> Message:
    """Which samples these are, and how much worse the model is there."""
    column = message("shortcuts.column", name=each.name)
    name = known_message(f"slices.facet.{unit}.{each.name}", column)
    ends = dict(zip(("low", "high"), each.ends or (), strict=False))
    where = message(f"slices.where.{each.side}", cue=name, part=each.part, **ends)
    if each.label:
        where = message("slices.where.class", where=where, label=each.label)
    code = f"slices.{wording}{'_expected' if each.expected else ''}"
    return message(code, where=where, n=int(each.rows.sum()), value=each.value, rest=each.rest, p=each.p)


def outliers(data: Examples, found: OutOfFold, *, seed: int = 0) -> list[dict[str, Any]]:
    """Samples far from all others, the farthest first."""
    from mindle.evaluation.doctor.outliers import outliers as far_out

    far, scores = far_out(found, seed=seed)
    names: Sequence[str] = of_rows(data.row_names, found.rows[far])
    return [
        {"path": name, "label": data.classes[int(data.labels[row])] if data.classes else "", "score": score}
        for name, row, score in zip(names, found.rows[far].tolist(), scores.tolist(), strict=True)
    ][:MOST_OUTLIERS]
