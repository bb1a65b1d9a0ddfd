"""One graph of several: equal to its members mixed, shared weights kept once, other pixels refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest

from mindle import formats
from mindle.artifacts.bundle import Bundle
from mindle.errors import ArtifactError
from mindle.formats import ensemble, images
from mindle.formats.ensemble import common_spec
from mindle.formats.images import reference_pixels
from mindle.models.classifier import ClassScores, layers_model
from mindle.models.graph import session
from mindle.records import Column, InputSpec, TableSpec
from mindle.training.images.ensemble import Mix
from tests.bundles import bundle_of

SPEC = InputSpec(height=8, width=8, colour="gray", mean=(0.0,), std=(1.0,))
CLASSES = ["a", "b", "c"]
WIDE = [
    {"kind": "flatten"},
    {"kind": "dense", "units": 600, "activation": "relu"},
    {"kind": "dense", "units": "classes"},
]


def member(folder: Path, seed: int, **changes: object) -> Bundle:
    """A bundle of a small net with random weights."""
    spec = replace(SPEC, **changes)  # type: ignore[arg-type]
    model = layers_model(WIDE, ClassScores(tuple(CLASSES)), spec=spec, seed=seed).eval()
    formats.write("onnx", images.exportable(model, reference_pixels(spec, 2), 1.0 + 0.5 * seed), folder)
    return bundle_of(model, folder)


def said(bundle: Bundle, pixels: np.ndarray) -> np.ndarray:
    return np.asarray(session(bundle.model)({"pixels": pixels})["probabilities"], np.float64)


PIXELS = np.random.default_rng(1).integers(0, 256, (33, 8, 8, 1), np.uint8)
MIXES = {
    "vote": Mix(method="vote", weights=np.full(2, 0.5)),
    "weighted": Mix(method="weighted", weights=np.array([0.9, 0.1])),
    "stack": Mix(
        method="stack",
        coefficients=np.random.default_rng(0).normal(size=(6, 3)),
        intercepts=np.array([0.1, -0.4, 0.3]),
    ),
}


@pytest.mark.parametrize("method", MIXES)
def test_the_graph_answers_like_its_members_mixed(tmp_path: Path, method: str) -> None:
    # The members normalise the same pixels in different ways.
    bundles = [member(tmp_path / "0", 0), member(tmp_path / "1", 1, mean=(0.5,), std=(0.25,))]
    mix, folder = MIXES[method], tmp_path / "joined"
    parity = formats.write(
        "onnx", ensemble.exportable(bundles, mix, common_spec(bundles, ["one", "two"])), folder
    )
    joined = session(folder / "model.onnx")
    apart = np.stack([said(bundle, PIXELS) for bundle in bundles])
    together = joined({"pixels": PIXELS})["probabilities"]
    assert np.abs(mix(apart) - together).max() < 1e-5
    assert parity.largest_difference < 1e-5
    assert joined({"pixels": PIXELS[:1]})["probabilities"].shape == (1, 3)
    # Its features are those of the member with the largest weight.
    known = session(bundles[0].model)({"pixels": PIXELS})["features"]
    np.testing.assert_allclose(joined({"pixels": PIXELS})["features"], known, atol=1e-5)
    assert not list(folder.glob("*.partial"))


def test_without_features_of_a_member_there_are_none(tmp_path: Path) -> None:
    bundles = [member(tmp_path / str(seed), seed) for seed in (0, 1)]
    for number, bundle in enumerate(bundles):
        graph = onnx.load(str(bundle.model))
        kept = [node for node in graph.graph.output if node.name == "probabilities"]
        del graph.graph.output[:]
        graph.graph.output.extend(kept)
        onnx.save(graph, str(bundle.model))
        with np.load(bundle.folder / "reference.npz") as arrays:
            known = {name: arrays[name] for name in arrays.files if name != "features"}
        np.savez(bundle.folder / "reference.npz", **known)
        assert ensemble.heaviest(bundles, MIXES["vote"]) == (1 if number == 0 else None)
    formats.write("onnx", ensemble.exportable(bundles, MIXES["vote"], SPEC), tmp_path / "joined")
    assert [node.name for node in session(tmp_path / "joined" / "model.onnx").outputs] == ["probabilities"]


def test_weights_that_members_share_are_kept_once(tmp_path: Path) -> None:
    one, other = member(tmp_path / "0", 0), member(tmp_path / "1", 1)
    sizes = []
    for number, bundles in enumerate(([one, one, one], [one, other, one])):
        mix = Mix(method="vote", weights=np.full(3, 1 / 3))
        formats.write("onnx", ensemble.exportable(bundles, mix, SPEC), tmp_path / f"joined{number}")
        sizes.append((tmp_path / f"joined{number}" / "model.onnx").stat().st_size)
    single = one.model.stat().st_size
    assert sizes[0] < 1.2 * single
    assert 1.8 * single < sizes[1] < 2.2 * single
    graph = onnx.load(str(tmp_path / "joined0" / "model.onnx")).graph
    assert [node.name for node in graph.input] == ["pixels"]
    assert [node.name for node in graph.output] == ["probabilities", "features"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"height": 16}, "16x8 gray"),
        ({"fit": "crop"}, "8x8 gray crop"),
        ({"interpolation": "nearest"}, "nearest"),
    ],
)
def test_members_that_take_other_pixels_are_refused_by_name(
    tmp_path: Path, changes: dict[str, object], sentence: str
) -> None:
    bundles = [member(tmp_path / "0", 0), member(tmp_path / "1", 0, **changes)]
    with pytest.raises(ArtifactError, match=f"one takes 8x8 gray squash bilinear and two takes .*{sentence}"):
        common_spec(bundles, ["one", "two"])


def test_models_of_tables_are_refused(tmp_path: Path) -> None:
    pictures = member(tmp_path / "0", 0)
    columns = (Column(name="x", kind="number"), Column(name="y", kind="category", role="target"))
    rows = replace(pictures, spec=TableSpec(columns=columns, task="multiclass"))
    with pytest.raises(ArtifactError, match="takes rows of a table"):
        common_spec([pictures, rows], ["one", "two"])
