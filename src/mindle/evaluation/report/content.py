"""What a report is made from: plain records that a run folder can give back at any time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.records import FAMILIES, Diagnosis, Estimates, Finding, Predictions


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One rung of the ladder: something that was tried, and how it did on the validation part.

    Attributes:
        name: What it was.
        value, low, high: Accuracy on the validation part with its interval; None where it did not finish.
        seconds: How long it took.
        milliseconds: What an answer of it takes; None where that was not measured.
        note: Why it was or was not taken, in a few words.
        chosen: Whether it is the one that the run kept.
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    seconds: float = 0.0
    milliseconds: float | None = None
    note: str = ""
    chosen: bool = False


@dataclass(frozen=True, kw_only=True)
class Licence:
    """Where a set of weights comes from and what it may be used for."""

    name: str
    licence: str
    source: str = ""


def _empty() -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, kw_only=True)
class ReportContent:
    """Everything that stands in a report. Whatever is empty has no section.

    Attributes:
        name: The run's name, as people know it.
        metrics: The document of metrics.json; `metrics["test"]` is a block of `mindle.evaluation.score`, or
            of `score_estimates` where the task is regression.
        predictions: By part, "test" at least: for the curves, the reliability diagram and the mistakes.
        estimates: The same where the task is regression.
        command: What to type to repeat the run.
        finished: When it finished, as text.
        history: Rows of history.csv.
        findings: What `mindle check` noticed, every file named.
        parts: Class to {"train", "val", "test", "set_aside"} to number of images.
        set_aside: Reason to number of files that take no part.
        tried: What was tried, in order.
        stopped: Why the search or the training stopped, one sentence.
        recipe: The full recipe, nested by concern.
        environment: Name to text: versions, processor, seeds.
        fingerprint: Hash of the data.
        licences: Of the weights inside.
        pictures: Path of an image (as in `predictions`) to a small JPEG of it; may lack any or all.
        diagnosis: What was noticed about the training, each with its figure.
        target: Name of what is estimated or told, for tables.
        unit: What its numbers count, such as "k$"; "" where unknown.
        columns: Of a table, each {"name", "kind", "role", "missing", "note"}: missing counts cells.
        importance: Of each feature {"name", "mean", "low", "high"}: how much worse the score gets when its
            values are shuffled.
        dependence: Of some features {"name", "kind", "at", "values"}: the mean answer where the feature is
            set to each place of `at`.
        rows: Path of a row (as in `predictions` or `estimates`) to its cells, column to text; may lack any.
        search: Where a search found the recipe: its `sampler`, `score` (log_loss or rmse), `trials` (number,
            state, that score, accuracy, seconds, note, settings), the number of the `best`, `counts` by
            state, and `importance`.
    """

    name: str
    metrics: Mapping[str, Any]
    predictions: Mapping[str, Predictions] = field(default_factory=_empty)
    estimates: Mapping[str, Estimates] = field(default_factory=_empty)
    command: str = ""
    finished: str = ""
    history: Sequence[Mapping[str, Any]] = ()
    findings: Sequence[Finding] = ()
    parts: Mapping[str, Mapping[str, int]] = field(default_factory=_empty)
    set_aside: Mapping[str, int] = field(default_factory=_empty)
    tried: Sequence[Attempt] = ()
    stopped: str = ""
    recipe: Mapping[str, Any] = field(default_factory=_empty)
    environment: Mapping[str, Any] = field(default_factory=_empty)
    fingerprint: str = ""
    licences: Sequence[Licence] = ()
    pictures: Mapping[str, bytes] = field(default_factory=_empty)
    diagnosis: Sequence[Diagnosis] = ()
    target: str = ""
    unit: str = ""
    columns: Sequence[Mapping[str, Any]] = ()
    importance: Sequence[Mapping[str, Any]] = ()
    dependence: Sequence[Mapping[str, Any]] = ()
    rows: Mapping[str, Mapping[str, Any]] = field(default_factory=_empty)
    search: Mapping[str, Any] = field(default_factory=_empty)

    def __post_init__(self) -> None:
        if self.metrics.get("task") not in FAMILIES:
            raise ValueError(
                f"A report needs metrics with `task` {' or '.join(FAMILIES)}. "
                f"Received task={self.metrics.get('task')!r}."
            )
        name = "estimates" if self.estimated else "predictions"
        if "test" not in self.metrics or "test" not in getattr(self, name):
            raise ValueError(f"A report needs the test part in `metrics` and in `{name}`. Received none.")

    @property
    def test(self) -> Mapping[str, Any]:
        """The scores on the test part."""
        block: Mapping[str, Any] = self.metrics["test"]
        return block

    @property
    def estimated(self) -> bool:
        """Whether the answers are numbers, not classes."""
        return bool(self.metrics.get("task") == "regression")

    @property
    def subject(self) -> str:
        """What was answered: "rows" of a table, or "images"."""
        return "rows" if self.columns or self.rows else "images"

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of every artifact; none where the answers are numbers."""
        return () if self.estimated else self.predictions["test"].classes

    @property
    def answers(self) -> Predictions:
        """The answers of the test part, one a row: the mean over the repeats where there were some."""
        test = self.predictions["test"]
        if test.repeats == 1:
            return test
        rows = len(test.paths) // test.repeats
        return Predictions(
            classes=test.classes,
            paths=test.paths[:rows],
            probabilities=test.probabilities.reshape(test.repeats, rows, -1).mean(axis=0),
            labels=None if test.labels is None else test.labels[:rows],
        )

    @property
    def numbers(self) -> Estimates:
        """The estimates of the test part, one a row: the mean over the repeats where there were some."""
        test = self.estimates["test"]
        if test.repeats == 1:
            return test
        rows = len(test.paths) // test.repeats

        def mean(column: NDArray[np.float64] | None) -> Any:
            return None if column is None else column.reshape(-1, rows).mean(axis=0)

        return Estimates(
            paths=test.paths[:rows],
            values=mean(test.values),
            targets=mean(test.targets),
            low=mean(test.low),
            high=mean(test.high),
        )

    def learned(self, score: str) -> tuple[float, bool] | None:
        """A score of what was learned from, and whether it is that out of fold; None where it is not known.

        Heads and models of tables fit their own images and rows by construction: of them only the answers of
        models that had not seen a row say how well they learned.
        """
        train = self.metrics.get("train", {})
        honest = train.get("out_of_fold", {})
        found = honest.get(score, train.get(score))
        return None if found is None else (found, score in honest)

    def train_images(self) -> int:
        """How many images were trained on, 0 where the parts are not known."""
        return sum(row.get("train", 0) for row in self.parts.values())


