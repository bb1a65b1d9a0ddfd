"""A whole model of a table: an encoder, one model or several blended, and what their scores mean.

A family of tasks has its own kind of `TableModel`: how scores become answers, and what its graph gives out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mindle.models.tables.encoder import VIEWS, TableEncoder

Floats = NDArray[np.float64]
LEAST = 1e-12  # the least probability that has a logarithm


class Scorer(Protocol):
    """Anything that gives scores: logits of classes, or an estimate of the standardised target.

    It asks nothing of `x` but NumPy's functions, so that `x` may be a tensor of a graph; see `tracing`.
    """

    @property
    def parameters(self) -> int | None:
        """How many numbers were learned; None where there are as many as the data call for."""

    def scores(self, x: Floats) -> Floats:
        """(row, column) of a view to (row, output)."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One model of a blend.

    Attributes:
        name: What people call it.
        view: Which view of the encoder it looks at.
        model: Its record.
        weight: Its share of the answer.
        temperature: What its logits are divided by.
    """

    name: str
    view: str
    model: Scorer
    weight: float = 1.0
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if self.view not in VIEWS:
            raise ValueError(f"`view` must be one of {', '.join(VIEWS)}. Received view={self.view!r}.")


@dataclass(frozen=True, kw_only=True)
class TableModel(ABC):
    """From numbers and categories to an answer, with NumPy alone.

    Attributes:
        task: What is predicted, as in `mindle.records`.
        classes: Class names in the order of the probabilities; empty where the answer is a number.
        number_names, category_names: The columns it takes, in order.
        encoder: Makes the views.
        members: What is blended; their weights sum to 1.
        centre, scale: Mean and standard deviation of the training targets; 0 and 1 for classes.
        temperature: Of the blended probabilities; 1 for numbers.
        folds: For intervals, the models of cross-validation, each of which has not seen one fold.
    """

    task: str
    classes: tuple[str, ...]
    number_names: tuple[str, ...]
    category_names: tuple[str, ...]
    encoder: TableEncoder
    members: tuple[Member, ...]
    centre: float = 0.0
    scale: float = 1.0
    temperature: float = 1.0
    folds: tuple[TableModel, ...] = ()

    @staticmethod
    def link(scores: Floats, temperature: float) -> Floats:
        """(…, output) what scores at a temperature mean: numbers are what they are."""
        return scores

    @staticmethod
    def blended(answers: Floats, temperature: float) -> Floats:
        """(…, output) the weighted sum of several answers, at a temperature."""
        return answers

    @abstractmethod
    def outputs(self, numbers: Floats, categories: NDArray[Any]) -> dict[str, Floats]:
        """Everything the model answers, by the name that it has as an output of the graph.

        Args:
            numbers: float64 (row, n) in the order of `number_names`, NaN where missing.
            categories: object (row, m) in the order of `category_names`, None where missing.
        """

    def answers(self, numbers: Floats, categories: NDArray[Any]) -> Floats:
        """(row, output) probabilities or estimates; arguments as for `outputs`."""
        self._require(numbers, self.number_names, "numbers")
        self._require(categories, self.category_names, "categories")
        views = {view: self.encoder.view(view, numbers, categories) for view in self.views}
        mixed = reduce(
            add,
            (
                self.link(member.model.scores(views[member.view]), member.temperature) * member.weight
                for member in self.members
            ),
        )
        return self.blended(mixed, self.temperature) * self.scale + self.centre

    def features(self, numbers: Floats, categories: NDArray[Any]) -> Floats:
        """(row, column) what distances between rows are measured by: the linear view."""
        return self.encoder.view("linear", numbers, categories)

    @property
    def views(self) -> list[str]:
        """The views that its members look at."""
        return sorted({member.view for member in self.members})

    def _require(self, cells: NDArray[Any], names: tuple[str, ...], name: str) -> None:
        if len(cells.shape) != 2 or cells.shape[1] != len(names):
            raise ValueError(
                f"`{name}` must be (row, {len(names)}): {', '.join(names) or 'none'}. Received {cells.shape}."
            )


class ClassificationModel(TableModel):
    """Classes: probabilities, whose rows sum to 1."""

    @staticmethod
    def link(scores: Floats, temperature: float) -> Floats:
        """Probabilities of logits."""
        return softmax(scores / temperature)

    @staticmethod
    def blended(answers: Floats, temperature: float) -> Floats:
        """Probabilities whose logarithms were divided by the temperature."""
        return softmax(np.log(np.maximum(answers, LEAST)) / temperature)

    def outputs(self, numbers: Floats, categories: NDArray[Any]) -> dict[str, Floats]:
        """`probabilities` (row, class), and `features`."""
        found = {"probabilities": self.answers(numbers, categories)}
        return found | {"features": self.features(numbers, categories)}


class RegressionModel(TableModel):
    """A number: an estimate, and those of the models of cross-validation."""

    def outputs(self, numbers: Floats, categories: NDArray[Any]) -> dict[str, Floats]:
        """`estimate` (row,), `features` and, where there are folds, `fold_estimates` (row, fold)."""
        found = {"estimate": np.squeeze(self.answers(numbers, categories), axis=1)}
        if self.folds:
            each = [fold.answers(numbers, categories) for fold in self.folds]
            found["fold_estimates"] = np.concatenate(each, axis=1)
        return found | {"features": self.features(numbers, categories)}


def softmax(scores: Floats) -> Floats:
    """Probabilities of logits (…, class).

    Example:
        >>> softmax(np.array([[1e4, 0.0]])).tolist()
        [[1.0, 0.0]]
    """
    odds = np.exp(scores - np.max(scores, axis=-1, keepdims=True))
    probabilities: Floats = odds / np.sum(odds, axis=-1, keepdims=True)
    return probabilities
