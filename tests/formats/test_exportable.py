"""A form that answers differently from its model is refused, whatever the model answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mindle.errors import ArtifactError
from mindle.formats.exportable import Exportable


def exportable(**outputs: list[Any]) -> Exportable:
    """A model of two inputs, one invented, that always answers `outputs`."""
    return Exportable(
        model=None,
        example={"x": np.zeros((1, 3))},
        sample={"x": np.ones((1, 3))},
        answers=lambda inputs: {name: np.array(rows) for name, rows in outputs.items()},
        write_graph=lambda path: None,
        advice="Train again.",
    )


@pytest.mark.parametrize(
    ("output", "answer", "other"),
    [
        ("probabilities", [0.8, 0.2], [0.4, 0.6]),
        ("probabilities", [0.8, 0.2], [0.7997, 0.2003]),
        ("probabilities", [0.8, 0.2], [float("nan"), 0.2]),
        ("estimate", 5.0, 5.01),
        ("estimate", 5.0, float("nan")),
    ],
    ids=["other class", "too far", "nan", "other number", "no number"],
)
def test_different_answers_are_refused(output: str, answer: Any, other: Any) -> None:
    model = exportable(**{output: [answer, answer]})
    with pytest.raises(ArtifactError, match=r"The bundle must answer like the model .* Train again\."):
        model.compare({output: np.array([answer, other])})


def test_the_reference_is_the_invented_input_with_its_answer() -> None:
    model = exportable(estimate=[1.0, 2.0])
    assert model.inputs["x"].tolist() == [[0, 0, 0], [1, 1, 1]]
    parity = model.compare({"estimate": np.array([1.0, 2.0])})
    assert parity.as_dict() == {"images": 2, "same_top1": 2, "largest_difference": 0.0}
    kept = model.reference({"estimate": np.array([1.0, 2.0])})
    assert (kept["x"].tolist(), kept["estimate"].tolist()) == ([[0, 0, 0]], [1.0])
