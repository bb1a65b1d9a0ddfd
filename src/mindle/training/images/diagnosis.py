"""What was wrong with a training run, in words, each with the figure that shows it and what to try.

Pure functions of what `TrainingMonitor` saw, of the history, and of the answers on the validation part. They
rather stay silent than raise a false alarm: all but four of them speak only about runs that learned next to
nothing.
A cause that is found takes its consequences along: a run whose batches were sorted by class is not also told
that its loss stands still.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.intervals import difference, wilson
from mindle.messages import message
from mindle.records import Diagnosis
from mindle.training.diagnoses import FEWEST_ANSWERS, LARGE_INPUT, figure
from mindle.training.loop.monitor import TrainingStats

KINDS: dict[str, str] = {
    "labels-sorted": "batches hold one class after the other",
    "inputs-unscaled": "the net is given numbers far larger or far smaller than about 1",
    "rate-too-high": "the learning rate is so high that training diverges",
    "exploding-gradients": "gradients grow without bound",
    "vanishing-gradients": "gradients hardly reach the first layers",
    "rate-too-low": "the weights hardly move",
    "loss-at-chance": "the loss stands where guessing would put it, ln(classes)",
    "constant-prediction": "every image gets the same answer",
    "val-below-majority": "validation is worse than always naming the commonest class",
    "overfitting": "training is far above validation",
    "fitted-on-test": "columns of a table were standardised over test rows too",
    "rows-normalised": "each row of a table was divided by its own length, which mixes its columns",
    "worse-than-mean": "estimates are further from the truth than the mean is",
}
"""Every diagnosis there is, and what it means."""

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


@dataclass(frozen=True, kw_only=True)
class Case:
    """What a diagnosis is made from.

    Attributes:
        classes: Names of the classes.
        train_labels: Class of each training image.
        val_labels: Class of each validation image.
        val_probabilities: (image, class) for them.
        train_scores: {"n": …, "accuracy": …} of the finished model on images it learned from.
        history: Rows of the history, empty where nothing was trained by epochs.
        seen: What `TrainingMonitor` saw, or None.
    """

    classes: tuple[str, ...]
    train_labels: NDArray[np.int64]
    val_labels: NDArray[np.int64]
    val_probabilities: NDArray[np.float64]
    train_scores: Mapping[str, Any] = field(default_factory=dict)
    history: Sequence[Mapping[str, Any]] = ()
    seen: TrainingStats | None = None

    @property
    def balanced(self) -> bool:
        """Whether every class counted the same, however common."""
        return self.seen is not None and self.seen.balanced

    @property
    def shares(self) -> NDArray[np.float64]:
        """Share of each class in the training images."""
        counts = np.bincount(self.train_labels, minlength=len(self.classes)).astype(np.float64)
        return np.asarray(counts / max(counts.sum(), 1.0), np.float64)

    @property
    def chance(self) -> float:
        """The cross-entropy of guessing: ln(classes), or less where classes are not equally common."""
        if self.balanced:
            return math.log(max((self.shares > 0).sum(), 1))
        present = self.shares[self.shares > 0]
        return float(-(present * np.log(present)).sum())

    @property
    def watched(self) -> TrainingStats | None:
        """What was seen, where it was enough for a diagnosis."""
        return self.seen if self.seen is not None and self.seen.steps >= FEWEST_STEPS else None

    def stands_above(self, share: float) -> bool:
        """Whether neither loss ever came below `share` of guessing; False where nobody knows."""
        if self.watched is None or not self.history or self.chance <= 0:
            return False
        losses = [self.history[-1]["train_loss"], min(row["train_loss"] for row in self.history)]
        val = [row["val_loss"] for row in self.history if math.isfinite(row["val_loss"])]
        return bool(min([*losses, *val]) >= share * self.chance)


@dataclass(frozen=True, kw_only=True)
class NumberCase(Case):
    """What a diagnosis of a training on numbers is made from; it has no classes.

    Attributes:
        guess_loss: The loss of always naming the mean.
    """

    guess_loss: float

    @property
    def chance(self) -> float:
        """The loss of always naming the mean."""
        return self.guess_loss


def diagnose_numbers(case: NumberCase) -> tuple[Diagnosis, ...]:
    """As `diagnose`, of a training on numbers: the causes that ask nothing about classes.

    Example:
        >>> none = np.zeros(0, np.int64)
        >>> diagnose_numbers(NumberCase(classes=(), train_labels=none, val_labels=none,
        ...                             val_probabilities=np.zeros((0, 0)), guess_loss=0.4))
        ()
    """
    causes = _found(case, (inputs_unscaled,))
    return tuple(causes or _found(case, (exploding, rate_too_high, vanishing, rate_too_low))[:1])


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
    causes = _found(case, (labels_sorted, inputs_unscaled))
    causes = causes or _found(case, (exploding, rate_too_high, vanishing, rate_too_low))[:1]
    failures = _found(case, (loss_at_chance, constant_prediction, val_below_majority))
    if causes:
        causes = [_together([causes[0], *failures]), *causes[1:]]
    elif failures:
        causes = [_together(failures)]
    sorted_or_failed = failures or any(found.kind == "labels-sorted" for found in causes)
    return tuple(causes if sorted_or_failed else [*causes, *_found(case, (overfitting,))])


def _found(case: Case, rules: Sequence[Callable[[Case], Diagnosis | None]]) -> list[Diagnosis]:
    return [found for rule in rules if (found := rule(case)) is not None]


def _together(found: Sequence[Diagnosis]) -> Diagnosis:
    """The first diagnosis, with what the others saw."""
    seen = [each.message for each in found]
    pairs = reduce(lambda first, second: message("diagnosis.together", first=first, second=second), seen)
    return replace(found[0], message=pairs)


def _diagnosis(kind: str, evidence: Mapping[str, Any], seen: str, **values: Any) -> Diagnosis:
    """A diagnosis with its sentences from the catalogue."""
    return Diagnosis(
        kind=kind,
        message=message(f"diagnosis.{kind}.{seen}", **values),
        remedy=message(f"diagnosis.{kind}.remedy", **values),
        evidence=evidence,
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
    largest = float((counts.max(axis=1) / size).mean())
    return _diagnosis(
        "labels-sorted",
        figure(
            "Classes in the first batches",
            "step",
            "share of the batch",
            {
                name: list(enumerate((counts[:, i] / size).tolist(), 1))
                for i, name in enumerate(case.classes[:6])
            },
        ),
        "seen",
        largest=largest,
        shuffled=_largest_share(shares, int(size.mean())),
    )


def inputs_unscaled(case: Case) -> Diagnosis | None:
    """Bytes where the weights expect numbers around 1, or numbers that were scaled down twice."""
    seen = case.seen
    if seen is None or not (math.isfinite(seen.input_std) and seen.pixel_std > 0):
        return None
    large = max(seen.input_std, abs(seen.input_mean)) > LARGE_INPUT
    small = seen.input_std < SMALL_SHARE * seen.pixel_std
    if not (large or small):
        return None
    return _diagnosis(
        "inputs-unscaled",
        figure(
            "What the net is given",
            "0 mean, 1 deviation",
            "value",
            {
                "this run": [(0, seen.input_mean), (1, seen.input_std)],
                "pixels from 0 to 1": [(0, 0.5), (1, seen.pixel_std)],
                "standardised": [(0, 0.0), (1, 1.0)],
            },
        ),
        "large" if large else "small",
        mean=seen.input_mean,
        std=seen.input_std,
    )


def rate_too_high(case: Case) -> Diagnosis | None:
    """The first steps throw the loss far up, or the weights far from home, and nothing is learned."""
    seen = case.watched
    if seen is None or not seen.from_start or not case.stands_above(HARDLY):
        return None
    first, worst = max(float(seen.losses[0]), case.chance), float(seen.losses.max())
    ended = float(case.history[-1]["train_loss"])
    if not (worst >= SPIKE * first or seen.moved >= MOVED_FAR or ended >= 1.5 * case.chance):
        return None
    return _diagnosis(
        "rate-too-high",
        _steps("Loss of the first steps", "loss", {"loss": seen.losses}, case.chance),
        "seen",
        steps=len(seen.losses),
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
    usual = float(np.median(seen.norms))
    leaps = int((seen.norms >= max(GREW, GREW * usual)).sum())
    if not (at_first >= EXPLODED or (leaps >= 2 and not case.stands_above(HARDLY))):
        return None
    largest = float(seen.norms.max())
    return _diagnosis(
        "exploding-gradients",
        _looks("Norm of the gradients", seen, {"all weights": seen.norms}),
        "seen",
        first=float(seen.norms[0]),
        largest=largest,
    )


def vanishing(case: Case) -> Diagnosis | None:
    """The first layers get a thousandth of what the last ones get, or nobody gets anything."""
    seen = case.watched
    if seen is None or not seen.from_start or not len(seen.norms) or not case.stands_above(HARDLY):
        return None
    most = seen.gradients.max(axis=1)  # (look,)
    reached = float(np.median(seen.gradients[:, 0] / np.maximum(most, 1e-30)))
    late = float(np.median(seen.norms[len(seen.norms) // 2 :]))
    if not (reached < REACHED or late < VANISHED):
        return None
    middle = np.median(seen.gradients, axis=0)
    return _diagnosis(
        "vanishing-gradients",
        figure(
            "Gradient of each layer, from the input to the output",
            "layer",
            "log10 of the root mean square",
            {
                "median of all looks": [
                    (i, math.log10(max(value, 1e-30))) for i, value in enumerate(middle.tolist(), 1)
                ]
            },
        ),
        "first-layer" if reached < REACHED else "everywhere",
        reached=reached,
        late=late,
    )


def rate_too_low(case: Case) -> Diagnosis | None:
    """The gradients are fine, and yet the weights stay where they were."""
    seen = case.watched
    if seen is None or not seen.from_start or seen.moved >= MOVED_LITTLE or not case.stands_above(HARDLY):
        return None
    losses = [row["train_loss"] for row in case.history]
    if losses[-1] < HARDLY * float(seen.losses[0]):
        return None
    return _diagnosis(
        "rate-too-low",
        _epochs("Training loss", case, ("train_loss",)),
        "seen",
        steps=seen.steps,
        moved=seen.moved,
        first=float(seen.losses[0]),
        last=losses[-1],
        setting="train.learning_rate",
    )


# ---- symptoms ---------------------------------------------------------------------------------------------


def loss_at_chance(case: Case) -> Diagnosis | None:
    """The loss stands where guessing puts it: nothing about the images was learned."""
    if not case.stands_above(NOTHING):
        return None
    ended = float(case.history[-1]["train_loss"])
    n = int((case.shares > 0).sum())
    guessing = case.chance > 0.99 * math.log(n)
    chance = math.log(n) if guessing else case.chance
    level = message(
        f"diagnosis.loss-at-chance.{'guessing' if guessing else 'shares'}", classes=n, chance=chance
    )
    seen, gradients, moved = case.seen, "", ""
    if seen and len(seen.norms):
        gradients = message("diagnosis.loss-at-chance.gradients", norm=float(np.median(seen.norms)))
    if seen:
        moved = message("diagnosis.loss-at-chance.moved", moved=seen.moved)
    return _diagnosis(
        "loss-at-chance",
        _epochs("Loss against guessing", case, ("train_loss", "val_loss")),
        "seen",
        loss=ended,
        n=len(case.history),
        level=level,
        gradients=gradients,
        moved=moved,
    )


def constant_prediction(case: Case) -> Diagnosis | None:
    """One answer for all."""
    n = len(case.val_labels)
    if n < FEWEST_ANSWERS:
        return None
    answers = np.bincount(case.val_probabilities.argmax(axis=1), minlength=len(case.classes)) / n
    truth = np.bincount(case.val_labels, minlength=len(case.classes)) / n
    best = int(answers.argmax())
    if answers[best] < CONSTANT or truth.max() > LARGEST_MAJORITY:
        return None
    return _diagnosis(
        "constant-prediction",
        figure(
            "Answers and truth",
            "class, counted from 1",
            "share of the validation images",
            {
                "answers": list(enumerate(answers.tolist(), 1)),
                "truth": list(enumerate(truth.tolist(), 1)),
            },
        ),
        "seen",
        share=float(answers[best]),
        label=case.classes[best],
        right=float(truth[best]),
    )


def val_below_majority(case: Case) -> Diagnosis | None:
    """Worse than the stupidest rule there is, by more than chance."""
    n = len(case.val_labels)
    if n < FEWEST_ANSWERS:
        return None
    commonest = int(case.shares.argmax())
    majority = float((case.val_labels == commonest).mean())
    right = int((case.val_probabilities.argmax(axis=1) == case.val_labels).sum())
    _, high = wilson(right, n)
    if high >= majority:
        return None
    return _diagnosis(
        "val-below-majority",
        _epochs("Accuracy", case, ("train_accuracy", "val_accuracy"), majority)
        if case.history
        else figure(
            "Validation",
            "0 the model, 1 always the commonest class",
            "share right",
            {"accuracy": [(0, right / n), (1, majority)]},
        ),
        "seen",
        share=right / n,
        n=n,
        high=high,
        majority=majority,
        label=case.classes[commonest],
    )


def overfitting(case: Case) -> Diagnosis | None:
    """Far better on what was learned from than on what was not.

    Heads on frozen features fit their own images by construction; of them the report compares the score out
    of fold with the test.
    """
    n = len(case.val_labels)
    train_n, train = int(case.train_scores.get("n", 0)), float(case.train_scores.get("accuracy", 0.0))
    if n < FEWEST_ANSWERS or not train_n or not case.history:
        return None
    val = float((case.val_probabilities.argmax(axis=1) == case.val_labels).mean())
    losses = [row["val_loss"] for row in case.history if math.isfinite(row.get("val_loss", math.nan))]
    risen = losses[-1] / min(losses) if losses and min(losses) > 0 else 1.0
    if risen >= RISEN:
        # The weights that were kept are those before the loss rose; the last ones show where it led.
        last = case.history[-1]
        if last["train_accuracy"] - last["val_accuracy"] > train - val:
            train, val, train_n = last["train_accuracy"], last["val_accuracy"], len(case.train_labels)
    gap, low, _ = difference((train, train_n), (val, n))
    if not (low >= FAR or (low >= NEAR and risen >= RISEN)):
        return None
    rose = message("diagnosis.overfitting.risen", share=risen - 1) if risen >= RISEN else ""
    return _diagnosis(
        "overfitting",
        _epochs("Accuracy", case, ("train_accuracy", "val_accuracy")),
        "seen",
        points=100 * gap,
        train=train,
        val=val,
        risen=rose,
    )


# ---- figures ----------------------------------------------------------------------------------------------


def _steps(title: str, y: str, series: Mapping[str, NDArray[np.float64]], guessing: float) -> dict[str, Any]:
    lines = {name: list(enumerate(values.tolist(), 1)) for name, values in series.items()}
    count = max(len(line) for line in lines.values())
    return figure(title, "step", y, {**lines, "guessing": [(1, guessing), (count, guessing)]})


def _looks(title: str, seen: TrainingStats, series: Mapping[str, NDArray[np.float64]]) -> dict[str, Any]:
    steps = [step + 1 for step in seen.looked]
    return figure(
        title, "step", "norm", {n: list(zip(steps, v.tolist(), strict=True)) for n, v in series.items()}
    )


def _epochs(title: str, case: Case, columns: Sequence[str], level: float | None = None) -> dict[str, Any]:
    """Columns of the history, with a level line: guessing for losses, the given one for accuracies."""
    lines: dict[str, Sequence[tuple[float, float]]] = {
        name.replace("_", " "): [
            (int(row["epoch"]), row[name]) for row in case.history if math.isfinite(row[name])
        ]
        for name in columns
    }
    if columns[0].endswith("loss"):
        name, level = "guessing", case.chance
    else:
        name = "always the commonest class"
    if level is not None:
        ends = sorted({1, int(case.history[-1]["epoch"])})
        lines = {**lines, name: [(epoch, level) for epoch in ends]}
    return figure(title, "epoch", columns[0].partition("_")[2], lines)


def _largest_share(shares: NDArray[np.float64], size: int) -> float:
    """Share of the commonest class in a shuffled batch, by drawing a few hundred."""
    counts = np.random.default_rng(0).multinomial(size, shares / shares.sum(), 500)
    return float(counts.max(axis=1).mean() / size)
