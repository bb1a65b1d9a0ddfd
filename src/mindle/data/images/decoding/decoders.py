"""Memory that all decoders of this process share: what asks for more waits until others have given back."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class SharedMemory:
    """Bytes that threads take turns in using.

    Args:
        limit: Bytes that are lent at a time.

    Example:
        >>> memory = SharedMemory(100)
        >>> with memory.taken(60):
        ...     memory.left
        40
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.left = limit
        self._given_back = threading.Condition()

    @contextmanager
    def taken(self, count: int) -> Iterator[None]:
        """Wait for some bytes, and give them back at the end; more than the limit means all of it."""
        count = min(count, self.limit)
        with self._given_back:
            self._given_back.wait_for(lambda: self.left >= count)
            self.left -= count
        try:
            yield
        finally:
            with self._given_back:
                self.left += count
                self._given_back.notify_all()
