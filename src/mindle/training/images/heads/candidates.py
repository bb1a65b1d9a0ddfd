"""What heads learn from, and fitted heads with their out-of-fold scores: for classes and for numbers.

What differs by task is here: what least squares fit, the loss that a search minimises, and what scores mean.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from mindle.data.common.splits import assign_folds
from mindle.evaluation.calibration import fit_offsets, fit_scaling, fit_temperature
from mindle.evaluation.intervals import z_score
from mindle.evaluation.paired import paired_difference
from mindle.models.heads import BlendHead, Head, MeanHead, ScaledHead
from mindle.training.images.attempts import log_softmax
from mindle.training.images.heads.features import Floats, Ints
from mindle.training.loop.batches import draw

# Of the interval that shows how much worse a head may be.
LEVEL = 0.90
# A scaling by class has to gain so many standard errors, and is not tried for more classes than this.
SCALING_ERRORS, MOST_SCALED = 2.0, 100


def fold_numbers(labels: Ints, groups: Ints, *, folds: int = 5, seed: int = 0) -> Ints:
    """Which fold each image belongs to: whole groups, every class spread evenly."""
    return assign_folds(labels, groups, folds=folds, seed=draw(seed, folds))


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast this machine is now.

    Attributes:
        flop_seconds: Roughly what one multiplication and addition takes.
        rank_seconds: What the head takes that backbones are compared by.
    """

    flop_seconds: float
    rank_seconds: float


# ---- fitted heads -----------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Candidate(ABC):
    """A kind of head with its settings.

    Attributes:
        kind: Name of the kind, such as "rbf".
        scores: Out-of-fold scores (image, output).
        truth: Class index, or standardised number, of each image.
        settings: What cross-validation chose.
        build: Fits the head on everything; its scores are divided by the temperature that it is given.
        temperature: What makes the softmax of the scores calibrated; 1 for numbers.
    """

    kind: str
    scores: Floats
    truth: NDArray[Any]
    settings: dict[str, float] = field(default_factory=dict)
    build: Callable[[float], Head] = field(repr=False)
    temperature: float = 1.0

    @property
    def predictions(self) -> Floats:
        """What the scores stand for, (image, output): estimates as they are."""
        return self.scores

    @cached_property
    @abstractmethod
    def losses(self) -> Floats:
        """Loss of each image."""

    @abstractmethod
    def points_lost(self, other: Any) -> float:
        """How many points worse another head may be: upper end of the paired 90 % interval."""

    @property
    def mistakes(self) -> int:
        """How many predictions are wrong; a number is never wrong, but more or less far off."""
        return 0

    @property
    def loss(self) -> float:
        """Mean loss, by which heads are compared."""
        return float(self.losses.mean())


