"""What evaluation asks of a family of tasks, whose answers are of one type, and what all families share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from mindle.evaluation.conformal import Calibration
from mindle.evaluation.intervals import Floats
from mindle.evaluation.paired import Difference, Measure, require_same_truth, row_order
from mindle.evaluation.trust.abstention import Abstention
from mindle.evaluation.trust.fitting import Fitted
from mindle.evaluation.trust.scores import abstention_scores
from mindle.messages import Message, message
from mindle.records import Answers

A = TypeVar("A", bound=Answers)
Outputs = Mapping[str, NDArray[np.floating[Any]]]
Paths = tuple[str, ...]
Truth = NDArray[Any] | None


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What a model says of the outputs of its graph.

    Attributes:
        classes: Class names in the order of the output.
        thresholds: One a class, where they name the class.
        calibration: What prediction intervals are made from, where there are some.
        abstention: When not to answer, where it says so.
        noticed: (row,) what was noticed while each row was read, a code of `mindle.records.ABSTAIN` or ""; of
            no row where empty.
        quality: float32 (row, statistic) of pictures, see `mindle.data.images.quality`.
    """

    classes: tuple[str, ...] = ()
    thresholds: Floats | None = None
    calibration: Calibration | None = None
    abstention: Abstention | None = None
    noticed: Sequence[str] = ()
    quality: NDArray[np.floating[Any]] | None = None


def joined(parts: Sequence[A]) -> A:
    """Answers to some rows, and to others, as one."""
    first = parts[0]
    names = [name for name, column in vars(first).items() if isinstance(column, np.ndarray)]
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(part, name) for part in parts]) for name in names
    }
    return replace(first, paths=tuple(path for part in parts for path in part.paths), **columns)


