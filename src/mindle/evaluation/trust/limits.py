"""From where on an input is refused: what is dark, blank, blurred or torn, and what is unlike training.

Set on rows that were held out, in this order: statistics of pixels by their tails of 0.2 % on either side;
the least side of a picture; and the limit of the score of unknown inputs so that all reasons together refuse
as many rows of training as was asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.typed import read_record
from mindle.evaluation.intervals import Ints, counted
from mindle.evaluation.trust.unknown import (
    SCORES,
    UnknownScore,
    drawn_evenly,
    fit_unknown,
    limit_of,
    read_unknown,
)
from mindle.records import ABSTAIN, OutOfFold

REFUSE = 0.05
UNSEEN = "unseen"  # how many categories of a row training did not know
# Tails of 0.5 % would take 3.2 of the 5 % that may be refused, and cost ten points of photos of pets.
TAIL = 0.002
# Fewer rows have no such tail: then it is three deviations from the mean, and never within the extremes. Of
# 60 to 400 photos of flowers that refuses 0.8 to 1.7 % of others and 82 to 100 % of random pixels.
ROWS_FOR_TAILS, DEVIATIONS = 500, 3.0
# However rare they are in training, these never refuse below: rows without any picture at the bottom, as an
# upload that broke off leaves, as a share of the height; neighbours that are equal, as in a mosaic, whose
# features may lie among those of photos; and missing cells, as a share of the row.
AT_LEAST = {"band": 0.05, "flat": 0.5, "missing": 0.3, UNSEEN: 0.0}
# So many classes are left out in turn, on so many rows; 0.02 s each.
MOST_LEFT_OUT, PANEL_ROWS = 8, 600
# A part of the score takes the place of all only where it refuses so many more of what is to be refused.
CLEARLY = 0.1


@dataclass(frozen=True, kw_only=True)
class Limits:
    """From where on an input is refused.

    Attributes:
        unknown: The score of unknown inputs with its limit; None where there were too few rows.
        quality: Least and most of each statistic of pixels, in the order of their columns; none of tables.
        side: Pictures with a shorter side than this are too small; 0 refuses none.
        one_hot: First column and width in the features of each column of a table that is one-hot: in none of
            them stands a category that training did not know.
        measured: What the refused share of held-out rows was, and what a panel of unknown inputs showed.
    """

    unknown: UnknownScore | None = None
    quality: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    side: int = 0
    one_hot: tuple[tuple[int, int], ...] = ()
    measured: Mapping[str, Any] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return self.unknown is not None or bool(self.quality)

    def foreign(self, classes: Sequence[str]) -> dict[str, Any]:
        """Which shares of unknown inputs would be refused, by where they come from, and how that was found.

        Args:
            classes: Names of the classes, of which some were left out in turn.
        """
        panel = self.measured.get("panel", {})
        left_out = panel.get("left_out_classes", {})
        shares = {
            "left_out_classes": {classes[int(label)]: one["all"] for label, one in left_out.items() if one},
            "others": {name: one["all"] for name, one in panel.get("others", {}).items() if one},
        }
        figures = {name: self.measured[name] for name in ("held_out", "refused") if name in self.measured}
        return {**figures, **{name: found for name, found in shares.items() if found}}

    def codes(
        self,
        outputs: Mapping[str, NDArray[Any]],
        noticed: Sequence[str] = (),
        quality: NDArray[np.floating[Any]] | None = None,
    ) -> NDArray[np.str_]:
        """Why each row should not be answered alone, one of `mindle.records.ABSTAIN`, or "".

        Args:
            outputs: Of the graph, (row, …) by name; `features` are looked at.
            noticed: (row,) what was noticed while a row was read, or ""; nothing of any row where empty.
            quality: float32 (row, statistic) of pictures; None of rows of a table.
        """
        rows = len(next(iter(outputs.values())))
        features, far = outputs.get("features"), np.zeros(rows, np.bool_)
        if self.unknown is not None and features is not None and rows:
            far = self.unknown.scores(features) > self.unknown.limit
        if quality is not None and self.one_hot and features is not None:
            quality = with_unseen(quality, features, self.one_hot)
        return self.decided(far, noticed, quality)

    def decided(
        self,
        far: NDArray[np.bool_],
        noticed: Sequence[str] = (),
        quality: NDArray[np.floating[Any]] | None = None,
    ) -> NDArray[np.str_]:
        """The codes, where it is known which rows (row,) are unlike training."""
        low, high = self._outside(quality, len(far))
        blank = low.get("contrast", np.zeros(len(far), np.bool_))
        nothing = np.zeros(len(far), np.bool_)
        reasons = {
            "torn": high.pop("band", nothing),
            "dark": low.get("brightness", nothing),
            "blurred": (low.get("sharpness", nothing) | low.get("detail", nothing)) & ~blank,
            "unlike_training": np.logical_or.reduce([far, blank, *high.values()]),
        }
        read = np.array(list(noticed) or [""] * len(far), np.str_)
        first = {name: reasons.get(name, read == name) | (read == name) for name in ABSTAIN}
        return np.select(list(first.values()), list(first), "").astype(np.str_)

    def _outside(
        self, quality: NDArray[np.floating[Any]] | None, rows: int
    ) -> tuple[dict[str, NDArray[np.bool_]], dict[str, NDArray[np.bool_]]]:
        """Which rows lie below the least, and which above the most, by statistic."""
        if quality is None or not self.quality:
            return {}, {}
        columns = dict(zip(self.quality, np.asarray(quality, np.float64).T, strict=True))
        low = {name: columns[name] < least for name, (least, _) in self.quality.items()}
        return low, {name: columns[name] > most for name, (_, most) in self.quality.items()}

    def too_small(self, sides: NDArray[np.integer[Any]]) -> list[str]:
        """What is noticed of pictures by their shorter sides (row,): "small" or ""."""
        return ["small" if side < self.side else "" for side in sides.tolist()]

    def document(self) -> dict[str, Any]:
        """As it stands in bundle.json."""
        reasons: dict[str, Any] = {}
        if self.unknown is not None:
            reasons["unlike_training"] = {
                "limit": self.unknown.limit,
                "neighbours": self.unknown.neighbours,
                "vectors": len(self.unknown.vectors),
                "parts": list(self.unknown.parts),
            }
        if self.quality:
            reasons["quality"] = {name: list(ends) for name, ends in self.quality.items()}
        if self.side:
            reasons["small"] = {"side": self.side}
        if self.one_hot:
            reasons["one_hot"] = [list(block) for block in self.one_hot]
        return {**self.measured, "reasons": reasons}

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What an NPZ file carries; nothing where there is no score."""
        return {} if self.unknown is None else self.unknown.arrays()


