"""What was wrong with a training run: rules over one record of it, each with its figure and what to try.

A rule is a pure function of what `TrainingMonitor` saw, of the history, and of the predictions on the
validation split. Rules rather stay silent than raise a false alarm: all but four of them speak only about
runs that learned next to nothing.
A cause that is found takes its consequences along: a run whose batches were sorted by class is not also said
to have a loss that stands still.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.intervals import difference, wilson
from mindle.messages import known_message, message
from mindle.records import Diagnosis
from mindle.training.diagnoses import FEWEST_ANSWERS, LARGE_INPUT, figure
from mindle.training.loop.monitor import TrainingStats

Line = Sequence[tuple[float, float]]

# ---- thresholds, each with its reason ---------------------------------------------------------------------

# Fewer steps say nothing about a training.
FEWEST_STEPS = 50
# Within 2 % of guessing (0.679 for two classes) nothing was learned; within 10 %, hardly anything.
NOTHING, HARDLY = 0.98, 0.90
# Random batches lie near 0 on this scale, sorted ones at 1; of eight or more batches none is 0.8 by chance.
SORTED, FEWEST_BATCHES = 0.8, 8
# Initial weights are made for inputs with a deviation of about 1: [0, 1] has 0.25, bytes have 64. 20 times
# smaller than [0, 1] happens where pixels were divided by 255 twice.
SMALL_SHARE = 0.05
# Losses of healthy runs never tripled at a step in the runs this was tried on.
SPIKE = 3.0
# Healthy runs move their weights by 0.1 to 5 times their norm; 0.01 is no movement, 10 is throwing away.
MOVED_LITTLE, MOVED_FAR = 0.01, 10.0
# Healthy gradient norms begin at 0.1 to 50.
EXPLODED, GREW = 1000.0, 100.0
# Healthy first layers get 0.01 to 10 times the gradient of the layer that gets most.
REACHED, VANISHED = 1e-3, 1e-6
# Always one answer, where the truth has less than 19 of 20 of one class.
CONSTANT, LARGEST_MAJORITY = 0.99, 0.95
# Training above validation: this far for sure, or less far with a validation loss that has risen by a tenth.
FAR, NEAR, RISEN = 0.10, 0.03, 1.10


NO_LABELS = np.zeros(0, np.int64)


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a diagnosis is made from.

    Attributes:
        classes: Names of the classes; none where numbers are estimated.
        train_labels: Class of each training image.
        val_labels: Class of each validation image.
        val_probabilities: (image, class) for them.
        train_scores: {"n": …, "accuracy": …} of the finished model on images it learned from.
        history: Rows of the history, empty where nothing was trained by epochs.
        seen: What `TrainingMonitor` saw, or None.
        mean_loss: The loss of always predicting the mean, where numbers are estimated.
    """

    classes: tuple[str, ...] = ()
    train_labels: NDArray[np.int64] = field(default_factory=lambda: NO_LABELS)
    val_labels: NDArray[np.int64] = field(default_factory=lambda: NO_LABELS)
    val_probabilities: NDArray[np.float64] = field(default_factory=lambda: np.zeros((0, 0)))
    train_scores: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()
    seen: TrainingStats | None = None
    mean_loss: float | None = None

    @property
    def balanced(self) -> bool:
        """Whether every class counted the same, however frequent."""
        return self.seen is not None and self.seen.balanced

    @cached_property
    def shares(self) -> NDArray[np.float64]:
        """Share of each class in the training images."""
        counts = np.bincount(self.train_labels, minlength=len(self.classes)).astype(np.float64)
        return np.asarray(counts / max(counts.sum(), 1.0), np.float64)

    @cached_property
    def chance(self) -> float:
        """The loss of guessing: ln(classes), or less where classes are not equally frequent."""
        if self.mean_loss is not None:
            return self.mean_loss
        present = self.shares[self.shares > 0]
        return math.log(max(len(present), 1)) if self.balanced else float(-(present * np.log(present)).sum())

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """The class that is predicted for each validation image; nothing where these are too few."""
        few = len(self.val_labels) < FEWEST_ANSWERS
        return NO_LABELS if few else np.asarray(self.val_probabilities.argmax(axis=1))

    @property
    def watched(self) -> TrainingStats | None:
        """What was seen, where it was enough for a diagnosis."""
        return self.seen if self.seen is not None and self.seen.steps >= FEWEST_STEPS else None

    @property
    def failed(self) -> TrainingStats | None:
        """What was seen of a run from its start, where hardly anything was learned."""
        seen = self.watched
        return seen if seen is not None and seen.from_start and self.stands_above(HARDLY) else None

    def column(self, name: str) -> list[float]:
        """A column of the history, its finite values."""
        return [row[name] for row in self.history if math.isfinite(row.get(name, math.nan))]

    def stands_above(self, share: float) -> bool:
        """Whether neither loss ever came below `share` of guessing; False where nobody knows."""
        if self.watched is None or not self.history or self.chance <= 0:
            return False
        losses = [self.history[-1]["train_loss"], min(row["train_loss"] for row in self.history)]
        return bool(min([*losses, *self.column("val_loss")]) >= share * self.chance)


