"""Work that runs beside a run's own, where cores would stand idle: in a thread, or in a process."""

from __future__ import annotations

import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import cached_property, partial
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from mindle.artifacts.environment import usable_cores
from mindle.records import Listener

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

T = TypeVar("T")
# Seconds between two reports of progress from another process.
_REPORT_SECONDS = 0.1


class Beside:
    """A thread that does one piece of work after the other; none of it outlives the `with` block.

    Where the block ends early, what has not begun never does, and what runs is waited for: work that may take
    long asks `wanted` now and then.

    Example:
        >>> with Beside() as beside:
        ...     later = beside.start(lambda: sum(range(4)))
        ...     later()
        6
    """

    def __init__(self) -> None:
        self._over = False
        self._processes: list[BaseProcess] = []

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, thread_name_prefix="mindle-beside")

    def __enter__(self) -> Beside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
        for process in self._processes:
            process.terminate()
            process.join()
        self._pool.shutdown(cancel_futures=True)

    def wanted(self) -> bool:
        """Whether anybody still waits for what is done here."""
        return not self._over

    def start(self, work: Callable[[], T]) -> Callable[[], T]:
        """Begin some work, in the language of the caller.

        Returns:
            What waits for the result; an error of the work is raised there.
        """
        return self._pool.submit(copy_context().run, work).result

    def fork(self, work: Callable[[Listener], T], listener: Listener) -> Callable[[], T] | None:
        """Begin some work in a copy of this process, for work in Python beside other work in Python.

        Threads would wait for one another: PyTorch is imported in 1.1 s and 1,950 photos checked in 1.2 s,
        and both at once in 2.8 s. The result, an error, and what `listener` hears come back pickled.

        Returns:
            As `start`; None where a copy is not safe (beside other threads, or not on Linux) or not worth it
            (on one core, or where PyTorch is there already).
        """
        alone = threading.active_count() == 1 and sys.platform == "linux"
        if not alone or "torch" in sys.modules or usable_cores() < 2:
            return None
        from multiprocessing import get_context

        context = get_context("fork")
        receiving, sending = context.Pipe(duplex=False)
        process = context.Process(target=_answer, args=(work, sending), daemon=True)
        with warnings.catch_warnings():
            # Python counts the threads of BLAS, which is made for this.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        sending.close()
        self._processes.append(process)
        return self.start(partial(self._received, receiving, work, listener))

    def _received(self, receiving: Connection, work: Callable[[Listener], T], listener: Listener) -> T:
        """What the process answers; where it was ended from outside, the work is done here."""
        with suppress(EOFError):
            while True:
                kind, content = receiving.recv()
                if kind == "failed":
                    raise content
                if kind == "done":
                    return content  # type: ignore[no-any-return]
                getattr(listener, kind)(*content)
        if self._over:
            raise KeyboardInterrupt
        return work(listener)


def _answer(work: Callable[[Listener], Any], sending: Connection) -> None:
    """Do some work in this process, a copy, and send what comes of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the other process gets it as well, and ends this one
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt, BrokenPipeError):
        try:
            sending.send(("done", work(_Sender(sending))))
        except Exception as error:
            sending.send(("failed", error))


class _Sender:
    """A listener that passes on what it hears."""

    def __init__(self, sending: Connection) -> None:
        self._sending, self._reported = sending, 0.0

    def say(self, sentence: str) -> None:
        """See `Listener`."""
        self._sending.send(("say", (sentence,)))

    def progress(self, stage: str, done: int, total: int) -> None:
        """See `Listener`; not all of it is passed on."""
        now = time.monotonic()
        if done >= total or now > self._reported + _REPORT_SECONDS:
            self._reported = now
            self._sending.send(("progress", (stage, done, total)))

    def epoch(self, row: Mapping[str, Any]) -> None:
        """See `Listener`."""
        self._sending.send(("epoch", (row,)))
