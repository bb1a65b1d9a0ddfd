"""Classifiers: pixels to logits, saved and read again, wrong ones refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mindle.errors import ArtifactError, ModelError
from mindle.models.classifier import (
    AnswerGraph,
    Classifier,
    ClassScores,
    StandardisedNumber,
    backbone_model,
    build,
    describe,
    imagenet_classifier,
    layers_model,
    load_model,
    save_model,
    to_floats,
)
from mindle.models.heads import LinearHead, Standardise
from mindle.models.pretrained.backbone import build_backbone
from mindle.models.pretrained.cards import WeightCard
from mindle.models.pretrained.weights import random_card
from mindle.records import InputSpec

SPEC = InputSpec(height=8, width=10, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7))
LAYERS: list[dict[str, Any]] = [
    {"kind": "conv", "channels": 4},
    {"kind": "flatten"},
    {"kind": "dense", "units": "classes"},
]
PHOTO = InputSpec(height=64, width=64, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))


def pixels(count: int = 3, height: int = 8, width: int = 10, channels: int = 3) -> torch.Tensor:
    shape = (count, height, width, channels)
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def card(**changes: Any) -> WeightCard:
    return replace(random_card("resnet10t"), **({"spec": PHOTO} | changes))


def linear(features: int, classes: int) -> LinearHead:
    rng = np.random.default_rng(1)
    return LinearHead(Standardise.identity(features), rng.normal(size=(classes, features)), np.zeros(classes))


def kinds() -> dict[str, Classifier]:
    three = ["a", "b", "c"]
    other = replace(PHOTO, mean=(0.0, 0.0, 0.0))
    dense: list[dict[str, Any]] = [{"kind": "flatten"}, {"kind": "dense", "units": "classes"}]
    return {
        "layers": layers_model(LAYERS, ClassScores(tuple(three)), spec=SPEC, seed=0),
        "probe": backbone_model([card()], linear(512, 3), ClassScores(tuple(three))),
        "joined": backbone_model(
            [card(), card(name="two", spec=other)], linear(1024, 3), ClassScores(tuple(three))
        ),
        "inline": backbone_model([card()], dense, ClassScores(tuple(three)), pooling="none", seed=0),
    }


def test_every_kind_survives_the_disk(tmp_path: Path) -> None:
    for name, model in kinds().items():
        model.eval()
        images = pixels(2, model.spec.height, model.spec.width)
        save_model(model, tmp_path / name)
        again = load_model(tmp_path / name)
        assert sorted(path.name for path in (tmp_path / name).iterdir()) == [
            "model.json",
            "model.safetensors",
        ]
        assert not again.training
        assert (again.spec, again.classes) == (model.spec, model.classes)
        assert describe(again) == describe(model)
        with torch.no_grad():
            assert torch.equal(again(images), model(images)), name


def test_pixels_are_scaled_and_normalised() -> None:
    model = layers_model(
        [{"kind": "flatten"}, {"kind": "dense", "units": "classes"}], ClassScores(("a", "b")), spec=SPEC
    )
    floats = to_floats(pixels())
    assert (floats.dtype, floats.shape) == (torch.float32, (3, 3, 8, 10))
    assert floats.max() <= 1
    expected = (pixels().numpy() / 255 - SPEC.mean) / SPEC.std
    np.testing.assert_allclose(model.normalisers[0](floats).permute(0, 2, 3, 1).numpy(), expected, atol=1e-6)
    torch.testing.assert_close(model(pixels()), model.logits_from_floats(floats))
    torch.testing.assert_close(
        model(pixels()), model.logits_from_features(model.features_from_floats(floats))
    )


def test_joined_backbones_normalise_each_its_own_way() -> None:
    model = kinds()["joined"].eval()
    floats = to_floats(pixels(2, 64, 64))
    with torch.no_grad():
        features = model.features_from_floats(floats)
        for place, shift in enumerate((0.5, 0.0)):
            expected = model.bodies[place]((floats - shift) / 0.5)
            torch.testing.assert_close(features[:, 512 * place : 512 * (place + 1)], expected)


def test_one_output_becomes_two_logits() -> None:
    layers = [*LAYERS[:-1], {"kind": "dense", "units": 1}]
    model = layers_model(layers, ClassScores(("cat", "dog")), spec=SPEC, seed=0).eval()
    logits = model(pixels())
    score = model.bodies[0](model.normalisers[0](to_floats(pixels())))
    assert torch.equal(logits[:, 0], torch.zeros(3))
    torch.testing.assert_close(torch.softmax(logits, 1)[:, 1], torch.sigmoid(score[:, 0]))


def test_seed_decides_the_weights() -> None:
    one, two = (layers_model(LAYERS, ClassScores(("a", "b")), spec=SPEC, seed=3) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))


def test_temperature_divides_the_logits() -> None:
    model = kinds()["layers"].eval()
    with torch.no_grad():
        probabilities, _ = AnswerGraph(model, 2.5)(pixels())
        torch.testing.assert_close(probabilities, torch.softmax(model(pixels()) / 2.5, 1))
    with pytest.raises(ValueError, match="`temperature` must be above 0"):
        AnswerGraph(model, 0.0)


def test_a_topped_backbone_survives_the_disk(tmp_path: Path) -> None:
    from mindle.models.pretrained.cards import imagenet_labels

    model = imagenet_classifier(card(head=True)).eval()
    assert model.classes == imagenet_labels(1000)
    save_model(model, tmp_path)
    with torch.no_grad():
        assert torch.equal(load_model(tmp_path)(pixels(1, 64, 64)), model(pixels(1, 64, 64)))


def test_tops_that_cannot_name_anything() -> None:
    with pytest.raises(ModelError, match="published without its ImageNet classifier"):
        imagenet_classifier(card(head=False))
    with pytest.raises(ModelError, match="The names of the 7 classes"):
        imagenet_classifier(card(head=True, arguments={"num_classes": 7}))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers_model(LAYERS, ClassScores(("a",)), spec=SPEC), "two or more different names"),
        (lambda: layers_model(LAYERS, ClassScores(("a", "a")), spec=SPEC), "two or more different names"),
        (
            lambda: layers_model(LAYERS[:-1], ClassScores(("a", "b")), spec=SPEC),
            "The last layer must be dense",
        ),
        (
            lambda: layers_model(
                [*LAYERS[:-1], {"kind": "dense", "units": 1}], ClassScores(("a", "b", "c")), spec=SPEC
            ),
            r'units "classes" \(or 3\) for 3 classes',
        ),
        (
            lambda: layers_model(
                [*LAYERS[:-1], LAYERS[-1] | {"activation": "sigmoid"}], ClassScores(("a", "b")), spec=SPEC
            ),
            "must give raw scores",
        ),
        (lambda: backbone_model([], linear(1, 2), ClassScores(("a", "b"))), "at least one backbone"),
        (
            lambda: backbone_model(
                [card(), card(spec=replace(PHOTO, height=96))], linear(1024, 2), ClassScores(("a", "b"))
            ),
            "64x64 squash bilinear and resnet10t at 96x64",
        ),
        (
            lambda: backbone_model(
                [card(), card()], linear(1024, 2), ClassScores(("a", "b")), pooling="none"
            ),
            "only be concatenated after pooling",
        ),
    ],
)
def test_wrong_classifiers_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def _change(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "model.json").unlink(), r"A model must hold model\.json"),
        (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing"),
        (lambda folder: (folder / "model.json").write_text("{"), r"model\.json must be readable JSON"),
        (lambda folder: (folder / "model.json").write_text("[]"), "must carry a schema number"),
        (
            lambda folder: _change(folder / "model.json", schema=2),
            "uses schema 2; this version of mindle reads up to 1",
        ),
        (
            lambda folder: _change(folder / "model.json", classes=["a", "b"]),
            "model.safetensors is damaged: .*size",
        ),
        (lambda folder: _change(folder / "model.json", layers=[{"kind": "x"}]), "model.json is damaged"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"1234"), "model.safetensors is damaged"),
    ],
)
def test_damaged_models_are_named(tmp_path: Path, spoil: Any, message: str) -> None:
    save_model(kinds()["layers"], tmp_path)
    spoil(tmp_path)
    with pytest.raises(ArtifactError, match=message):
        load_model(tmp_path)


def test_reading_draws_nothing_from_the_global_generator(tmp_path: Path) -> None:
    save_model(kinds()["layers"], tmp_path)
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    load_model(tmp_path)
    assert torch.equal(torch.rand(1), expected)


@pytest.mark.parametrize("kind", ["layers", "inline"])
def test_an_image_and_its_mirror_image_get_the_mean_answer(kind: str, tmp_path: Path) -> None:
    model = kinds()[kind].eval()
    images = pixels(2, model.spec.height, model.spec.width)
    with torch.no_grad():
        wanted = (model(images) + model(images.flip(2))) / 2
        model.average_mirrored()
        save_model(model, tmp_path)
        torch.testing.assert_close(model(images), wanted)
        assert torch.equal(load_model(tmp_path)(images), model(images))


def test_a_description_is_a_copy() -> None:
    model = kinds()["layers"]
    describe(model)["classes"].clear()
    assert build(describe(model)).classes == ("a", "b", "c")


def test_an_estimator_is_saved_and_answers_in_the_unit_of_its_target(tmp_path: Path) -> None:
    spec = InputSpec(height=8, width=8, colour="gray", mean=(0.5,), std=(0.2,))
    layers = [{"kind": "flatten"}, {"kind": "dense", "units": "classes"}]
    net = layers_model(layers, StandardisedNumber(centre=1900.0, scale=0.5), spec=spec, seed=0).eval()
    pixels = torch.randint(0, 256, (5, 8, 8, 1), dtype=torch.uint8)
    estimate, folds, features = AnswerGraph(net)(pixels)
    torch.testing.assert_close(features, net.normalisers[0](to_floats(pixels)).flatten(1))
    assert estimate.shape == (5,)
    assert folds.shape == (5, 1)
    torch.testing.assert_close(estimate, net(pixels)[:, 0].double() * 0.5 + 1900.0)
    save_model(net, tmp_path)
    again = load_model(tmp_path)
    assert (again.outputs, again.classes) == (StandardisedNumber(centre=1900.0, scale=0.5), ())
    torch.testing.assert_close(again(pixels), net(pixels))


def test_an_estimator_ends_in_one_score() -> None:
    spec = InputSpec(height=8, width=8, colour="gray", mean=(0.5,), std=(0.2,))
    with pytest.raises(ValueError, match="last layer must be dense"):
        layers_model([{"kind": "dense", "units": 2}], StandardisedNumber(centre=0.0, scale=1.0), spec=spec)


@pytest.mark.parametrize("outputs", [1, 6])
def test_a_fitted_head_gives_the_estimate_and_those_of_the_folds(outputs: int, tmp_path: Path) -> None:
    card = random_card("resnet18")
    width = build_backbone(card).output_shape()[0]
    weight = np.random.default_rng(0).normal(size=(outputs, width))
    head = LinearHead(Standardise.identity(width), weight, np.zeros(outputs))
    net = backbone_model([card], head, StandardisedNumber(centre=0.0, scale=1.0)).eval()
    scores = net.logits_from_features(torch.ones(2, width))
    assert scores.shape == (2, outputs)
    assert np.allclose(scores[0].detach().numpy(), weight.sum(axis=1), rtol=1e-4)
