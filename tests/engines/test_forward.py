"""Graphs answer in order, each row by itself, whatever the plan."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mindle.engines import Arrays, Forward, Node, Plan, open_graph
from mindle.engines.opened import OpenedGraph
from tests.engines.graphs import image_graph, pixels

PLANS = [
    Plan(batch=0, threads=2),
    Plan(batch=1, streams=2),
    Plan(batch=4, streams=2, threads=2),
    Plan(batch=16, threads=2, spinning=True),
]


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return image_graph(tmp_path_factory.mktemp("graph") / "model.onnx")


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_a_row_gets_the_same_bits_by_every_plan_of_an_engine(graph: Path, plan: Plan, engine: str) -> None:
    if engine == "openvino":
        pytest.importorskip("openvino")
    alone = open_graph(graph, Plan(engine=engine))
    forward = open_graph(graph, replace(plan, engine=engine, spinning=False))
    rows = pixels(11)
    expected = np.concatenate([alone({"pixels": rows[at : at + 1]})["features"] for at in range(11)])
    np.testing.assert_array_equal(forward({"pixels": rows})["features"], expected)
    np.testing.assert_array_equal(forward({"pixels": rows[::-1]})["features"], expected[::-1])
    assert forward({"pixels": rows[:0]})["features"].shape == (0, 8)


@pytest.mark.parametrize("plan", PLANS, ids=str)
def test_a_stream_answers_feeds_of_any_size_in_their_order(graph: Path, plan: Plan) -> None:
    forward = open_graph(graph, plan)
    sizes = [3, 1, 7, 16, 2, 5]
    feeds = [{"pixels": pixels(size, seed)} for seed, size in enumerate(sizes)]
    answers = list(forward.stream(iter(feeds)))
    assert [len(each["features"]) for each in answers] == sizes
    for feed, answer in zip(feeds, answers, strict=True):
        np.testing.assert_array_equal(answer["features"], forward(feed)["features"])


def test_what_a_graph_takes_and_gives_is_said(graph: Path) -> None:
    forward = open_graph(graph)
    assert forward.inputs == (Node("pixels", "tensor(uint8)", ("image", 8, 8, 3)),)
    assert forward.outputs == (Node("features", "tensor(float)", ("image", 8)),)


# ── how many calls, and how far ahead ────────────────────────────────────────────────────────────

ROW = Node("x", "tensor(float)", (None, 1))


def counting(plan: Plan, call: object) -> Forward:
    """An engine of one Python function, to count with."""
    return Forward(plan, OpenedGraph([call] * plan.streams, (ROW,), (ROW,)))  # type: ignore[list-item]


def feeds(count: int, taken: list[int]) -> Iterator[Arrays]:
    for number in range(count):
        taken.append(number)
        yield {"x": np.full((4, 1), number, np.float32)}


def test_streams_work_side_by_side() -> None:
    both = threading.Barrier(2, timeout=20)  # broken, and an error, where they do not

    def call(feed: Arrays) -> list[np.ndarray]:
        both.wait()
        return [feed["x"]]

    found = list(counting(Plan(batch=1, streams=2), call).stream(feeds(3, [])))
    assert [each["x"][0, 0] for each in found] == [0, 1, 2]


@pytest.mark.parametrize(
    ("streams", "calls", "at_once"), [(1, 1, 1), (2, 2, 2), (2, 4, 4), (2, 4, 1), (3, 6, 2)]
)
def test_the_rate_is_that_of_busy_streams_however_rows_come(
    streams: int, calls: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call takes a second of a stream: neither calls that wait for one change it, nor idle streams."""
    clock, gate = [0.0], threading.Barrier(at_once, timeout=20)
    monkeypatch.setattr("mindle.engines.forward.time.perf_counter", lambda: clock[0])

    def call(feed: Arrays) -> list[np.ndarray]:
        if gate.wait() == 0:  # all of them have begun, and end together
            clock[0] += at_once / min(at_once, streams)
        gate.wait()
        return [feed["x"]]

    forward = Forward(Plan(batch=1, streams=streams), OpenedGraph([call] * calls, (ROW,), (ROW,)))
    for _ in range(3):
        forward({"x": np.zeros((at_once, 1), np.float32)})
        clock[0] += 100.0
    assert forward.rate == pytest.approx(streams)
    assert forward.least_rate == pytest.approx(min(at_once, streams))


def test_feeds_are_taken_only_a_few_ahead() -> None:
    taken: list[int] = []
    stream = counting(Plan(batch=4, streams=2), lambda feed: [feed["x"]]).stream(feeds(50, taken))
    for number in range(3):
        next(stream)
        assert len(taken) <= number + 1 + 4
    stream.close()
    assert len(taken) <= 7


def test_calls_are_of_whole_batches_and_as_few_as_can_be() -> None:
    sizes: list[int] = []

    def call(feed: Arrays) -> list[np.ndarray]:
        sizes.append(len(feed["x"]))
        return [feed["x"]]

    counting(Plan(batch=4), call)({"x": np.zeros((9, 1), np.float32)})
    assert sizes == [4, 4, 4]


def test_an_error_of_a_call_is_raised_and_the_rest_is_not_begun() -> None:
    begun: list[float] = []

    def call(feed: Arrays) -> list[np.ndarray]:
        begun.append(float(feed["x"][0, 0]))
        raise RuntimeError("out of order")

    with pytest.raises(RuntimeError, match="out of order"):
        list(counting(Plan(batch=4), call).stream(feeds(50, [])))
    assert len(begun) < 10