class ClassCandidate(Candidate):
    """A head that scores classes, compared by cross-entropy."""

    @cached_property
    def predictions(self) -> Floats:
        """Calibrated log-probabilities."""
        return log_softmax(self.scores / self.temperature)

    @cached_property
    def losses(self) -> Floats:
        """Cross-entropy of each image."""
        return np.asarray(-self.predictions[np.arange(len(self.truth)), self.truth])

    @cached_property
    def labels(self) -> Ints:
        """The class that is predicted for each image."""
        return np.asarray(self.scores.argmax(axis=1))

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Which images are predicted correctly."""
        return np.asarray(self.labels == self.truth)

    @property
    def mistakes(self) -> int:
        """How many predictions are wrong."""
        return int((~self.right).sum())

    def points_lost(self, other: ClassCandidate) -> float:
        """In points of accuracy.

        Source:
            Newcombe 1998, method 10 for paired data.
        """
        mine, theirs = self.right, other.right
        both, gained, lost = (int(rows.sum()) for rows in (mine & theirs, ~mine & theirs, mine & ~theirs))
        low, _ = paired_difference(both, gained, lost, len(mine), level=LEVEL)
        return -100 * low


class NumberCandidate(Candidate):
    """A head that estimates standardised numbers, compared by absolute errors.

    What it builds gives scores (image, 1 + fold): those of the head that learned from all images, and of one
    for each fold that did not see it. A bundle carries them, for they say how far estimates may be off (CV+,
    see `mindle.evaluation.conformal`).
    """

    @cached_property
    def losses(self) -> Floats:
        """Absolute error of each image."""
        return np.asarray(np.abs(self.scores[:, 0] - self.truth))

    def points_lost(self, other: NumberCandidate) -> float:
        """In per cent of the error of always predicting the mean."""
        baseline = float(np.abs(self.truth - self.truth.mean()).mean())
        gap = other.losses - self.losses
        reach = z_score(LEVEL) * float(gap.std()) / max(len(gap), 1) ** 0.5
        return float(round(100 * (float(gap.mean()) + reach) / max(baseline, np.finfo(float).tiny), 9))


C = TypeVar("C", bound=Candidate)


def clearly_better(new: Candidate, old: Candidate) -> bool:
    """Whether the loss is lower by more than the standard error of the difference.

    What costs more (a second backbone, a second head) has to show that much.
    """
    gain = old.losses - new.losses
    return bool(gain.mean() > gain.std() / max(len(gain), 1) ** 0.5)


def scaled_by_class(data: ClassHeadData, found: ClassCandidate) -> ClassCandidate | None:
    """The head with a factor and an offset for each class, where that clearly beats one temperature.

    Each fold is scaled by what the others show. A temperature is fitted to all of them, so that this has to
    win against the odds; it must not be wrong more often either.
    """
    if data.classes > MOST_SCALED or data.weights is not None or len(data.further_truth):
        return None  # classes that were rebalanced on purpose keep their shares
    scores, folds = np.empty_like(found.scores), data.folds
    for fold in np.unique(folds):
        here, others = folds == fold, folds != fold
        factors, offsets = fit_scaling(found.scores[others], data.truth[others])
        scores[here] = factors * found.scores[here] + offsets
    factors, offsets = fit_scaling(found.scores, data.truth)
    scaled = data.candidate(
        found.kind, scores, lambda temperature: _scaled(found.build(1.0), factors, offsets, temperature)
    )
    gain = found.losses - scaled.losses
    clear = gain.mean() > SCALING_ERRORS * gain.std() / max(len(gain), 1) ** 0.5
    return scaled if clear and scaled.mistakes <= found.mistakes else None


def _scaled(head: Head, factors: Floats, offsets: Floats, temperature: float) -> Head:
    return ScaledHead(head, factors / temperature, offsets / temperature)


def blend_helps(mixed: Candidate, best: Candidate) -> bool:
    """Whether a blend is worth a second head: clearly better, and not wrong more often."""
    return mixed.mistakes <= best.mistakes and clearly_better(mixed, best)


# ---- what they learn from ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class HeadData(ABC, Generic[C]):
    """The images that heads learn from, less their features.

    Attributes:
        truth: Class index, or standardised number, of each image.
        folds: Fold of the cross-validation that each image belongs to.
        views: Augmented views of each image, besides the plain one; rows are (view, image).
        further_truth, further_folds: Of rows beyond these: more views of minority classes, or synthetic ones.
    """

    truth: NDArray[Any]
    folds: Ints
    views: int = 0
    further_truth: NDArray[Any] = field(default_factory=lambda: np.zeros(0, np.int64))
    further_folds: Ints = field(default_factory=lambda: np.zeros(0, np.int64))

    # Of a Gaussian kernel: penalties to choose from, whether they are chosen anew for every gamma, what makes
    # logits of its scores, whether it has an intercept, and whether it keeps an output for each fold.
    penalties: ClassVar[Sequence[float]]
    nested: ClassVar[bool] = True
    sharpness: ClassVar[float] = 1.0
    constant: ClassVar[bool] = True
    fold_outputs: ClassVar[bool] = True

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def rows(self) -> int:
        """Rows of features: images times views, and further ones."""
        return len(self.truth) * (self.views + 1) + len(self.further_truth)

    @property
    def row_truth(self) -> NDArray[Any]:
        """Class index or number of each row of features."""
        return np.concatenate([np.tile(self.truth, self.views + 1), self.further_truth])

    @property
    def row_folds(self) -> Ints:
        """Fold of each row of features."""
        return np.concatenate([np.tile(self.folds, self.views + 1), self.further_folds])

    @property
    def row_weights(self) -> Floats | None:
        """What each row of features counts, or None where all count alike."""
        return None

    @property
    @abstractmethod
    def targets(self) -> Floats:
        """What least squares fit, (row, output)."""

    @abstractmethod
    def loss(self, scores: Floats) -> float:
        """What a search minimises, of out-of-fold scores (image, output)."""

    def offsets(self, scores: Floats) -> Floats:
        """What is added to scores of least squares, (output,)."""
        return np.zeros(1)

    @abstractmethod
    def candidate(self, kind: str, scores: Floats, build: Callable[[float], Head], **settings: float) -> C:
        """A fitted head."""

    @abstractmethod
    def blend(self, one: C, two: C) -> C:
        """The mean of two heads' predictions."""


