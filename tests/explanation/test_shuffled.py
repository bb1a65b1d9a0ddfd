"""What shuffled weights leave of a graph, and of the network it came from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

from mindle.engines import open_graph
from mindle.explanation.shuffled import SHARES, forgotten, shuffled_graph, spread
from mindle.models.classifier import AnswerGraph
from mindle.models.graph import export_onnx
from tests.explanation.nets import SPEC, small_net


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    example = torch.zeros((1, *SPEC.shape), dtype=torch.uint8)
    export_onnx(AnswerGraph(small_net()).eval(), example, path, output_name=["probabilities"])
    return path


def weights(path: Path) -> list[np.ndarray]:
    return [numpy_helper.to_array(each) for each in onnx.load(str(path)).graph.initializer]


def test_a_shuffled_graph_answers_otherwise_and_the_file_stays(graph: Path) -> None:
    before = graph.read_bytes()
    pixels = np.random.default_rng(0).integers(0, 256, (4, *SPEC.shape)).astype(np.uint8)
    plain, other = open_graph(graph), shuffled_graph(graph)
    assert not np.allclose(*(each({"pixels": pixels})["probabilities"] for each in (plain, other)), atol=1e-3)
    again = shuffled_graph(graph)
    same = [each({"pixels": pixels})["probabilities"] for each in (other, again)]
    np.testing.assert_array_equal(*same)
    assert graph.read_bytes() == before


def test_as_much_is_shuffled_as_leaves_it_alive() -> None:
    asked: list[float] = []

    def make(share: float) -> float:
        asked.append(share)
        return share

    made, share = forgotten(make, lambda made: 0.5 if made <= 0.25 else 1e-9, 1.0)
    assert (made, share) == (0.25, 0.25)
    assert asked == [1.0, 0.5, 0.25]
    assert forgotten(make, lambda made: 0.0, 1.0)[1] == SHARES[-1]


def test_spread_is_over_images_not_over_classes() -> None:
    assert spread(np.array([[1.0, 5.0], [1.0, 5.0]])) == 0
    assert spread(np.array([[1.0, 5.0], [1.0, 7.0]])) == 1
