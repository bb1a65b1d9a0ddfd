"""A classifier becomes a bundle that answers alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mindle.artifacts.bundle import read_bundle, write_bundle_document
from mindle.formats.onnx import bundle_record, reference_pixels, torch_probabilities, write_graph
from mindle.models.classifier import layers_classifier
from mindle.models.zoo import ZOO
from mindle.records import InputSpec
from mindle.serving.predictor import Predictor

GRAY = InputSpec(height=28, width=28, colour="gray", mean=(0.3,), std=(0.4,))
COLOUR = InputSpec(height=32, width=24, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))


@pytest.mark.parametrize("spec", [GRAY, COLOUR], ids=["gray", "colour"])
@pytest.mark.parametrize("classes", [("개", "cat"), ("a", "b", "c")], ids=["two", "three"])
def test_a_bundle_gives_the_models_probabilities(
    spec: InputSpec, classes: tuple[str, ...], tmp_path: Path
) -> None:
    model = layers_classifier(
        ZOO["small-resnet"].layers(spec.height, spec.width), spec=spec, classes=classes, seed=0
    )
    pixels = np.random.default_rng(1).integers(0, 256, (20, *spec.shape), np.uint8)
    parity = write_graph(model, tmp_path, temperature=1.7, pixels=pixels)
    assert parity.same_top1 == parity.images == 24
    record = bundle_record(model, tmp_path, temperature=1.7, metrics={}, licences=(), details={"task": "x"})
    write_bundle_document(record)
    predictor = Predictor(read_bundle(tmp_path))
    assert predictor.classes == classes
    assert predictor.spec == spec
    np.testing.assert_allclose(predictor.forward(pixels), torch_probabilities(model, 1.7, pixels), atol=1e-5)


def test_reference_pictures_are_always_the_same() -> None:
    np.testing.assert_array_equal(reference_pixels(COLOUR), reference_pixels(COLOUR))
    assert reference_pixels(GRAY).shape == (4, 28, 28, 1)
