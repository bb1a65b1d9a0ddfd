"""A whole model of a table: an encoder, one model or several weighed together, and what the answer means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mindle.models.tables.encoder import VIEWS, TableEncoder
from mindle.models.tables.nodes import Nodes

Floats = NDArray[np.float64]


class Scorer(Protocol):
    """Anything that gives scores: logits of classes, or an estimate of the standardised target."""

    def scores(self, x: Floats) -> Floats:
        """(row, column) of a view to (row, output)."""

    def write(self, nodes: Nodes, view: str) -> str:
        """Add the nodes that do the same to a graph, and give the name of the result."""


@dataclass(frozen=True, kw_only=True)
class Member:
    """One model of a stack.

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
class TableModel:
    """From numbers and words to probabilities or an estimate, with NumPy alone.

    Attributes:
        task: "binary", "multiclass" or "regression".
        classes: Class names in the order of the probabilities; empty for regression.
        number_names, category_names: The columns it takes, in order.
        encoder: Makes the views.
        members: What is weighed together; their weights sum to 1.
        centre, scale: Mean and standard deviation of the training targets.
        temperature: Of the mixed probabilities.
        folds: For regression, the models of cross-validation, each of which has not seen one fold.
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

    def probabilities(self, numbers: Floats, categories: NDArray[Any]) -> Floats:
        """(row, class), rows summing to 1.

        Args:
            numbers: float64 (row, n) in the order of `number_names`, NaN where missing.
            categories: object (row, m) in the order of `category_names`, None where missing.
        """
        self._require(numbers, categories)
        views = self._views(numbers, categories)
        mixed = mix(
            [softmax(m.model.scores(views[m.view]) / m.temperature) for m in self.members], self.weights
        )
        return cooled(mixed, self.temperature)

    def estimates(self, numbers: Floats, categories: NDArray[Any]) -> Floats:
        """(row,) the estimated target; arguments as for `probabilities`."""
        self._require(numbers, categories)
        views = self._views(numbers, categories)
        mixed = mix([m.model.scores(views[m.view]) for m in self.members], self.weights)
        return mixed[:, 0] * self.scale + self.centre

    def fold_estimates(self, numbers: Floats, categories: NDArray[Any]) -> Floats:
        """(row, fold) what each model of the cross-validation estimates."""
        found = [fold.estimates(numbers, categories) for fold in self.folds]
        return np.stack(found, axis=1) if found else np.zeros((len(numbers), 0))

    @property
    def weights(self) -> Floats:
        """(member,)."""
        return np.array([member.weight for member in self.members])

    def _views(self, numbers: Floats, categories: NDArray[Any]) -> dict[str, Floats]:
        return {view: self.encoder.view(view, numbers, categories) for view in self.views}

    @property
    def views(self) -> set[str]:
        """The views that its members look at."""
        return {member.view for member in self.members}

    def _require(self, numbers: Floats, categories: NDArray[Any]) -> None:
        for name, array, names in (
            ("numbers", numbers, self.number_names),
            ("categories", categories, self.category_names),
        ):
            if array.ndim != 2 or array.shape[1] != len(names):
                raise ValueError(
                    f"`{name}` must be (row, {len(names)}): {', '.join(names) or 'none'}. "
                    f"Received {array.shape}."
                )

    # ---- the same as a graph ----------------------------------------------------------------------------

    def write(self, nodes: Nodes, numbers: str, categories: str) -> str:
        """Add the nodes that give the probabilities (row, class), or the estimates (row, 1)."""
        views = self.encoder.write(nodes, numbers, categories, self.views)
        terms = []
        for member in self.members:
            scores = member.model.write(nodes, views[member.view])
            if self.classes:
                cool = nodes.add("Div", scores, nodes.number(member.temperature))
                scores = nodes.add("Softmax", cool, axis=1)
            terms.append(nodes.add("Mul", scores, nodes.number(member.weight)))
        mixed = nodes.total(terms)
        if not self.classes:
            spread = nodes.add("Mul", mixed, nodes.number(self.scale))
            return nodes.add("Add", spread, nodes.number(self.centre))
        logs = nodes.add("Log", nodes.add("Max", mixed, nodes.number(LEAST)))
        return nodes.add("Softmax", nodes.add("Div", logs, nodes.number(self.temperature)), axis=1)


LEAST = 1e-12


def softmax(scores: Floats) -> Floats:
    """Probabilities of logits (row, class)."""
    odds = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def mix(answers: list[Floats], weights: Floats) -> Floats:
    """The weighted sum of what several models answer."""
    return np.asarray(sum(weight * answer for weight, answer in zip(weights, answers, strict=True)))


def cooled(probabilities: Floats, temperature: float) -> Floats:
    """Probabilities whose logarithms are divided by a temperature."""
    return softmax(np.log(np.maximum(probabilities, LEAST)) / temperature)
