"""When a model should not answer alone: what a bundle carries for that, and the code of each answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.typed import typed
from mindle.evaluation.trust.costs import Costs, read_costs
from mindle.evaluation.trust.label_sets import LabelSets, read_label_sets
from mindle.evaluation.trust.limits import Limits, read_limits
from mindle.messages import Message, message

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Abstention:
    """What a bundle says of when not to answer.

    Attributes:
        refuse: Share of samples like the training data that all reasons together refuse; 0 asks for none.
        limits: From where on an input is refused; None where that was not asked for.
        label_sets: What label sets are made by; None where numbers are estimated.
        costs: What decisions cost; None where nobody said so.
    """

    refuse: float = 0.0
    limits: Limits | None = None
    label_sets: LabelSets | None = None
    costs: Costs | None = None

    def codes(
        self,
        outputs: Mapping[str, NDArray[Any]],
        noticed: Sequence[str] = (),
        quality: NDArray[np.floating[Any]] | None = None,
    ) -> NDArray[np.str_]:
        """Why each row should not be answered alone, one of `mindle.records.ABSTAIN`, or "".

        Args:
            outputs: Of the graph, (row, …) by name.
            noticed: (row,) what was noticed while a row was read, or ""; nothing of any row where empty.
            quality: float32 (row, statistic), see `mindle.data.images.quality`; None of rows of a table.
        """
        return (self.limits or Limits()).codes(outputs, noticed, quality)

    def document(self) -> dict[str, Any]:
        """As it stands in bundle.json."""
        return {
            "schema": SCHEMA,
            "refuse": self.refuse,
            **(self.limits.document() if self.limits else {}),
            "label_sets": None if self.label_sets is None else self.label_sets.document(),
            "costs": None if self.costs is None else self.costs.document(),
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What abstention.npz holds; nothing where there is no score of unknown inputs."""
        return self.limits.arrays() if self.limits else {}


def reasons_said(counts: Mapping[str, int]) -> list[Message]:
    """How often each code was given, in words, the most frequent first."""
    ordered = sorted(counts.items(), key=lambda each: (-each[1], each[0]))
    return [
        message("predict.code", n=n, reason=message(f"report.abstaining.code_{code}")) for code, n in ordered
    ]


def read_abstention(document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Abstention:
    """What `Abstention.document` and `Abstention.arrays` gave.

    Raises:
        ValueError: If they do not describe an abstention, or one of a newer schema.
    """
    if document.get("schema") != SCHEMA:
        raise ValueError(f"`abstention.schema` must be {SCHEMA}. Received {document.get('schema')!r}.")
    sets = typed(dict[str, Any] | None, document.get("label_sets"), "abstention.label_sets")
    return Abstention(
        refuse=typed(float, document.get("refuse"), "abstention.refuse"),
        limits=_limits_of(document, arrays),
        label_sets=None if sets is None else read_label_sets(sets),
        costs=_costs_of(document),
    )


def _limits_of(document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Limits | None:
    if "reasons" not in document:
        return None
    own = ("schema", "refuse", "label_sets", "costs")
    return read_limits({name: value for name, value in document.items() if name not in own}, arrays)


def _costs_of(document: Mapping[str, Any]) -> Costs | None:
    costs = typed(dict[str, Any] | None, document.get("costs"), "abstention.costs")
    try:
        return None if costs is None else read_costs(costs)
    except (KeyError, TypeError) as error:
        raise ValueError(f"`abstention.costs` must be whole. Received {error}.") from error
