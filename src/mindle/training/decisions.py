"""Decisions of a training that depend on the time they were made; a resumed run repeats them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

Decision = Mapping[str, Any]


class DecisionLog:
    """Decisions: made once, recorded, and on resume repeated in the same order.

    Example:
        >>> made = []
        >>> DecisionLog([], made.append).decide("embed", lambda: {"take": True})
        {'step': 'embed', 'take': True}
        >>> DecisionLog(made, print).decide("embed", lambda: {"take": False})["take"]
        True
    """

    def __init__(
        self,
        replay: Sequence[Decision] = (),
        record: Callable[[Decision], None] = lambda decision: None,
    ) -> None:
        self._replay = [dict(decision) for decision in replay]
        self._record = record

    def decide(self, step: str, choose: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """The recorded decision of this step, or a new one."""
        if self._replay and self._replay[0].get("step") == step:
            return self._replay.pop(0)
        # What was recorded by other rules (another version) says nothing from here on.
        self._replay.clear()
        decision = {"step": step, **choose()}
        self._record(decision)
        return decision