@dataclass(frozen=True, kw_only=True)
class ClassHeadData(HeadData[ClassCandidate]):
    """Images with classes.

    Attributes:
        classes: How many classes.
        weights: What a row of each class counts, (class,); None counts all alike.
        focal: Gamma of the focal loss, for heads that have a loss; 0 is plain cross-entropy.
    """

    classes: int
    weights: Floats | None = None
    focal: float = 0.0

    penalties = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
    nested = constant = fold_outputs = False
    # Scores of the kernel head lie within -1 and 1; times this, their temperature is near 1.
    sharpness = 10.0

    @property
    def row_weights(self) -> Floats | None:
        """What each row of features counts, or None where all count alike."""
        return None if self.weights is None else self.weights[self.row_truth]

    @property
    def targets(self) -> Floats:
        """1 - 1/classes for the true class, -1/classes for the others: (row, class)."""
        return np.asarray(np.eye(self.classes)[self.row_truth] - 1 / self.classes)

    def loss(self, scores: Floats) -> float:
        """Cross-entropy at the temperature that suits the scores best."""
        log_probabilities = log_softmax(scores / fit_temperature(scores, self.truth))
        return float(-log_probabilities[np.arange(len(self)), self.truth].mean())

    def offsets(self, scores: Floats) -> Floats:
        """What gives rare classes back what they lose by squared errors."""
        # Where classes were rebalanced on purpose, offsets would bring their old shares back.
        rebalanced = self.weights is not None or len(self.further_truth)
        return np.zeros(self.classes) if rebalanced else fit_offsets(scores, self.truth)

    def candidate(
        self, kind: str, scores: Floats, build: Callable[[float], Head], **settings: float
    ) -> ClassCandidate:
        """The head with its temperature fitted."""
        return ClassCandidate(
            kind=kind,
            scores=scores,
            truth=self.truth,
            temperature=fit_temperature(scores, self.truth),
            settings=settings,
            build=build,
        )

    def blend(self, one: ClassCandidate, two: ClassCandidate) -> ClassCandidate:
        """The mean of their calibrated log-probabilities."""

        def build(temperature: float) -> Head:
            # A blend's logits are log-probabilities; the temperature stays outside of it.
            if temperature != 1.0:
                raise ValueError(f"A blend must keep its temperature outside. Received {temperature}.")
            return BlendHead([one.build(one.temperature), two.build(two.temperature)], np.ones(2))

        return self.candidate("blend", (one.predictions + two.predictions) / 2, build)


class NumberHeadData(HeadData[NumberCandidate]):
    """Images with standardised numbers; folds are numbered 0, 1, 2 and so on."""

    penalties = (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)

    @property
    def targets(self) -> Floats:
        """The numbers, (row, 1)."""
        return np.asarray(self.row_truth, np.float64)[:, None]

    def loss(self, scores: Floats) -> float:
        """Mean squared error."""
        return float(np.square(scores[:, 0] - self.truth).mean())

    def candidate(
        self, kind: str, scores: Floats, build: Callable[[float], Head], **settings: float
    ) -> NumberCandidate:
        """The head as it is."""
        return NumberCandidate(kind=kind, scores=scores, truth=self.truth, settings=settings, build=build)

    def blend(self, one: NumberCandidate, two: NumberCandidate) -> NumberCandidate:
        """The mean of their estimates."""
        scores = (one.scores + two.scores) / 2
        return self.candidate("mean", scores, lambda temperature: MeanHead([one.build(1.0), two.build(1.0)]))
