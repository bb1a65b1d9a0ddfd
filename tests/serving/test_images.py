"""Images are decoded in threads, answered in their order, and never all in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from mindle.data.images.pixels import thread_count
from mindle.records import Task
from mindle.serving.images import BATCH, ImageSource
from mindle.serving.opened import Opened
from mindle.serving.source import target_of
from tests.serving.test_session import SPEC, brightness, png


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
