"""Decoders wait for one another where they would take too much memory together."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from mindle.data.images.decoding.decoders import SharedMemory


def test_no_more_than_the_limit_is_lent() -> None:
    memory, least, lock = SharedMemory(100), [100], threading.Lock()

    def take(count: int) -> None:
        with memory.taken(count), lock:
            least[0] = min(least[0], memory.left)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(take, [40, 70, 5, 1000, 0, 99] * 50))
    assert least[0] == 0
    assert memory.left == 100


def test_what_raises_gives_back() -> None:
    memory = SharedMemory(10)
    try:
        with memory.taken(10):
            raise ValueError
    except ValueError:
        pass
    assert memory.left == 10