Rule = Callable[[Case], Diagnosis | None]


def _found(case: Case, rules: Sequence[Rule]) -> list[Diagnosis]:
    return [found for rule in rules if (found := rule(case)) is not None]


def diagnose_numbers(case: Case) -> tuple[Diagnosis, ...]:
    """As `diagnose`, of a training on numbers: the causes that ask nothing about classes.

    Example:
        >>> diagnose_numbers(Case(mean_loss=0.4))
        ()
    """
    return tuple(_found(case, (inputs_unscaled,)) or _found(case, DYNAMICS)[:1])


def diagnose(case: Case) -> tuple[Diagnosis, ...]:
    """Say what was wrong; nothing for a healthy run.

    Example:
        >>> labels = np.repeat([0, 1], 30)
        >>> answers = np.tile([0.9, 0.1], (60, 1))
        >>> case = Case(classes=("cat", "dog"), train_labels=labels, val_labels=labels,
        ...             val_probabilities=answers)
        >>> [found.kind for found in diagnose(case)]
        ['constant-prediction']
    """
    causes = _found(case, (labels_sorted, inputs_unscaled)) or _found(case, DYNAMICS)[:1]
    failures = _found(case, (loss_at_chance, constant_prediction, val_below_majority))
    if causes or failures:
        first = [*causes[:1], *failures]
        seen = [each.message for each in first]
        together = reduce(lambda one, two: message("diagnosis.together", first=one, second=two), seen)
        causes = [replace(first[0], message=together), *causes[1:]]
    sorted_or_failed = failures or any(found.kind == "labels-sorted" for found in causes)
    return tuple(causes if sorted_or_failed else [*causes, *_found(case, (overfitting,))])


def _diagnosis(
    kind: str, name: str, series: Mapping[str, Line], sentence: str = "seen", **values: Any
) -> Diagnosis:
    """A diagnosis with its sentences and the title and labels of its figure from the catalogue."""
    title, x, y = (message(f"diagnosis.figure.{name}.{key}") for key in ("title", "x", "y"))
    named = {known_message(f"diagnosis.series.{key.replace(' ', '-')}", key): series[key] for key in series}
    return Diagnosis(
        kind=kind,
        message=message(f"diagnosis.{kind}.{sentence}", **values),
        remedy=message(f"diagnosis.{kind}.remedy", **values),
        evidence=figure(title, x, y, named),
    )


# ---- causes -----------------------------------------------------------------------------------------------


def labels_sorted(case: Case) -> Diagnosis | None:
    """Batches of one class each, as a folder lists them: each step teaches that everything is that class."""
    seen = case.seen
    if seen is None:
        return None
    sizes = seen.counts.sum(axis=1)
    counts = seen.counts[sizes >= 4]
    if len(counts) < FEWEST_BATCHES:
        return None
    size = counts.sum(axis=1)
    same = (counts**2).sum(axis=1) / size**2  # chance that two draws from the batch are of one class
    shares = counts.sum(axis=0) / counts.sum() if case.balanced else case.shares
    anyone = float((shares**2).sum())
    expected = anyone + (1 - anyone) / size
    if anyone > 0.8 or np.mean((same - expected) / (1 - expected)) < SORTED:
        return None
    return _diagnosis(
        "labels-sorted",
        "batches",
        {name: _numbered(counts[:, i] / size) for i, name in enumerate(case.classes[:6])},
        largest=float((counts.max(axis=1) / size).mean()),
        shuffled=_largest_share(shares, int(size.mean())),
    )