def most_confident_mistakes(predictions: Predictions, limit: int = 24) -> list[int]:
    """Rows of the wrong answers that were surest of themselves, the surest first.

    The images to look at first: a mislabelled file, an odd crop, or a class the model never understood.

    Example:
        >>> most_confident_mistakes(Predictions(
        ...     classes=("cat", "dog"), paths=("a", "b", "c"),
        ...     probabilities=np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), labels=np.array([1, 1, 1])))
        [0, 2]
    """
    if predictions.labels is None:
        raise ValueError("`predictions` must carry `labels` to tell mistakes. Received labels=None.")
    answers = predictions.predicted
    wrong = np.flatnonzero(answers != predictions.labels)
    order = np.argsort(-predictions.probabilities[wrong, answers[wrong]], kind="stable")
    rows: list[int] = wrong[order][:limit].tolist()
    return rows


def largest_errors(estimates: Estimates, limit: int = 24) -> list[int]:
    """Rows of the estimates that missed by most, the worst first.

    Example:
        >>> largest_errors(Estimates(
        ...     paths=("a", "b"), values=np.array([1.0, 5.0]), targets=np.array([2.0, 2.0])))
        [1, 0]
    """
    if estimates.targets is None:
        raise ValueError("`estimates` must carry `targets` to tell errors. Received targets=None.")
    rows: list[int] = np.argsort(-np.abs(estimates.values - estimates.targets), kind="stable")[
        :limit
    ].tolist()
    return rows
