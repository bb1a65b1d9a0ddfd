"""How much time is left: one clock for everything that has to keep a budget."""

from __future__ import annotations

import time
from collections.abc import Callable


class Deadline:
    """A stopwatch with a limit, or without one.

    Args:
        budget_seconds: Seconds that may be spent in all; None sets no limit.
        spent_seconds: Seconds already spent before now, by this process or by an interrupted one.
        clock: Gives seconds; only differences matter.

    Example:
        >>> ticks = iter([0.0, 4.0, 4.0])
        >>> deadline = Deadline(60, spent_seconds=10, clock=lambda: next(ticks))
        >>> deadline.spent(), deadline.remaining()
        (14.0, 46.0)
    """

    def __init__(
        self,
        budget_seconds: float | None,
        spent_seconds: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if budget_seconds is not None and not budget_seconds > 0:
            raise ValueError(
                f"`budget_seconds` must be above 0, or None for no limit. Received {budget_seconds!r}."
            )
        if not spent_seconds >= 0:
            raise ValueError(f"`spent_seconds` must be 0 or more. Received {spent_seconds!r}.")
        self.budget_seconds = budget_seconds
        self._clock = clock
        self._began = clock() - spent_seconds

    def spent(self) -> float:
        """Seconds spent so far, those before this deadline was made included."""
        return self._clock() - self._began

    def remaining(self) -> float:
        """Seconds left, never below 0; infinite where there is no limit."""
        if self.budget_seconds is None:
            return float("inf")
        return max(0.0, self.budget_seconds - self.spent())

    def allows(self, seconds: float) -> bool:
        """Whether work of `seconds` would end before the limit."""
        return seconds <= self.remaining()

    def reserving(self, seconds: float) -> Deadline:
        """The same clock with a limit that lies `seconds` earlier, for work that must still follow.

        Example:
            >>> Deadline(60, clock=lambda: 0.0).reserving(15).remaining()
            45.0
        """
        earlier = Deadline(None, 0.0, self._clock)
        earlier._began = self._began
        if self.budget_seconds is not None:
            # A reserve as large as the budget leaves nothing, which is not the same as no limit.
            earlier.budget_seconds = max(self.budget_seconds - seconds, 0.0)
        return earlier
