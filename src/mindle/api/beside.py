"""Work that runs beside a run's own, where cores would stand idle."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import cached_property
from types import TracebackType
from typing import TypeVar

T = TypeVar("T")


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

    @cached_property
    def _pool(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor(1, thread_name_prefix="mindle-beside")

    def __enter__(self) -> Beside:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over = True
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
