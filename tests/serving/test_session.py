"""A bundle answers without torch, row by row, whatever the files are."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image

from mindle.artifacts.bundle import Bundle, Precision, read_bundle, write_bundle_document
from mindle.data.images.decoding.decode import decode
from mindle.engines import openvino
from mindle.errors import ArtifactError, ModelError
from mindle.records import InputSpec
from mindle.serving import session
from mindle.serving.opened import open_bundle, open_model
from tests.engines.graphs import require_bfloat16
from tests.processes import python

SHAPE = (4, 4, 4, 3)
SPEC = InputSpec(height=4, width=4)


def brightness(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A model of two classes, dark and bright, by mean brightness."""
    bright = pixels.reshape(len(pixels), -1).mean(axis=1) / 255
    return np.stack([1 - bright, bright], axis=1)


def brightness_bundle(folder: Path) -> Bundle:
    """The same model as a bundle."""
    helper = onnx.helper
    graph = helper.make_graph(
        [
            helper.make_node("Cast", ["pixels"], ["floats"], to=onnx.TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["floats", "axes"], ["mean"], keepdims=0),
            helper.make_node("Div", ["mean", "scale"], ["bright"]),
            helper.make_node("Unsqueeze", ["bright", "one"], ["column"]),
            helper.make_node("Sub", ["unit", "column"], ["dark"]),
            helper.make_node("Concat", ["dark", "column"], ["probabilities"], axis=1),
        ],
        "brightness",
        [helper.make_tensor_value_info("pixels", onnx.TensorProto.UINT8, ["n", 4, 4, 3])],
        [helper.make_tensor_value_info("probabilities", onnx.TensorProto.FLOAT, ["n", 2])],
        [
            onnx.numpy_helper.from_array(np.array([1, 2, 3], np.int64), "axes"),
            onnx.numpy_helper.from_array(np.array(255, np.float32), "scale"),
            onnx.numpy_helper.from_array(np.array([1], np.int64), "one"),
            onnx.numpy_helper.from_array(np.array(1, np.float32), "unit"),
        ],
    )
    folder.mkdir(parents=True)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, folder / "model.onnx")
    pixels = np.random.default_rng(0).integers(0, 256, (4, 4, 4, 3), np.uint8)
    np.savez(folder / "reference.npz", pixels=pixels, probabilities=brightness(pixels).astype(np.float32))
    bundle = Bundle(
        folder=folder,
        classes=("어둠", "bright"),
        spec=SPEC,
        temperature=1.0,
        metrics={},
        licences=({"licence": "none"},),
        details={"task": "binary"},
    )
    write_bundle_document(bundle)
    return bundle


def png(value: int) -> bytes:
    file = BytesIO()
    Image.new("RGB", (6, 5), (value, value, value)).save(file, "PNG")
    return file.getvalue()


def test_a_bundle_answers_like_its_model(tmp_path: Path) -> None:
    opened = open_bundle(brightness_bundle(tmp_path / "bundle"))
    (row,) = opened.rows([("사진.png", png(51))])
    assert opened.classes == ("어둠", "bright")
    dark, bright = brightness(decode(png(51), SPEC)[None])[0]
    assert (row["p_어둠"], row["p_bright"]) == pytest.approx((dark, bright), abs=1e-6)


def test_a_runtime_that_answers_otherwise_is_refused(tmp_path: Path) -> None:
    bundle = brightness_bundle(tmp_path / "bundle")
    arrays = bundle.reference()
    np.savez(bundle.folder / "reference.npz", **{**arrays, "probabilities": arrays["probabilities"][:, ::-1]})
    write_bundle_document(bundle)
    with pytest.raises(ArtifactError, match="reference inputs"):
        open_model(bundle.folder)


def test_a_reference_of_another_graph_is_refused(tmp_path: Path) -> None:
    bundle = brightness_bundle(tmp_path / "bundle")
    np.savez(bundle.folder / "reference.npz", rows=np.zeros(3))
    write_bundle_document(bundle)
    with pytest.raises(ArtifactError, match="must hold pixels, probabilities, features, and holds rows"):
        open_model(bundle.folder)


