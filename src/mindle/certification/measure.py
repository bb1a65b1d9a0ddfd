"""A model under every corruption, on as many images or rows as its time allows."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mindle.certification import scores
from mindle.certification.samples import AnyCorruption, Sample
from mindle.evaluation.family import joined
from mindle.messages import message
from mindle.records import Answers, Listener
from mindle.serving.opened import Opened

LEAST = 20  # images or rows: fewer say nothing, whatever the interval
MOST = 5_000  # more make no interval narrower than a point
_LOT = 128  # at a time: small enough to notice how fast the machine is now
_SHARE = 0.85  # of the time that is left: a machine has ups and downs


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was found.

    Attributes:
        n: On how many images or rows, each under every corruption.
        of: How many there were.
        clean: The scores of them as they are.
        corruptions: By name and severity, the scores beside the clean ones.
        irrelevant: By name, how many answers were withheld.
    """

    n: int
    of: int
    clean: dict[str, Any]
    corruptions: list[dict[str, Any]]
    irrelevant: list[dict[str, Any]]

    @property
    def abstains(self) -> bool:
        """Whether the model can withhold an answer."""
        return "abstained" in self.clean


@dataclass(frozen=True, kw_only=True)
class _Measuring:
    """A model and what it is asked; answers do not depend on what is measured beside them."""

    opened: Opened
    seed: int

    def answers(self, sample: Sample, stored: Any) -> Answers:
        return self.opened.answer_stored(stored, tuple(sample.names), truth=sample.truth)

    def every(self, sample: Sample) -> Iterator[Answers]:
        for corruption, severity in conditions(sample):
            yield self.answers(sample, sample.corrupted(corruption, severity, self.seed))


def conditions(sample: Sample) -> list[tuple[AnyCorruption, int]]:
    """Every corruption at every severity, then what is irrelevant."""
    every = (*sample.corruptions, *sample.irrelevant)
    return [(corruption, severity) for corruption in every for severity in corruption.severities]


def measure(opened: Opened, sample: Sample, *, seed: int, deadline: float, listener: Listener) -> Measured:
    """Measure a model under every corruption, paired with the same images or rows as they are.

    Lots of images or rows, drawn by chance, go through all conditions until the time is up, so that a machine
    which gets slower measures fewer of them, and is not late.

    Args:
        opened: The model.
        sample: All images or rows that it may be measured on.
        seed: Draws those of them for which there is time, and whatever is random in a corruption.
        deadline: Of `time.monotonic`, by which it should be done.
        listener: Hears progress.

    Raises:
        ValueError: If there is time for fewer than `LEAST`.
    """
    asked = _Measuring(opened=opened, seed=seed)
    lots = list(_lots(asked, sample, deadline, listener))
    clean, *others = (joined(parts) for parts in zip(*lots, strict=True))
    ours = scores.of(opened.target.task)
    corruptions: list[dict[str, Any]] = []
    irrelevant: list[dict[str, Any]] = []
    for (corruption, severity), answers in zip(conditions(sample), others, strict=True):
        if corruption in sample.irrelevant:
            irrelevant.append({"name": corruption.name, **scores.abstained(answers)})
        else:
            block = ours.of(answers, clean)
            corruptions.append({"name": corruption.name, "severity": severity, **block})
    return Measured(
        n=len(clean),
        of=len(sample.names),
        clean=ours.alone(clean),
        corruptions=corruptions,
        irrelevant=irrelevant,
    )


def _lots(asked: _Measuring, sample: Sample, deadline: float, listener: Listener) -> Iterator[list[Answers]]:
    """Answers to some of the sample, as they are and under each condition, while there is time for more."""
    most = min(len(sample.names), MOST)
    order, done = np.random.default_rng(asked.seed).permutation(len(sample.names)), 0
    size = min(LEAST, most)
    _require_time(asked, sample.some(order[:size]), deadline)
    while size > 0:
        start, some = time.monotonic(), sample.some(order[done : done + size])
        yield [asked.answers(some, some.stored()), *asked.every(some)]
        done += size
        now = time.monotonic()
        listener.progress("certify", done, most)
        fitting = int(_SHARE * (deadline - now) * size / (now - start))
        size = min(most - done, _LOT, fitting)
    listener.progress("certify", done, done)


def _require_time(asked: _Measuring, few: Sample, deadline: float) -> None:
    """Refuse a time in which not even a few can be measured, as far as the first answers show."""
    asked.answers(few, few.stored())  # once, so that the engine is warm
    start = time.monotonic()
    asked.answers(few, few.stored())
    planned = len(conditions(few)) + 1
    lacking = (time.monotonic() - start) * planned - (deadline - time.monotonic())
    if lacking > 0:
        said = message(
            "certificate.budget",
            least=len(few.names),
            conditions=planned,
            more=math.ceil(lacking / _SHARE + 1),
        )
        raise ValueError(said)