def read_limits(document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Limits:
    """What `Limits.document` and `Limits.arrays` gave.

    Raises:
        ValueError: If they do not describe limits.
    """
    stated = read_record(_Reasons, document["reasons"], "abstention.reasons")
    said, unknown = stated.unlike_training, None
    if said is not None:
        unknown = read_unknown(arrays, neighbours=said.neighbours, limit=said.limit, parts=said.parts)
    pairs = [*stated.quality.values(), *stated.one_hot]
    width = np.inf if unknown is None else unknown.vectors.shape[1]
    if any(len(pair) != 2 for pair in pairs) or any(
        min(pair) < 0 or sum(pair) > width for pair in stated.one_hot
    ):
        raise ValueError(
            "`abstention.reasons` must hold least and most of each statistic, and blocks of the features. "
            f"Received {pairs[:4]}."
        )
    return Limits(
        unknown=unknown,
        quality={name: (ends[0], ends[1]) for name, ends in stated.quality.items()},
        side=stated.small.get("side", 0),
        one_hot=tuple((block[0], block[1]) for block in stated.one_hot),
        measured={name: value for name, value in document.items() if name != "reasons"},
    )


@dataclass(frozen=True, kw_only=True)
class _Unlike:
    limit: float
    neighbours: int
    vectors: int
    parts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Reasons:
    unlike_training: _Unlike | None = None
    quality: dict[str, tuple[float, ...]] = field(default_factory=dict)
    small: dict[str, int] = field(default_factory=dict)
    one_hot: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What is known of some rows beside their features.

    Attributes:
        statistics: The names of the columns of `quality`.
        quality: float32 (row, statistic).
        sides: (row,) the shorter side of each picture as it was given, in pixels; empty of a table.
        model_side: The shorter side of what the model sees.
        others: By a name, features (picture, feature) of pictures that show nothing the model knows.
        one_hot: First column and width in the features of each column of a table that is one-hot.
    """

    statistics: Sequence[str]
    quality: NDArray[np.float32]
    sides: Ints = field(default_factory=lambda: np.zeros(0, np.int64))
    model_side: int = 0
    others: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    one_hot: Sequence[tuple[int, int]] = ()


def fit_limits(
    found: OutOfFold, *, refuse: float = REFUSE, inputs: Inputs | None = None, seed: int = 0
) -> tuple[Limits, NDArray[np.str_]]:
    """Find limits that refuse a share of held-out rows.

    Args:
        found: Rows with the features that a graph gives, each to be decided as if it were new.
        refuse: That share.
        inputs: Of the same rows, what is known beside features.
        seed: Draws the vectors.

    Returns:
        The limits, and the code of each row, found without itself and its group.
    """
    limits, noticed, quality = Limits(), list[str](), None
    if inputs is not None:
        inputs = _complete(inputs, found)
        quality, one_hot = inputs.quality, tuple(inputs.one_hot)
        limits = replace(limits, quality=_tails(inputs), side=_least_side(inputs), one_hot=one_hot)
        noticed = limits.too_small(inputs.sides)
    none = np.zeros(len(found), np.bool_)
    before = limits.decided(none, noticed, quality) != ""
    far, fitted = none, fit_unknown(found, seed=seed)
    if fitted is not None and found.features is not None:
        panel = _panel(found, {} if inputs is None else inputs.others, refuse, seed)
        score = replace(fitted[0], parts=_parts(panel))
        values = score.combined(fitted[1])
        score = replace(score, limit=limit_of(values, before, refuse))
        limits, far = replace(limits, unknown=score, measured={"panel": panel}), values > score.limit
    codes = limits.decided(far, noticed, quality)
    refused = counted(int((codes != "").sum()), len(codes))
    return replace(limits, measured={"held_out": len(found), "refused": refused, **limits.measured}), codes


def with_unseen(
    quality: NDArray[np.floating[Any]], features: NDArray[Any], one_hot: Sequence[tuple[int, int]]
) -> NDArray[np.float32]:
    """Statistics with one more column: how many one-hot columns hold no category that is known."""
    known = [features[:, start : start + width].any(axis=1) for start, width in one_hot]
    return np.column_stack([quality, len(known) - np.sum(known, axis=0)]).astype(np.float32)


def _complete(inputs: Inputs, found: OutOfFold) -> Inputs:
    """The same with what the features say of a table's categories."""
    if not inputs.one_hot or found.features is None:
        return replace(inputs, one_hot=())
    quality = with_unseen(inputs.quality, found.features, inputs.one_hot)
    return replace(inputs, quality=quality, statistics=[*inputs.statistics, UNSEEN])


def _tails(inputs: Inputs) -> dict[str, tuple[float, float]]:
    """Least and most of each statistic."""
    values = np.asarray(inputs.quality, np.float64)
    if len(values) >= ROWS_FOR_TAILS:
        low, high = np.quantile(values, [TAIL, 1 - TAIL], axis=0)
    else:
        mean, far = values.mean(axis=0), DEVIATIONS * values.std(axis=0)
        low, high = np.minimum(values.min(axis=0), mean - far), np.maximum(values.max(axis=0), mean + far)
    ends = dict(zip(inputs.statistics, zip(low.tolist(), high.tolist(), strict=True), strict=True))
    least = {name: (0.0, max(ends[name][1], most)) for name, most in AT_LEAST.items() if name in ends}
    return ends | least


def _least_side(inputs: Inputs) -> int:
    """Half of what nearly all training pictures have, and half of what the model sees."""
    typical = float(np.quantile(inputs.sides, TAIL)) if len(inputs.sides) else 0.0
    return int(min(typical, inputs.model_side) / 2)


# ---- what it would refuse that it never saw ---------------------------------------------------------------

Panel = dict[str, dict[str, dict[str, float]]]
CHOICES: dict[str, tuple[str, ...]] = {"all": SCORES, **{name: (name,) for name in SCORES}}


def leaves_out(found: OutOfFold) -> bool:
    """Whether there are classes enough that one of them can stand for what the model never saw."""
    return "probabilities" in found.outputs and len(np.unique(found.truth)) > 2


def _panel(found: OutOfFold, others: Mapping[str, NDArray[Any]], refuse: float, seed: int) -> Panel:
    """Shares of unknown inputs that all parts of the score, and each, refuse, by where the inputs come from.

    These are each class in turn, left out; other pictures, where there are some; and rows of a table whose
    columns are shuffled against each other, or ten times as large.
    """
    some = _some(found, drawn_evenly(found.truth, PANEL_ROWS, seed=seed))
    features = np.asarray(some.features)
    panel: Panel = {"left_out_classes": {}, "others": {}}
    for label in np.unique(found.truth)[:MOST_LEFT_OUT].tolist() if leaves_out(found) else ():
        rest = _some(some, np.flatnonzero(some.truth != label))
        shares = _refused(rest, features[some.truth == label], refuse, seed)
        panel["left_out_classes"][str(label)] = shares
    changed = {"shuffled_columns": _shuffled(features, seed), "scaled_columns": 10 * features}
    for name, unknown in {**others, **({} if found.blocks else changed)}.items():
        panel["others"][name] = _refused(some, unknown, refuse, seed)
    return panel


def _refused(known: OutOfFold, unknown: NDArray[Any], refuse: float, seed: int) -> dict[str, float]:
    """The share of unknown rows above the limit, by choice of parts; nothing where there are few rows."""
    fitted = fit_unknown(known, seed=seed)
    if fitted is None or not len(unknown):
        return {}
    none, found = np.zeros(len(known), np.bool_), {}
    for name, parts in CHOICES.items():
        score = replace(fitted[0], parts=parts)
        limit = limit_of(score.combined(fitted[1]), none, refuse)
        found[name] = round(float((score.scores(unknown) > limit).mean()), 4)
    return found


def _parts(panel: Panel) -> tuple[str, ...]:
    """All three, unless one alone clearly refuses more of the panel.

    A class that was left out lies near the others: alone they would choose what lets the far pass.
    """
    if not panel["others"]:
        return SCORES
    shares = [one for kind in panel.values() for one in kind.values() if one]
    if not shares:
        return SCORES
    means = {name: float(np.mean([one[name] for one in shares])) for name in CHOICES}
    best = max(means, key=means.__getitem__)
    return CHOICES[best] if means[best] > means["all"] + CLEARLY else SCORES


def _some(found: OutOfFold, rows: Ints) -> OutOfFold:
    return replace(
        found,
        rows=found.rows[rows],
        outputs={name: each[rows] for name, each in found.outputs.items()},
        truth=found.truth[rows],
        folds=found.folds[rows],
        groups=found.groups[rows],
        learned_from=found.learned_from[rows],
        features=None if found.features is None else found.features[rows],
    )


def _shuffled(features: NDArray[Any], seed: int) -> NDArray[Any]:
    """Each column by itself in another order: every value is known, and no row is."""
    return np.random.default_rng(seed).permuted(features, axis=0)
