"""What diagnoses of images and of tables share: figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LARGE_INPUT = 10.0
FEWEST_ANSWERS = 20


def figure(title: str, x: str, y: str, series: Mapping[str, Sequence[tuple[float, float]]]) -> dict[str, Any]:
    """A figure as data, as JSON would hold it: the evidence of a diagnosis."""
    points = {name: [[x, round(float(y), 6)] for x, y in line] for name, line in series.items()}
    return {"title": title, "x": x, "y": y, "series": points}
