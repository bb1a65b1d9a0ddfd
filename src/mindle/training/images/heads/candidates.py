"""Fitted heads, and how they answered images that they had not learned from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation import fit_temperature
from mindle.models.heads import BlendHead, Head, MeanHead
from mindle.training.images.attempts import log_softmax
from mindle.training.images.heads.data import ClassHeadData, Floats, HeadData


@dataclass(frozen=True, kw_only=True)
class Candidate(ABC):
    """A kind of head with its settings.

    Attributes:
        kind: Name of the kind, such as "rbf".
        scores: Out-of-fold scores (image, output).
        truth: Class index, or standardised number, of each image.
        settings: What cross-validation chose.
        build: Fits the head on everything; its scores are divided by the temperature that it is given.
    """

    kind: str
    scores: Floats
    truth: NDArray[Any]
    settings: dict[str, float] = field(default_factory=dict)
    build: Callable[[float], Head] = field(repr=False)

    @cached_property
    @abstractmethod
    def losses(self) -> Floats:
        """Loss of each image."""

    @property
    def loss(self) -> float:
        """Mean loss, by which heads are compared."""
        return float(self.losses.mean())


@dataclass(frozen=True, kw_only=True)
class ClassCandidate(Candidate):
    """A head that scores classes, compared by cross-entropy.

    Attributes:
        offsets: What is added to each class's score, (class,).
        temperature: What makes the softmax of both honest.
    """

    offsets: Floats
    temperature: float

    @classmethod
    def of(
        cls,
        kind: str,
        scores: Floats,
        truth: NDArray[np.int64],
        build: Callable[[float], Head],
        *,
        settings: dict[str, float] | None = None,
        offsets: Floats | None = None,
    ) -> ClassCandidate:
        """The candidate with its temperature fitted."""
        offsets = np.zeros(scores.shape[1]) if offsets is None else offsets
        return cls(
            kind=kind,
            scores=scores,
            truth=truth,
            offsets=offsets,
            temperature=fit_temperature(scores + offsets, truth),
            settings=settings or {},
            build=build,
        )

    @cached_property
    def log_probabilities(self) -> Floats:
        """Calibrated, (image, class)."""
        return log_softmax((self.scores + self.offsets) / self.temperature)

    @cached_property
    def losses(self) -> Floats:
        """Cross-entropy of each image."""
        return np.asarray(-self.log_probabilities[np.arange(len(self.truth)), self.truth])

    @cached_property
    def answers(self) -> NDArray[np.int64]:
        """The class that is named for each image."""
        return np.asarray((self.scores + self.offsets).argmax(axis=1))

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Which images were answered right."""
        return np.asarray(self.answers == self.truth)


@dataclass(frozen=True, kw_only=True)
class NumberCandidate(Candidate):
    """A head that estimates standardised numbers, compared by absolute errors.

    What it builds gives scores (image, 1 + fold): those of the head that learned from all images, and of one
    for each fold that did not see it. A bundle carries them, for they say how far estimates may be off (CV+,
    see `mindle.evaluation.conformal`).
    """

    @property
    def estimates(self) -> Floats:
        """Out-of-fold estimates (image,)."""
        return self.scores[:, 0]

    @cached_property
    def losses(self) -> Floats:
        """Absolute error of each image."""
        return np.asarray(np.abs(self.estimates - self.truth))


def clearly_better(new: Candidate, old: Candidate) -> bool:
    """Whether the loss is lower by more than the standard error of the difference.

    What costs more (a second backbone, a second head) has to show that much.
    """
    gain = old.losses - new.losses
    return bool(gain.mean() > gain.std() / max(len(gain), 1) ** 0.5)


def blend_helps(mixed: ClassCandidate, best: ClassCandidate) -> bool:
    """Whether a blend is worth a second head: clearly better, and not wrong more often."""
    return bool(mixed.right.sum() >= best.right.sum()) and clearly_better(mixed, best)


def blend(one: ClassCandidate, two: ClassCandidate) -> ClassCandidate:
    """The mean of two heads' calibrated log-probabilities."""
    scores = (one.log_probabilities + two.log_probabilities) / 2

    def build(temperature: float) -> Head:
        # A blend's logits are log-probabilities; the temperature stays outside of it.
        if temperature != 1.0:
            raise ValueError(f"A blend must keep its temperature outside. Received {temperature}.")
        return BlendHead([one.build(one.temperature), two.build(two.temperature)], np.ones(2))

    return ClassCandidate.of("blend", scores, one.truth, build)


def average(one: NumberCandidate, two: NumberCandidate) -> NumberCandidate:
    """The mean of two heads' estimates."""
    return NumberCandidate(
        kind="mean",
        scores=(one.scores + two.scores) / 2,
        truth=one.truth,
        build=lambda temperature: MeanHead([one.build(temperature), two.build(temperature)]),
    )


def log_loss(scores: Floats, data: ClassHeadData) -> float:
    """Cross-entropy of scores (image, class) at the temperature that suits them best."""
    log_probabilities = log_softmax(scores / fit_temperature(scores, data.truth))
    return float(-log_probabilities[np.arange(len(data)), data.truth].mean())


def squared_error(scores: Floats, data: HeadData) -> float:
    """Mean squared error of scores (image, 1)."""
    return float(np.square(scores[:, 0] - data.truth).mean())