def inputs_unscaled(case: Case) -> Diagnosis | None:
    """Bytes where the weights expect numbers around 1, or numbers that were scaled down twice."""
    seen = case.seen
    if seen is None or not (math.isfinite(seen.input_std) and seen.pixel_std > 0):
        return None
    large = max(seen.input_std, abs(seen.input_mean)) > LARGE_INPUT
    if not (large or seen.input_std < SMALL_SHARE * seen.pixel_std):
        return None
    return _diagnosis(
        "inputs-unscaled",
        "inputs",
        {
            "this run": [(0, seen.input_mean), (1, seen.input_std)],
            "pixels from 0 to 1": [(0, 0.5), (1, seen.pixel_std)],
            "standardised": [(0, 0.0), (1, 1.0)],
        },
        "large" if large else "small",
        mean=seen.input_mean,
        std=seen.input_std,
    )


def rate_too_high(case: Case) -> Diagnosis | None:
    """The first steps make the loss diverge, or move the weights far, and nothing is learned."""
    seen = case.failed
    if seen is None:
        return None
    first, worst = max(float(seen.losses[0]), case.chance), float(seen.losses.max())
    ended = float(case.history[-1]["train_loss"])
    if not (worst >= SPIKE * first or seen.moved >= MOVED_FAR or ended >= 1.5 * case.chance):
        return None
    steps = len(seen.losses)
    return _diagnosis(
        "rate-too-high",
        "first-steps",
        {"loss": _numbered(seen.losses), "guessing": [(1, case.chance), (steps, case.chance)]},
        steps=steps,
        first=float(seen.losses[0]),
        worst=worst,
        moved=seen.moved,
        setting="train.learning_rate",
    )


def exploding(case: Case) -> Diagnosis | None:
    """Gradients that are huge before the weights have moved, or again and again in a run that learns."""
    seen = case.watched
    if seen is None or seen.clipped or not len(seen.norms):
        return None
    at_first = float(seen.norms[0]) if seen.from_start else 0.0
    leaps = int((seen.norms >= max(GREW, GREW * float(np.median(seen.norms)))).sum())
    if not (at_first >= EXPLODED or (leaps >= 2 and not case.stands_above(HARDLY))):
        return None
    steps = [step + 1 for step in seen.looked]
    return _diagnosis(
        "exploding-gradients",
        "norms",
        {"all weights": list(zip(steps, seen.norms.tolist(), strict=True))},
        first=float(seen.norms[0]),
        largest=float(seen.norms.max()),
    )


