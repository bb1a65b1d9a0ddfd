"""When a model should not answer alone: what a bundle carries for that, and the code of each answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.typed import typed
from mindle.evaluation.trust.label_sets import LabelSets, read_label_sets

SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class Abstention:
    """What a bundle says of when not to answer.

    Attributes:
        refuse: Share of samples like the training data that all reasons together refuse; 0 asks for none.
        label_sets: What label sets are made by; None where numbers are estimated.
        measured: What bundle.json tells beside it.
    """

    refuse: float = 0.0
    label_sets: LabelSets | None = None
    measured: Mapping[str, Any] = field(default_factory=dict)

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
        rows = len(next(iter(outputs.values())))
        return np.array(list(noticed) or [""] * rows, np.str_)

    def document(self) -> dict[str, Any]:
        """As it stands in bundle.json."""
        return {
            "schema": SCHEMA,
            "refuse": self.refuse,
            **self.measured,
            "label_sets": None if self.label_sets is None else self.label_sets.document(),
        }

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What abstention.npz holds; nothing where there is no score of unknown inputs."""
        return {}


def read_abstention(document: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Abstention:
    """What `Abstention.document` and `Abstention.arrays` gave.

    Raises:
        ValueError: If they do not describe an abstention, or one of a newer schema.
    """
    if document.get("schema") != SCHEMA:
        raise ValueError(f"`abstention.schema` must be {SCHEMA}. Received {document.get('schema')!r}.")
    known = {"schema", "refuse", "label_sets"}
    sets = typed(dict[str, Any] | None, document.get("label_sets"), "abstention.label_sets")
    return Abstention(
        refuse=typed(float, document.get("refuse"), "abstention.refuse"),
        label_sets=None if sets is None else read_label_sets(sets),
        measured={name: value for name, value in document.items() if name not in known},
    )
