"""Images are decoded in threads, answered in their order, and never all in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mindle.data.images.pixels import thread_count
from mindle.engines import Plan
from mindle.records import Task
from mindle.serving import session
from mindle.serving.images import BATCH, ImageSource
from mindle.serving.opened import Opened, open_bundle
from mindle.serving.source import target_of
from tests.serving.test_session import SPEC, brightness, brightness_bundle, png


def opened() -> Opened:
    """A model of two classes, dark and bright."""
    return Opened(
        ImageSource(SPEC),
        target_of(Task("binary"), ("dark", "bright")),
        lambda feed: {"probabilities": brightness(feed["pixels"])},
        {"probabilities": np.zeros((0, 2))},
    )


def test_answers_keep_order_and_name_what_failed() -> None:
    images = [(f"{i}.png", png(i) if i % 7 else b"not an image") for i in range(100)]
    found = list(opened().rows(images))
    assert [row["path"] for row in found] == [name for name, _ in images]
    for i, row in enumerate(found):
        if i % 7:
            assert row["p_bright"] == pytest.approx(i / 255)
            assert row["reason"] == ""
        else:
            assert row["p_bright"] is None
            assert row["reason"]


def test_only_a_few_images_are_ever_read_ahead() -> None:
    """Memory stays flat: when the first answer is out, only a bounded number of images has been taken."""
    taken = 0

    def endless() -> Iterator[tuple[str, Any]]:
        nonlocal taken
        while True:
            taken += 1
            yield f"{taken}.png", png(taken % 256)

    stream = opened().rows(endless())
    for _ in range(40):
        next(stream)
    # Three batches are out; each thread decodes a few images ahead.
    assert taken <= 3 * BATCH + 4 * (thread_count() + 4)
    stream.close()


def test_nothing_in_gives_nothing_out() -> None:
    assert list(opened().rows([])) == []
    assert [row["confidence"] for row in opened().rows([("x", b"")])] == [None]


@pytest.fixture
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Opened:
    """The same model as a graph, four images a call and two calls side by side."""
    monkeypatch.setenv("MINDLE_ENGINE", "onnxruntime:batch=4,streams=2,threads=1")
    return open_bundle(brightness_bundle(tmp_path / "bundle"))


def test_memory_is_flat_while_calls_are_under_way(bundle: Opened) -> None:
    taken = 0

    def endless() -> Iterator[tuple[str, Any]]:
        nonlocal taken
        while True:
            taken += 1
            yield f"{taken}.png", png(taken % 256) if taken % 5 else b"not an image"

    stream, most = bundle.rows(endless()), 0
    for answered in range(400):
        assert next(stream)["path"] == f"{answered + 1}.png"
        most = max(most, taken - answered)
    # A batch is handed out, two calls of each stream are under way, and threads decode the next images.
    assert most <= 4 * BATCH + 4 * (thread_count() + 4)


def test_a_run_of_damaged_files_is_answered_as_it_comes(bundle: Opened) -> None:
    taken: list[str] = []

    def damaged() -> Iterator[tuple[str, Any]]:
        while True:
            taken.append("")
            yield "x.png", b"not an image"

    assert next(bundle.rows(damaged()))["reason"]
    assert len(taken) <= 6 * BATCH + 4 * (thread_count() + 4)


def test_what_breaks_the_inputs_ends_the_answers_and_the_threads(bundle: Opened) -> None:
    before = set(threading.enumerate())

    def broken() -> Iterator[tuple[str, Any]]:
        yield from ((f"{at}.png", png(at)) for at in range(50))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(bundle.rows(broken()))
    assert {thread.name for thread in set(threading.enumerate()) - before} <= {
        "mindle-forward_0", "mindle-forward_1"
    }  # fmt: skip


def test_many_images_run_as_the_plan_of_this_machine_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def plan_for(identity: str, *_: Any, rows: int, **__: Any) -> Plan:
        asked.append((bool(identity), rows))
        return Plan(batch=1) if rows == 1 else Plan(batch=40)

    monkeypatch.setattr(session, "plan_for", plan_for)
    monkeypatch.setattr(session, "MANY", 50)
    opened = open_bundle(brightness_bundle(tmp_path / "bundle"))
    images = [(f"{at}.png", png(at)) for at in range(60)]
    few = list(opened.rows(images[:20]))
    assert opened.graph.forward.plan.batch == 1
    many = list(opened.rows(images))
    assert opened.graph.forward.plan.batch == 40
    assert asked == [(False, 1), (True, 60)]
    assert many[:20] == few
