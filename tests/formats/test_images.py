"""A classifier becomes a bundle that answers alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindle import formats
from mindle.artifacts.bundle import write_bundle_document
from mindle.errors import ArtifactError
from mindle.formats import images
from mindle.formats.images import exportable, reference_pixels, torch_outputs
from mindle.models.classifier import AnswerGraph, Classifier, ClassScores, StandardisedNumber, layers_model
from mindle.models.nets.zoo import ZOO
from mindle.records import InputSpec
from mindle.serving.opened import open_model
from tests.bundles import bundle_of

GRAY = InputSpec(height=28, width=28, colour="gray", mean=(0.3,), std=(0.4,))
COLOUR = InputSpec(height=32, width=24, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.4))


@pytest.mark.parametrize("spec", [GRAY, COLOUR], ids=["gray", "colour"])
@pytest.mark.parametrize("classes", [("개", "cat"), ("a", "b", "c")], ids=["two", "three"])
def test_a_bundle_gives_the_models_probabilities(
    spec: InputSpec, classes: tuple[str, ...], tmp_path: Path
) -> None:
    model = layers_model(
        ZOO["small-resnet"].layers(spec.height, spec.width), ClassScores(tuple(classes)), spec=spec, seed=0
    )
    pixels = np.random.default_rng(1).integers(0, 256, (20, *spec.shape), np.uint8)
    parity = formats.write("onnx", exportable(model, pixels, 1.7), tmp_path)
    assert parity.same_top1 == parity.images == 24
    write_bundle_document(bundle_of(model, tmp_path, temperature=1.7))
    opened = open_model(tmp_path)
    assert opened.classes == classes
    assert opened.source.spec == spec
    direct = torch_outputs(model, pixels, 1.7)
    np.testing.assert_allclose(
        opened.graph({"pixels": pixels})["probabilities"], direct["probabilities"], atol=1e-5
    )


def test_reference_pictures_are_always_the_same() -> None:
    np.testing.assert_array_equal(reference_pixels(COLOUR), reference_pixels(COLOUR))
    assert reference_pixels(GRAY).shape == (4, 28, 28, 1)


def estimator(centre: float = 1900.0) -> Classifier:
    spec = InputSpec(height=10, width=12, colour="gray", mean=(0.4,), std=(0.3,))
    layers = [{"kind": "conv", "channels": 4}, {"kind": "flatten"}, {"kind": "dense", "units": "classes"}]
    return layers_model(layers, StandardisedNumber(centre=centre, scale=0.01), spec=spec, seed=1)


def test_a_bundle_gives_the_models_numbers(tmp_path: Path) -> None:
    model = estimator()
    pixels = np.random.default_rng(0).integers(0, 256, (7, 10, 12, 1), np.uint8)
    parity = formats.write("onnx", exportable(model, pixels), tmp_path)
    assert parity.images == 4 + 7
    write_bundle_document(bundle_of(model, tmp_path))
    opened = open_model(tmp_path)
    assert opened.columns == ["path", "predicted", "reason"]
    direct = torch_outputs(model, pixels)
    assert direct["fold_estimates"].shape == (7, 1)
    # A target far from zero keeps its decimals: the graph ends in float64.
    assert np.abs(opened.graph({"pixels": pixels})["estimate"] - direct["estimate"]).max() < 1e-6
    assert np.ptp(direct["estimate"]) > 1e-3


def test_a_graph_with_other_numbers_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = estimator(centre=0.0)
    export_onnx = images.export_onnx

    def another(module: Any, *rest: Any, **more: Any) -> None:
        other = estimator(centre=1.0)
        export_onnx(AnswerGraph(other).eval(), *rest, **more)

    monkeypatch.setattr(images, "export_onnx", another)
    with pytest.raises(ArtifactError, match="must answer like the model"):
        formats.write("onnx", exportable(model, np.zeros((2, 10, 12, 1), np.uint8)), tmp_path)
