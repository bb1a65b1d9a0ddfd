"""Graphs: equal to the module, any batch, written whole or not at all."""

from __future__ import annotations

import inspect
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mindle.errors import ModelError
from mindle.models.classifier import AnswerGraph, ClassScores, backbone_model
from mindle.models.graph import export_onnx, session
from mindle.models.heads import BlendHead, KernelHead, LinearHead, Standardise
from mindle.models.pretrained.weights import random_card
from mindle.records import InputSpec


def joined() -> AnswerGraph:
    """Two backbones, and a blend of a logistic regression with support vectors: all there is in one."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    spec = InputSpec(height=64, width=64, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    cards = [
        replace(random_card("resnet10t"), spec=spec),
        replace(random_card("tf_efficientnet_lite0"), spec=spec),
    ]
    width = 512 + 1280
    plain = Standardise.identity(width)
    one = LinearHead(plain, rng.normal(size=(3, width)), np.zeros(3))
    support, pairs = rng.normal(size=(20, width)), rng.normal(size=(20, 3))
    two = KernelHead(plain, support, 1 / width, pairs, np.zeros(3), np.eye(3), np.zeros(3))
    return AnswerGraph(
        backbone_model(cards, BlendHead([one, two], np.ones(2)), ClassScores(("a", "b", "c"))), 1.7
    )


def pixels(count: int) -> Tensor:
    shape = (count, 64, 64, 3)
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8))


def test_the_graph_answers_as_the_module_for_any_batch(tmp_path: Path) -> None:
    module = joined().train()
    export_onnx(module, pixels(1), tmp_path / "deep" / "model.onnx")
    assert module.training
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["model.onnx"]
    served = session(tmp_path / "deep" / "model.onnx")
    assert served.inputs[0][:2] == ("pixels", "tensor(uint8)")
    module.eval()
    for count in (1, 5):
        answer = served({"pixels": pixels(count).numpy()})["probabilities"]
        with torch.no_grad():
            np.testing.assert_allclose(answer, module(pixels(count))[0].numpy(), atol=1e-5)
        np.testing.assert_allclose(answer.sum(1), 1, atol=1e-5)


class Wide(nn.Module):
    """Counts in double, with constants of which float32 holds the first kind exactly and the second not."""

    def __init__(self, exact: bool) -> None:
        super().__init__()
        values = torch.linspace(0, 1, 60_000, dtype=torch.float64).reshape(200, 300)
        self.register_buffer("constants", values.float().double() if exact else values)

    def forward(self, x: Tensor) -> Tensor:
        return (x.double() @ self.constants).float()


@pytest.mark.parametrize(("exact", "bytes_each"), [(True, 4), (False, 8)])
def test_double_constants_take_no_more_room_than_they_need(
    tmp_path: Path, exact: bool, bytes_each: int
) -> None:
    module, x = Wide(exact), torch.randn(3, 200, generator=torch.Generator().manual_seed(0))
    export_onnx(module, x, tmp_path / "model.onnx", input_name="x", output_name="y")
    assert 60_000 * bytes_each < (tmp_path / "model.onnx").stat().st_size < 60_000 * bytes_each + 5_000
    found = session(tmp_path / "model.onnx")({"x": x.numpy()})["y"]
    np.testing.assert_allclose(found, module(x).numpy(), rtol=1e-6)


class Untraceable(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise RuntimeError("this module has no answer.")


def test_a_module_that_cannot_be_written_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_text("the old one")
    with pytest.raises(ModelError, match="Untraceable cannot be written as ONNX: this module has no answer"):
        export_onnx(Untraceable(), torch.zeros(1, 2), path)
    assert path.read_text() == "the old one"
    assert [file.name for file in tmp_path.iterdir()] == ["model.onnx"]


def test_the_older_exporter_is_still_there() -> None:
    assert "dynamic_axes" in inspect.signature(torch.onnx.export).parameters


def test_what_is_no_graph_is_named(tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"no graph")
    for name in ("bad.onnx", "absent.onnx"):
        with pytest.raises(ModelError, match=f"cannot open .*{name}"):
            session(tmp_path / name)
