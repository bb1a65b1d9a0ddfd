"""What the class or number of checked data can be predicted from alone: cues of a source, evaluated."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mindle.messages import Message, known_message, message
from mindle.records import Examples, Finding

if TYPE_CHECKING:
    from mindle.evaluation.doctor.shortcuts import Shortcut

MOST_ROWS = 20_000
"""So many rows say it: the check of a million images may not wait for the others."""
MOST_CELLS, LEAST_DRAWN = 400_000, 2_000  # of wide tables fewer rows are drawn

# What a model that sees only pixels cannot see; it tells how the pictures were collected.
UNSEEN = ("camera", "date", "file-size", "order", "words")


def shortcuts(data: Examples, rows: NDArray[np.int64], *, seed: int = 0) -> list[Shortcut]:
    """What each cue of some rows of checked data says alone.

    Args:
        data: Images or rows, checked.
        rows: Which of them; a draw of `MOST_ROWS` of more.
        seed: Of the draw and of the folds.

    Example:
        >>> from mindle.data import check, read
        >>> digits = check(read("digits"))
        >>> [found.cue for found in shortcuts(digits, digits.rows()) if found.alarm]
        []
    """
    from mindle.data import sources
    from mindle.data.common.groups import group_numbers
    from mindle.evaluation.doctor import truths
    from mindle.evaluation.doctor.shortcuts import find_shortcuts

    if not len(rows):
        return []
    if len(rows) > MOST_ROWS:
        rows = np.sort(np.random.default_rng(seed).permutation(rows)[:MOST_ROWS])
    cues = sources.of(data).cues(data, rows)
    most = max(LEAST_DRAWN, MOST_CELLS // max(1, len(cues)))
    if len(rows) > most:
        some = np.sort(np.random.default_rng(seed).permutation(len(rows))[:most])
        rows, cues = rows[some], [replace(cue, values=cue.values[some]) for cue in cues]
    truth = truths.of(data.task, data.truth[rows], data.classes)
    groups = group_numbers(data.groups, rows) if any(data.groups) else np.arange(len(rows))
    return find_shortcuts(cues, truth, groups, seed=seed)


def shortcut_findings(found: Iterable[Shortcut], data: Examples) -> list[Finding]:
    """What should be looked at before training.

    Args:
        found: What each cue says alone.
        data: Checked; columns that give the target away are among its findings already.
    """
    from mindle.data.common.findings import finding

    named = {file for each in data.findings if each.kind == "target-leak" for file in each.files}
    return [
        finding(
            # Apples and lemons may differ in colour; nobody means them to differ in their border.
            "shortcut",
            [each.cue],
            sentence(each, data.unit),
            decision=each.content == "none" and each.cue not in UNSEEN,
        )
        for each in found
        if each.alarm and each.cue not in named
    ]


def cue_name(each: Shortcut, unit: str) -> str:
    """What a cue of images or rows is called: a column by its name, a word of file names with the word."""
    name = known_message(f"shortcuts.cue.{unit}.{each.cue}", "")
    if not name:
        return message("shortcuts.column", name=each.cue)
    return message("shortcuts.detail", cue=name, detail=each.detail) if each.detail else name


def sentence(each: Shortcut, unit: str) -> Message:
    """How much a cue says alone, with its figures, and what to do."""
    from mindle.evaluation.doctor.shortcuts import LIMIT

    strength, name = each.strength, cue_name(each, unit)
    value = float(strength.score["value"] or 0.0)
    if strength.ranking is None:
        said = message("shortcuts.number", cue=name, value=value)
    elif strength.region is not None and (strength.ranking["low"] or 0.0) < LIMIT:
        region = strength.region
        figures = {"share": region["share"], "precision": region["precision"]["value"], "n": region["n"]}
        said = message("shortcuts.region", cue=name, label=region["label"], **figures)
    else:
        figures = {"area": float(strength.ranking["value"] or 0.0), "value": value, "chance": strength.chance}
        said = message("shortcuts.class", cue=name, label=strength.label, **figures)
    images = message(f"shortcuts.advice.{'unseen' if each.cue in UNSEEN else 'seen'}")
    advice = known_message(f"shortcuts.advice.{unit}", images)
    return message("selection.sentences", first=said, second=advice)
