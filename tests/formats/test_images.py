"""A classifier becomes a bundle that answers alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch

from mindle import formats
from mindle.artifacts.bundle import write_bundle_document
from mindle.errors import ArtifactError
from mindle.formats import images
from mindle.formats.images import exportable, head_outputs, reference_pixels, torch_outputs
from mindle.models.classifier import (
    AnswerGraph,
    Classifier,
    ClassScores,
    Normalise,
    StandardisedNumber,
    layers_model,
    to_floats,
)
from mindle.models.graph import export_onnx, session
from mindle.models.heads import LinearHead, Standardise
from mindle.models.nets.layers import build_layers
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


@pytest.mark.parametrize("count", [1, 2], ids=["one", "two"])
def test_graphs_of_frozen_bodies_become_part_of_the_bundles(count: int, tmp_path: Path) -> None:
    model = side_by_side(count)
    bodies = []
    for number, body in enumerate(zip(model.normalisers, model.bodies, strict=True)):
        bodies.append(tmp_path / f"{number}.onnx")
        example = torch.zeros((1, *COLOUR.shape), dtype=torch.uint8)
        export_onnx(Floats(*body), example, bodies[-1], output_name="features")
    pixels = np.random.default_rng(1).integers(0, 256, (20, *COLOUR.shape), np.uint8)
    parity = formats.write("onnx", exportable(model, pixels, 1.7, bodies), tmp_path / "bundle")
    assert parity.same_top1 == parity.images == 24
    graph = onnx.load(str(tmp_path / "bundle" / "model.onnx")).graph
    assert [node.name for node in graph.input] == ["pixels"]
    assert graph.input[0].type.tensor_type.shape.dim[0].dim_param  # any number of images
    assert [node.name for node in graph.output] == ["probabilities", "features"]
    whole = session(tmp_path / "bundle" / "model.onnx")({"pixels": pixels})
    apart = [session(body)({"pixels": pixels})["features"] for body in bodies]
    assert np.array_equal(whole["features"], np.concatenate(apart, axis=1))
    known = torch_outputs(model, pixels, 1.7)
    np.testing.assert_allclose(whole["features"], known["features"], atol=1e-4)
    from_features = head_outputs(model, whole["features"], 1.7)
    np.testing.assert_allclose(from_features["probabilities"], known["probabilities"], atol=1e-5)
    assert np.array_equal(from_features["features"], whole["features"])


@pytest.mark.parametrize("mirrored", [False, True])
def test_features_of_a_net_are_what_its_last_layer_is_given(mirrored: bool, tmp_path: Path) -> None:
    layers = ZOO["small-resnet"].layers(COLOUR.height, COLOUR.width)
    model = layers_model(layers, ClassScores(("a", "b", "c")), spec=COLOUR, seed=0).eval()
    if mirrored:
        model.average_mirrored()
    pixels = np.random.default_rng(1).integers(0, 256, (5, *COLOUR.shape), np.uint8)
    formats.write("onnx", exportable(model, pixels), tmp_path)
    found = session(tmp_path / "model.onnx")({"pixels": pixels})
    assert found["features"].shape == (5, model.features)
    if not mirrored:
        last = model.bodies[0][-1]  # type: ignore[index]
        logits = last(torch.from_numpy(found["features"]))
        expected = torch.softmax(logits, 1).detach().numpy()
        np.testing.assert_allclose(found["probabilities"], expected, atol=1e-5)


def test_too_many_features_stay_inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mindle.models.classifier.MOST_FEATURES", 10)
    layers = [{"kind": "flatten"}, {"kind": "dense", "units": "classes"}]
    model = layers_model(layers, ClassScores(("a", "b", "c")), spec=COLOUR, seed=0)
    formats.write("onnx", exportable(model, reference_pixels(COLOUR, 2)), tmp_path)
    assert [node.name for node in session(tmp_path / "model.onnx").outputs] == ["probabilities"]


def side_by_side(count: int) -> Classifier:
    """A model whose head takes the outputs of so many nets."""
    layers = [{"kind": "conv", "channels": 4}, {"kind": "flatten"}, {"kind": "dense", "units": 6}]
    shape = (COLOUR.channels, COLOUR.height, COLOUR.width)
    return Classifier(
        ClassScores(("a", "b", "c")),
        spec=COLOUR,
        bodies=[build_layers(layers, shape=shape, classes=3, seed=seed) for seed in range(count)],
        normalisers=[Normalise((0.1 * seed,) * 3, (0.5,) * 3) for seed in range(count)],
        head=LinearHead(
            Standardise.identity(6 * count),
            np.random.default_rng(0).normal(size=(3, 6 * count)),
            np.zeros(3),
        ),
        description={},
    )


class Floats(torch.nn.Sequential):
    """Modules behind the conversion of pixels to floats."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return super().forward(to_floats(pixels))


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
