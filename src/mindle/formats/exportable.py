"""A model as every format sees it: what it takes, what it answers, and how alike another form must answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.errors import ArtifactError
from mindle.formats.parity import TOLERANCE, Parity, compare_outputs, features_differ

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, kw_only=True)
class Exportable:
    """A model that can be written in a format.

    Attributes:
        model: The model itself.
        example: Invented inputs by name; they stay with the model, with the answers they must get.
        sample: Some of the user's own inputs, none of the test split, to compare on as well.
        answers: What the model answers to inputs, by the names of its outputs.
        write_graph: Write the model's ONNX graph to a path.
        advice: What to do where another form answers differently.
        tolerance: How far apart answers may lie.
        scale: Standard deviation of the target, which differences near zero are relative to.
        name: What is written, as errors call it.
    """

    model: Any
    example: Arrays
    sample: Arrays
    answers: Callable[[Arrays], Arrays]
    write_graph: Callable[[Path], None]
    advice: str = "The run keeps its model.safetensors; predict from it with --engine torch."
    tolerance: float = TOLERANCE
    scale: float = 1.0
    name: str = "The bundle"

    @property
    def inputs(self) -> dict[str, NDArray[Any]]:
        """All inputs that are compared, the example first."""
        return {name: np.concatenate([rows, self.sample[name]]) for name, rows in self.example.items()}

    def reference(self, answers: Arrays) -> dict[str, NDArray[Any]]:
        """The example, and those of the answers to `inputs` that belong to it."""
        count = len(next(iter(self.example.values())))
        return {**self.example, **{name: rows[:count] for name, rows in answers.items()}}

    def compare(self, answers: Arrays) -> Parity:
        """Compare another form's answers to `inputs` with the model's.

        Raises:
            ArtifactError: If they differ.
        """
        own = self.answers(self.inputs)
        parity = compare_outputs(own, answers, scale=self.scale, tolerance=self.tolerance)
        if features_differ(own, answers):
            raise ArtifactError(
                f"{self.name} must give the features of the model it was made from. Received others. "
                f"{self.advice}"
            )
        if not parity.within(self.tolerance):
            raise ArtifactError(
                f"{self.name} must answer like the model it was made from within {self.tolerance:g}. "
                f"Received a largest difference of {parity.largest_difference:.2g}, {parity.same_top1} of "
                f"{parity.images} first answers the same. {self.advice}"
            )
        return parity