class Evaluation(ABC, Generic[A]):
    """How the answers of a family of tasks are scored, compared and listed.

    Attributes:
        main: Name of the score that decides, as in metrics.json.
        number: How its values are shown, a format string.
        baseline: Name of the constant answer among the baselines of metrics.json.
        compared: The scores of `measure` in which two models are compared, the main one first.
        truth: The field of the answers that holds what is right.
        columns: The fields of which the mean over the repeats is an answer too.
    """

    main: ClassVar[str]
    number: ClassVar[str]
    baseline: ClassVar[str]
    compared: ClassVar[tuple[str, ...]]
    truth: ClassVar[str]
    columns: ClassVar[tuple[str, ...]]

    @abstractmethod
    def answers(self, outputs: Outputs, reading: Reading, paths: Paths, truth: Truth = None) -> A:
        """What the outputs of a graph answer.

        Args:
            outputs: By name, (row, …) each.
            reading: What a model says of its outputs.
            paths: One name a row.
            truth: (row,) label or target, where it is known.
        """

    def trusted(self, answers: A, outputs: Outputs, reading: Reading) -> A:
        """The same with what the model says of how far each answer is to be trusted.

        Args:
            answers: What `answers` made.
            outputs: What they were made of.
            reading: As for `answers`.
        """
        abstention = reading.abstention
        if abstention is None or not abstention.refuse:
            return answers
        return replace(answers, abstain=abstention.codes(outputs, reading.noticed, reading.quality))

    def trusted_out_of_fold(self, answers: A, fitted: Fitted, at: NDArray[np.int64]) -> A:
        """As `trusted`, of answers out of fold, which the limits come from.

        Args:
            answers: Of some rows.
            fitted: What was found on answers out of fold.
            at: Where each of the rows is among these; -1 where it is not, as nothing is learned from it.
        """
        if fitted.abstain is None:
            return answers
        return replace(answers, abstain=np.where(at < 0, "", fitted.abstain[at]))

    def trusted_across(self, answers: A, abstention: Abstention) -> A:
        """As `trusted`, of answers of a cross-validation, each by what the other folds show."""
        return answers

    @abstractmethod
    def losses(self, answers: A) -> Floats:
        """How wrong each answer is, (row,), by what the main score is the mean of."""

    @abstractmethod
    def certainty(self, answers: A) -> Floats:
        """How sure each answer is, (row,): the surest has the largest."""

    def trust_scores(
        self, answers: A, abstention: Abstention, *, temperature: float | None = None, seed: int = 0
    ) -> dict[str, Any]:
        """What stands in a block of scores beside those of `score`, of how far answers can be trusted.

        Args:
            answers: With their truth.
            abstention: What says when not to answer.
            temperature: What logits were divided by, where that is known.
            seed: Of the bootstrap.
        """
        if answers.abstain is None:
            return {}
        columns = answers.abstain, self.losses(answers), self.certainty(answers)
        return {"abstain": abstention_scores(*columns, name=self.main, repeats=answers.repeats)}

    @abstractmethod
    def outputs_of(self, values: Floats) -> dict[str, Floats]:
        """What a model answered out of fold, (row, …), under the names of a graph's outputs."""

    @abstractmethod
    def evidence(self, outputs: Outputs) -> Floats:
        """What an explanation explains: (row, target), numbers without a limit on either side."""

    @abstractmethod
    def explained(self, answers: A) -> NDArray[np.int64]:
        """(row,) which target of `evidence` each answer names."""

    @abstractmethod
    def score(self, answers: A, *, seed: int = 0) -> dict[str, Any]:
        """The block that stands as "test" and "val" in metrics.json."""

    @abstractmethod
    def worst(self, answers: A, limit: int | None = None) -> list[int]:
        """Rows of the worst answers, the worst first."""

    @abstractmethod
    def cells(self, answers: A, rows: list[int]) -> dict[str, list[Any]]:
        """The columns of a table of some rows, their names aside."""

    @abstractmethod
    def measure(self, first: A, second: A) -> Measure:
        """Scores of draws of rows; the second one's rows are numbered after the first one's."""

    def exact(self, first: A, second: A) -> tuple[Difference, ...]:
        """Differences that have an exact test, the first ones of what `measure` returns."""
        return ()

    def point(self, answers: A) -> float:
        """The main score without an interval."""
        return float(self.measure(answers, answers)(np.arange(len(answers))[None])[self.main][0])

    def headline(self, scores: Mapping[str, Any]) -> Message:
        """The main score of a block with its interval, in a sentence; a single number may have none."""
        ends = {name: self.number.format(end) for name, end in scores[self.main].items() if end is not None}
        alone = "" if len(ends) == len(scores[self.main]) else "-alone"
        return message(f"evaluation.{self.main}{alone}", **ends, n=scores["n"])

    def constant_baseline(self, value: float) -> Message:
        """What the best constant answer reaches."""
        return message(f"evaluation.{self.baseline}", value=self.number.format(value))

    def pooled(self, answers: A) -> A:
        """One answer a row: the mean over the repeats where there were some."""
        if answers.repeats == 1:
            return answers
        rows = len(answers) // answers.repeats
        changes: dict[str, Any] = {"decisions": None}
        for name in self.columns:
            column = getattr(answers, name)
            if column is not None:
                changes[name] = column.reshape(answers.repeats, rows, *column.shape[1:]).mean(axis=0)
        if answers.truth is not None:
            changes[self.truth] = answers.truth[:rows]
        if answers.abstain is not None:  # of an image or row, whichever model answers
            changes["abstain"] = answers.abstain[:rows]
        return replace(answers, paths=answers.paths[:rows], repeats=1, folds=None, **changes)

    def refused(self, answers: A, limit: int | None = None) -> list[int]:
        """Rows that should not be answered alone, the least sure first."""
        if answers.abstain is None:
            return []
        rows = np.flatnonzero(answers.abstain != "")
        order = np.argsort(self.certainty(answers)[rows], kind="stable")
        found: list[int] = rows[order][:limit].tolist()
        return found

    def errors(self, answers: A) -> dict[str, list[Any]]:
        """The columns of a table of the worst answers, the worst first."""
        rows = self.worst(answers)
        return {"path": [answers.paths[row] for row in rows], **self.cells(answers, rows)}

    def matched(self, first: A, second: A) -> A:
        """The second model's answers in the order of the first one's rows.

        Raises:
            ValueError: If they answer other rows, or hold another truth; what differs is named.
        """
        order = row_order(first, second)
        columns = {name: value for name, value in vars(second).items() if isinstance(value, np.ndarray)}
        changes: dict[str, Any] = {name: value[order] for name, value in columns.items()}
        second = replace(second, paths=first.paths, **changes)
        require_same_truth(first.paths, self.spelled(first), self.spelled(second))
        return second

    def spelled(self, answers: A) -> NDArray[Any]:
        """The truth of each row as people read it."""
        return self.known_truth(answers)

    def known_truth(self, answers: A) -> NDArray[Any]:
        """The truth of each row.

        Raises:
            ValueError: If it is not known.
        """
        if answers.truth is None:
            raise ValueError(f"Answers must carry `{self.truth}` to find errors. Received {self.truth}=None.")
        return answers.truth
