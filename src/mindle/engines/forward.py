"""Graphs that answer: opened in ONNX Runtime or OpenVINO, called side by side, in the order asked."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.engines.external import refuse_external_data
from mindle.engines.opened import Arrays, Call, OpenedGraph
from mindle.engines.plan import Plan, whole


class Forward:
    """A graph that answers any number of rows; threads may call it at the same time.

    The rows of a call are cut into parts of `plan.batch` rows, the last one filled up with zeros, so that
    what a row gets depends on the row alone.

    Attributes:
        plan: How it runs.
        inputs: What it takes; other arrays of a feed are passed over.
        outputs: What it gives.
    """

    def __init__(self, plan: Plan, opened: OpenedGraph) -> None:
        self.plan, self._opened = plan, opened
        self.inputs, self.outputs = opened.inputs, opened.outputs
        self._rows, self._running, self._since, self._counting = 0, 0, 0.0, Lock()
        self._busy, self._elapsed = 0.0, 0.0  # seconds of all streams; seconds while any call ran
        self._calls = len(opened.calls)
        self._free: SimpleQueue[Call] = SimpleQueue()
        for call in opened.calls:
            self._free.put(call)

    def anew(self) -> Forward:
        """The same graph with counts of its own, in place of this."""
        return Forward(self.plan, self._opened)

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(self._calls, thread_name_prefix="mindle-forward")

    @property
    def rate(self) -> float:
        """Rows a second while all streams were busy, whatever they waited for; 0 before the first call."""
        return self._rows * self.plan.streams / self._busy if self._busy else 0.0

    @property
    def least_rate(self) -> float:
        """Rows a second while any call ran: less than `rate` where streams waited for rows."""
        return self._rows / self._elapsed if self._elapsed else 0.0

    def __call__(self, feed: Arrays) -> dict[str, NDArray[Any]]:
        """Outputs (row, …) by name for inputs (row, …) by name."""
        parts = self._parts(feed)
        run = map if len(parts) == 1 else self._pool.map
        return self._joined(feed, list(run(self._run, parts)))

    def stream(self, feeds: Iterable[Arrays]) -> Iterator[dict[str, NDArray[Any]]]:
        """Outputs of one feed after the other; feeds are taken a few ahead, so that no stream waits.

        Where taking a feed fails, what was taken before is answered first.
        """
        waiting: deque[tuple[Arrays, list[Future[list[NDArray[Any]]]]]] = deque()
        ahead, failed = 0, list[Exception]()
        try:
            for feed in _until_failure(feeds, failed):
                waiting.append((feed, [self._pool.submit(self._run, part) for part in self._parts(feed)]))
                ahead += len(waiting[-1][1])
                while ahead - len(waiting[0][1]) >= 2 * self.plan.streams:
                    feed, parts = waiting.popleft()
                    ahead -= len(parts)
                    yield self._joined(feed, [part.result() for part in parts])
            while waiting:
                feed, parts = waiting.popleft()
                yield self._joined(feed, [part.result() for part in parts])
            if failed:
                raise failed[0]
        finally:  # after an error nothing more is started
            for _, parts in waiting:
                for part in parts:
                    part.cancel()

    def _run(self, feed: Arrays) -> list[NDArray[Any]]:
        call = self._free.get()
        self._count(1)
        try:
            return call(feed)
        finally:
            self._count(-1, _rows(feed))
            self._free.put(call)

    def _count(self, more: int, rows: int = 0) -> None:
        """Add the seconds since calls began or ended the last time; there may be more calls than streams."""
        with self._counting:
            now = time.perf_counter()
            self._busy += (now - self._since) * min(self._running, self.plan.streams)
            self._elapsed += (now - self._since) * bool(self._running)
            self._since, self._running, self._rows = now, self._running + more, self._rows + rows

    def _parts(self, feed: Arrays) -> list[Arrays]:
        """The rows of a feed in parts of `batch` rows."""
        arrays = {node.name: np.ascontiguousarray(feed[node.name]) for node in self.inputs}
        rows, batch = _rows(arrays), self.plan.batch
        if not batch:
            return [arrays]
        starts = range(0, max(rows, 1), batch)
        return [
            {name: _filled(rows[at : at + batch], batch) for name, rows in arrays.items()} for at in starts
        ]

    def _joined(self, feed: Arrays, parts: list[list[NDArray[Any]]]) -> dict[str, NDArray[Any]]:
        count = _rows({node.name: feed[node.name] for node in self.inputs})
        columns = zip(*parts, strict=True)
        return {
            node.name: (each[0] if len(each) == 1 else np.concatenate(each))[:count]
            for node, each in zip(self.outputs, columns, strict=True)
        }


def open_graph(path: Path, plan: Plan | None = None) -> Forward:
    """Open a graph.

    Args:
        path: An ONNX file.
        plan: How it runs; unless given in ONNX Runtime, with all rows in one call on all usable cores.

    Raises:
        ValueError: If the graph names other files to read its numbers from.
        ModelError: If the engine is not on this machine.
        OSError: If the file cannot be read.
        Exception: Of the engine's own, which derive from nothing narrower, where it is no graph.
    """
    from mindle.engines import onnxruntime, openvino

    refuse_external_data(path)
    plan = plan or whole()
    open_in = openvino.opened if plan.engine == "openvino" else onnxruntime.opened
    return Forward(plan, open_in(path, plan))


def load_engines() -> None:
    """Import the engines that are installed, which takes a while."""
    import onnxruntime  # noqa: F401

    from mindle.engines import openvino

    openvino.why_not()


def _until_failure(feeds: Iterable[Arrays], failed: list[Exception]) -> Iterator[Arrays]:
    try:
        yield from feeds
    except Exception as error:
        failed.append(error)


def _rows(feed: Arrays) -> int:
    return len(next(iter(feed.values())))


def _filled(rows: NDArray[Any], batch: int) -> NDArray[Any]:
    if len(rows) == batch:
        return rows
    return np.concatenate([rows, np.zeros((batch - len(rows), *rows.shape[1:]), rows.dtype)])
