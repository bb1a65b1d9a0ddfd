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
from mindle.messages import message
from mindle.records import Answers, Listener
from mindle.serving.opened import Opened

LEAST = 20  # images or rows: fewer say nothing, whatever the interval
MOST = 5_000  # more make no interval narrower than a point
_PILOT = 32
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

    def corrupted(self, sample: Sample, corruption: AnyCorruption, severity: int) -> Answers:
        return self.answers(sample, sample.corrupted(corruption, severity, self.seed))


def conditions(sample: Sample) -> list[tuple[AnyCorruption, int]]:
    """Every corruption at every severity, then what is irrelevant."""
    every = (*sample.corruptions, *sample.irrelevant)
    return [(corruption, severity) for corruption in every for severity in corruption.severities]


def measure(opened: Opened, sample: Sample, *, seed: int, deadline: float, listener: Listener) -> Measured:
    """Measure a model under every corruption, paired with the same images or rows as they are.

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
    count = _affordable(asked, sample, deadline)
    some = sample.some(drawn(sample, count, seed))
    clean, ours = asked.answers(some, some.stored()), scores.of(opened.target.task)
    rows, irrelevant = [], []
    for corruption, severity, answers in _every(asked, some, listener):
        named = {"name": corruption.name, "severity": severity}
        if corruption in some.irrelevant:
            irrelevant.append({"name": corruption.name, **scores.abstained(answers)})
        else:
            rows.append({**named, **ours.of(answers, clean)})
    return Measured(
        n=count, of=len(sample.names), clean=ours.alone(clean), corruptions=rows, irrelevant=irrelevant
    )


def _every(
    asked: _Measuring, sample: Sample, listener: Listener
) -> Iterator[tuple[AnyCorruption, int, Answers]]:
    planned = conditions(sample)
    for done, (corruption, severity) in enumerate(planned, start=1):
        yield corruption, severity, asked.corrupted(sample, corruption, severity)
        listener.progress("certify", done * len(sample.names), len(planned) * len(sample.names))


def drawn(sample: Sample, count: int, seed: int) -> Any:
    """Which images or rows are measured: chosen by chance, in their order."""
    chosen = np.random.default_rng(seed).permutation(len(sample.names))[:count]
    return np.sort(chosen)


def _affordable(asked: _Measuring, sample: Sample, deadline: float) -> int:
    """How many images or rows there is time for, found by measuring a few."""
    few = sample.some(drawn(sample, min(_PILOT, len(sample.names)), asked.seed))
    asked.answers(few, few.stored())  # once, so that the engine is warm
    tried = [(corruption, max(corruption.severities)) for corruption in few.corruptions]
    start = time.monotonic()
    for corruption, severity in tried:
        asked.corrupted(few, corruption, severity)
    seconds = (time.monotonic() - start) / (len(tried) * len(few.names))  # of one answer
    each = seconds * (len(conditions(sample)) + 1)
    most = min(len(sample.names), MOST)
    left = _SHARE * (deadline - time.monotonic())
    if left < each * min(LEAST, most):
        more = math.ceil((each * min(LEAST, most) - left) / _SHARE + 1)
        raise ValueError(
            message(
                "certificate.budget", least=min(LEAST, most), conditions=len(conditions(sample)), more=more
            )
        )
    return min(most, int(left / each))
