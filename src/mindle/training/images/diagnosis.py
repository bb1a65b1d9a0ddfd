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
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.intervals import difference, wilson
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
        first = replace(causes[0], message=" ".join([causes[0].message, *(f.message for f in failures)]))
        causes = [first, *causes[1:]]
    elif failures:
        causes = [replace(failures[0], message=" ".join(f.message for f in failures))]
    sorted_or_failed = failures or any(found.kind == "labels-sorted" for found in causes)
    return tuple(causes if sorted_or_failed else [*causes, *_found(case, (overfitting,))])


def _found(case: Case, rules: Sequence[Callable[[Case], Diagnosis | None]]) -> list[Diagnosis]:
    return [found for rule in rules if (found := rule(case)) is not None]


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
    return Diagnosis(
        kind="labels-sorted",
        message=f"Batches came sorted by class: on average {largest:.0%} of a batch were of one class, "
        f"where a shuffled one has about {_largest_share(shares, int(size.mean())):.0%}.",
        remedy="Shuffle the images before they are put into batches (train.shuffle = true).",
        evidence=figure(
            "Classes in the first batches",
            "step",
            "share of the batch",
            {
                name: list(enumerate((counts[:, i] / size).tolist(), 1))
                for i, name in enumerate(case.classes[:6])
            },
        ),
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
    way = "were not scaled" if large else "were scaled down once too often"
    return Diagnosis(
        kind="inputs-unscaled",
        message=f"The inputs {way}: what the net is given has a mean of {seen.input_mean:.3g} and a "
        f"deviation of {seen.input_std:.2g}, where initial weights expect about 1.",
        remedy="Scale the pixels to 0 to 1 once, or better standardise them (input.standardise = true).",
        evidence=figure(
            "What the net is given",
            "0 mean, 1 deviation",
            "value",
            {
                "this run": [(0, seen.input_mean), (1, seen.input_std)],
                "pixels from 0 to 1": [(0, 0.5), (1, seen.pixel_std)],
                "standardised": [(0, 0.0), (1, 1.0)],
            },
        ),
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
    return Diagnosis(
        kind="rate-too-high",
        message=f"The learning rate is too high: within {len(seen.losses)} steps the loss went from "
        f"{seen.losses[0]:.3g} up to {worst:.3g}, and the weights went {seen.moved:.3g} times their norm "
        "away from where they began.",
        remedy="Divide the learning rate (train.peak) by ten, until the loss falls from the start.",
        evidence=_steps("Loss of the first steps", "loss", {"loss": seen.losses}, case.chance),
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
    return Diagnosis(
        kind="exploding-gradients",
        message=f"Gradients explode: their norm began at {seen.norms[0]:.3g} and rose to {largest:.3g}, "
        "where healthy ones lie between 0.1 and 50.",
        remedy="Clip the gradients (train.clip = 1), add batch norms, or start with smaller weights.",
        evidence=_looks("Norm of the gradients", seen, {"all weights": seen.norms}),
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
    words = (
        f"the first layer's are {reached:.1e} times those of the layer that gets most"
        if reached < REACHED
        else f"their norm sank to {late:.1e}, as behind units that never fire"
    )
    return Diagnosis(
        kind="vanishing-gradients",
        message=f"Gradients vanish on their way to the first layers: {words}.",
        remedy="Use ReLU instead of sigmoids, batch norms and shortcuts, fewer layers, or a lower rate where "
        "units have died.",
        evidence=figure(
            "Gradient of each layer, from the input to the output",
            "layer",
            "log10 of the root mean square",
            {
                "median of all looks": [
                    (i, math.log10(max(value, 1e-30))) for i, value in enumerate(middle.tolist(), 1)
                ]
            },
        ),
    )


def rate_too_low(case: Case) -> Diagnosis | None:
    """The gradients are fine, and yet the weights stay where they were."""
    seen = case.watched
    if seen is None or not seen.from_start or seen.moved >= MOVED_LITTLE or not case.stands_above(HARDLY):
        return None
    losses = [row["train_loss"] for row in case.history]
    if losses[-1] < HARDLY * float(seen.losses[0]):
        return None
    return Diagnosis(
        kind="rate-too-low",
        message=f"The learning rate is too low: in {seen.steps:,} steps no weight moved further than "
        f"{seen.moved:.2%} of its norm, and the loss went from {seen.losses[0]:.3f} to {losses[-1]:.3f}.",
        remedy="Multiply the learning rate (train.peak) by ten, until the loss falls visibly in an epoch.",
        evidence=_epochs("Training loss", case, ("train_loss",)),
    )


# ---- symptoms ---------------------------------------------------------------------------------------------


def loss_at_chance(case: Case) -> Diagnosis | None:
    """The loss stands where guessing puts it: nothing about the images was learned."""
    if not case.stands_above(NOTHING):
        return None
    ended = float(case.history[-1]["train_loss"])
    n = int((case.shares > 0).sum())
    if case.chance > 0.99 * math.log(n):
        level = f"ln({n}) = {math.log(n):.3f}, which is guessing"
    else:
        level = f"{case.chance:.3f}, which is what the classes' shares alone give"
    seen = case.seen
    gradients = f"; the gradients' norm was {np.median(seen.norms):.2g}" if seen and len(seen.norms) else ""
    moved = f", and the weights moved by {seen.moved:.2g} times their norm" if seen else ""
    return Diagnosis(
        kind="loss-at-chance",
        message=f"The loss stood at {ended:.3f} after {len(case.history)} epochs, against {level}"
        f"{gradients}{moved}.",
        remedy="See whether labels belong to their images, whether the net can overfit one batch, "
        "and try other learning rates.",
        evidence=_epochs("Loss against guessing", case, ("train_loss", "val_loss")),
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
    return Diagnosis(
        kind="constant-prediction",
        message=f"{answers[best]:.0%} of the validation images get the same answer, "
        f"{case.classes[best]!r}, which is right for {truth[best]:.0%}.",
        remedy="Weigh or draw the classes evenly (train.balance), and see whether the net behaves the same "
        "in training and in evaluation (batch norm, scaling).",
        evidence=figure(
            "Answers and truth",
            "class, counted from 1",
            "share of the validation images",
            {
                "answers": list(enumerate(answers.tolist(), 1)),
                "truth": list(enumerate(truth.tolist(), 1)),
            },
        ),
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
    return Diagnosis(
        kind="val-below-majority",
        message=f"{right / n:.1%} of {n:,} validation images are right (at most {high:.1%} with 95 % "
        f"confidence), fewer than the {majority:.1%} of always answering {case.classes[commonest]!r}.",
        remedy="Look at some validation images with their labels: they may be mixed up, prepared "
        "differently, or from elsewhere than the training images.",
        evidence=_epochs("Accuracy", case, ("train_accuracy", "val_accuracy"), majority)
        if case.history
        else figure(
            "Validation",
            "0 the model, 1 always the commonest class",
            "share right",
            {"accuracy": [(0, right / n), (1, majority)]},
        ),
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
    rose = f", and the validation loss rose by {risen - 1:.0%} from its best" if risen >= RISEN else ""
    return Diagnosis(
        kind="overfitting",
        message=f"Training stands {100 * gap:.0f} points above validation ({train:.1%} against "
        f"{val:.1%}){rose}.",
        remedy="Augment the images, shrink or regularise the net (dropout, train.weight_decay), stop "
        "earlier, or begin with a pretrained backbone.",
        evidence=_epochs("Accuracy", case, ("train_accuracy", "val_accuracy")),
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