@pytest.mark.parametrize(
    ("changes", "arrays", "message"),
    [
        (
            {"classes": ["a", "b", "c"], "task": "multiclass"},
            {"pixels": SHAPE, "probabilities": (4, 3)},
            "answers probabilities f",
        ),
        (
            {"classes": [], "task": "regression"},
            {"pixels": SHAPE, "estimate": (4,), "fold_estimates": (4, 1)},
            "answers probabili",
        ),
        (
            {"input": {"height": 5}},
            {"pixels": (4, 5, 4, 3), "probabilities": (4, 2)},
            r"takes pixels u1 \(n, 4, 4, 3\). Received .* 5, 4, 3",
        ),
    ],
)
def test_a_document_of_another_graph_is_refused(
    tmp_path: Path, changes: dict[str, Any], arrays: dict[str, tuple[int, ...]], message: str
) -> None:
    """Even where the reference was made to fit the document."""
    bundle = brightness_bundle(tmp_path / "bundle")
    made = {n: np.zeros(s, np.uint8 if n == "pixels" else np.float32) for n, s in arrays.items()}
    np.savez(bundle.folder / "reference.npz", **made)
    write_bundle_document(bundle)
    file = bundle.folder / "bundle.json"
    document = json.loads(file.read_text("utf-8"))
    file.write_text(json.dumps(document | changes | {"input": document["input"] | changes.get("input", {})}))
    with pytest.raises(ArtifactError, match=f"must describe its graph, which {message}"):
        open_model(bundle.folder)


def test_a_changed_graph_is_refused(tmp_path: Path) -> None:
    bundle = brightness_bundle(tmp_path / "bundle")
    bundle.model.write_bytes(bundle.model.read_bytes() + b" ")
    with pytest.raises(ArtifactError, match="SHA-256 differs"):
        read_bundle(bundle.folder)


def test_a_graph_that_is_none_is_refused(tmp_path: Path) -> None:
    bundle = brightness_bundle(tmp_path / "bundle")
    bundle.model.write_bytes(b"garbage")
    write_bundle_document(bundle)
    with pytest.raises(ArtifactError, match="ONNX Runtime"):
        open_model(bundle.folder)


def test_answering_loads_no_torch(tmp_path: Path) -> None:
    brightness_bundle(tmp_path / "bundle")
    (tmp_path / "photo.png").write_bytes(png(200))
    code = (
        "import sys\nfrom mindle.serving.opened import open_model\n"
        f"opened = open_model({str(tmp_path / 'bundle')!r})\n"
        f"print(next(opened.rows([('photo', {(tmp_path / 'photo.png').read_bytes()!r})]))['predicted'])\n"
        "print([m for m in ('torch', 'sklearn', 'pandas', 'matplotlib', 'timm') if m in sys.modules])"
    )
    run = python(code)
    assert run.stdout.splitlines() == ["bright", "[]"]


def rounded(bundle: Bundle, *, as_good: bool) -> Bundle:
    """The bundle as one whose head was fitted on features in bfloat16."""
    scores = {"accuracy": {"first": 0.92, "second": 0.91}}
    stated = Precision(name="bfloat16", float32_is_as_good=as_good, float32=scores)
    return replace(bundle, details={"precision": asdict(stated)})


@pytest.mark.parametrize("pin", ["onnxruntime", ""])
def test_a_bundle_in_bfloat16_answers_in_float32_only_where_that_is_as_good_and_says_so(
    pin: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINDLE_ENGINE", pin)
    monkeypatch.setattr(openvino, "why_not", lambda precision: "no openvino here")
    bundle = brightness_bundle(tmp_path / "bundle")
    opened = open_bundle(rounded(bundle, as_good=True))
    with pytest.warns(UserWarning, match=r"float32 instead of bfloat16 .* accuracy 0\.91 instead of 0\.92"):
        found = opened.frame([("a", np.zeros((4, 4, 3), np.uint8))])
    assert found["confidence"][0] == 1
    with pytest.raises(ModelError, match=r"must answer in bfloat16.* Install mindle\[openvino\]"):
        open_bundle(rounded(bundle, as_good=False))


def test_a_bundle_in_bfloat16_answers_in_it_and_is_held_to_what_it_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_bfloat16()
    monkeypatch.delenv("MINDLE_ENGINE")
    bundle = rounded(brightness_bundle(tmp_path / "bundle"), as_good=False)
    opened = open_bundle(bundle)
    assert opened.graph.forward.plan.numerics == "openvino-bfloat16"  # type: ignore[union-attr]
    assert opened.source.report.sentences() == []
    assert 0 <= session.rounding(bundle, "bfloat16") < 0.02
    monkeypatch.setattr(session, "_difference", lambda bundle, graph, exact: 0.06)
    with pytest.raises(ArtifactError, match=r"within 0\.05 .* Its openvino computes something else"):
        open_bundle(bundle)


def test_a_pinned_engine_that_does_not_work_is_named_rather_than_the_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino, "why_not", lambda precision: "it is damaged")
    monkeypatch.setenv("MINDLE_ENGINE", "openvino")
    bundle = brightness_bundle(tmp_path / "bundle")
    with pytest.raises(ModelError, match="OpenVINO must be on this machine .* it is damaged"):
        open_bundle(bundle)
