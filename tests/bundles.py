"""The record of a bundle around a graph that a test has just written."""

from __future__ import annotations

from pathlib import Path

from mindle.artifacts.bundle import Bundle
from mindle.models.classifier import Classifier


def bundle_of(model: Classifier, folder: Path, *, temperature: float = 1.0) -> Bundle:
    """What a bundle of this model says of itself, without scores and licences."""
    return Bundle(
        folder=folder,
        classes=tuple(model.classes),
        spec=model.spec,
        temperature=temperature,
        metrics={},
        licences=(),
        details={},
    )