def vanishing(case: Case) -> Diagnosis | None:
    """The first layers get a thousandth of what the last ones get, or nobody gets anything."""
    seen = case.failed
    if seen is None or not len(seen.norms):
        return None
    most = seen.gradients.max(axis=1)  # (look,)
    reached = float(np.median(seen.gradients[:, 0] / np.maximum(most, 1e-30)))
    late = float(np.median(seen.norms[len(seen.norms) // 2 :]))
    if not (reached < REACHED or late < VANISHED):
        return None
    middle = np.log10(np.maximum(np.median(seen.gradients, axis=0), 1e-30))
    return _diagnosis(
        "vanishing-gradients",
        "layers",
        {"median of all looks": _numbered(middle)},
        "first-layer" if reached < REACHED else "everywhere",
        reached=reached,
        late=late,
    )


def rate_too_low(case: Case) -> Diagnosis | None:
    """The gradients are fine, and yet the weights stay where they were."""
    seen = case.failed
    if seen is None or seen.moved >= MOVED_LITTLE:
        return None
    first, last = float(seen.losses[0]), case.history[-1]["train_loss"]
    if last < HARDLY * first:
        return None
    return _diagnosis(
        "rate-too-low",
        "train-loss",
        _epochs(case, "train_loss", level=("guessing", case.chance)),
        steps=seen.steps,
        moved=seen.moved,
        first=first,
        last=last,
        setting="train.learning_rate",
    )


# Of these the first that is found explains the others.
DYNAMICS: tuple[Rule, ...] = (exploding, rate_too_high, vanishing, rate_too_low)


# ---- symptoms ---------------------------------------------------------------------------------------------


def loss_at_chance(case: Case) -> Diagnosis | None:
    """The loss stands where guessing puts it: nothing about the images was learned."""
    seen = case.seen
    if seen is None or not case.stands_above(NOTHING):
        return None
    n = int((case.shares > 0).sum())
    guessing = case.chance > 0.99 * math.log(n)
    chance = math.log(n) if guessing else case.chance
    level = "guessing" if guessing else "shares"
    gradients = ""
    if len(seen.norms):
        gradients = message("diagnosis.loss-at-chance.gradients", norm=float(np.median(seen.norms)))
    return _diagnosis(
        "loss-at-chance",
        "losses",
        _epochs(case, "train_loss", "val_loss", level=("guessing", case.chance)),
        loss=float(case.history[-1]["train_loss"]),
        n=len(case.history),
        level=message(f"diagnosis.loss-at-chance.{level}", classes=n, chance=chance),
        gradients=gradients,
        moved=message("diagnosis.loss-at-chance.moved", moved=seen.moved),
    )


def constant_prediction(case: Case) -> Diagnosis | None:
    """One class for all."""
    if not len(case.predicted):
        return None
    predicted, truth = (
        np.bincount(labels, minlength=len(case.classes)) / len(labels)
        for labels in (case.predicted, case.val_labels)
    )
    best = int(predicted.argmax())
    if predicted[best] < CONSTANT or truth.max() > LARGEST_MAJORITY:
        return None
    return _diagnosis(
        "constant-prediction",
        "predictions",
        {"predictions": _numbered(predicted), "truth": _numbered(truth)},
        share=float(predicted[best]),
        label=case.classes[best],
        right=float(truth[best]),
    )


def val_below_majority(case: Case) -> Diagnosis | None:
    """Worse than the majority baseline, by more than chance."""
    n = len(case.predicted)
    if not n:
        return None
    largest = int(case.shares.argmax())
    majority = float((case.val_labels == largest).mean())
    right = int((case.predicted == case.val_labels).sum())
    _, high = wilson(right, n)
    if high >= majority:
        return None
    level = ("majority baseline", majority)
    return _diagnosis(
        "val-below-majority",
        "accuracy" if case.history else "validation",
        _epochs(case, "train_accuracy", "val_accuracy", level=level)
        if case.history
        else {"accuracy": [(0, right / n), (1, majority)]},
        share=right / n,
        n=n,
        high=high,
        majority=majority,
        label=case.classes[largest],
    )


def overfitting(case: Case) -> Diagnosis | None:
    """Far better on what was learned from than on what was not.

    Heads on frozen features fit their training images by construction; of them the report compares the score
    out of fold with the test.
    """
    n = len(case.predicted)
    train_n, train = int(case.train_scores.get("n", 0)), float(case.train_scores.get("accuracy", 0.0))
    if not n or not train_n or not case.history:
        return None
    val, losses = float((case.predicted == case.val_labels).mean()), case.column("val_loss")
    risen = losses[-1] / min(losses) if losses and min(losses) > 0 else 1.0
    if risen >= RISEN:
        # The weights that are used are those before the loss rose; the last ones show where it led.
        last = case.history[-1]
        if last["train_accuracy"] - last["val_accuracy"] > train - val:
            train, val, train_n = last["train_accuracy"], last["val_accuracy"], len(case.train_labels)
    gap, low, _ = difference((train, train_n), (val, n))
    if not (low >= FAR or (low >= NEAR and risen >= RISEN)):
        return None
    rose = message("diagnosis.overfitting.risen", share=risen - 1) if risen >= RISEN else ""
    series = _epochs(case, "train_accuracy", "val_accuracy")
    return _diagnosis("overfitting", "accuracy", series, points=100 * gap, train=train, val=val, risen=rose)


# ---- figures ----------------------------------------------------------------------------------------------


def _numbered(values: NDArray[np.float64]) -> Line:
    """Values at 1, 2, 3 and so on."""
    return list(enumerate(values.tolist(), 1))


def _epochs(case: Case, *columns: str, level: tuple[str, float] | None = None) -> dict[str, Line]:
    """Columns of the history by epoch, and a level to compare them with."""
    lines: dict[str, Line] = {
        name.replace("_", " "): [
            (int(row["epoch"]), row[name]) for row in case.history if math.isfinite(row[name])
        ]
        for name in columns
    }
    if level is not None:
        name, value = level
        lines[name] = [(epoch, value) for epoch in sorted({1, int(case.history[-1]["epoch"])})]
    return lines


def _largest_share(shares: NDArray[np.float64], size: int) -> float:
    """Share of the most frequent class in a shuffled batch, by drawing a few hundred."""
    counts = np.random.default_rng(0).multinomial(size, shares / shares.sum(), 500)
    return float(counts.max(axis=1).mean() / size)
