"""How much time is left, and what work costs: one clock and one account for all that keeps a budget."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np

from mindle.errors import DeviceError
from mindle.messages import message

# A pace that is older than this is measured again.
FRESH_SECONDS = 5.0
# While more than this is left, what must follow the training is guessed; nearer to the limit it is measured.
FAR_SECONDS, GUESS_SECONDS = 300.0, 45.0
# What follows is reserved this much longer than it was measured, for ups and downs.
MARGIN = 1.3
# The least budget that is named has a little room, and is a round number.
ROOM, STEP_SECONDS = 1.15, 5
Reserve = Callable[[float], float]

UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}
NAMES = {"h": "h|hrs?|hours?", "m": "m|mins?|minutes?", "s": "s|secs?|seconds?"}
# The fixed piece of work that tells how fast the machine is now, long enough to be interrupted as others are.
REFERENCE_SIDE, REFERENCE_TIMES = 512, 6
REFERENCE_FLOPS = REFERENCE_TIMES * 2 * REFERENCE_SIDE**3


def parse_budget(budget: str | float | None) -> float | None:
    """Seconds of a budget such as "90s", "10m", "1.5h", "1h30m", or a number of seconds.

    Raises:
        ValueError: If it is none of these, or not above 0.

    Example:
        >>> parse_budget("10m"), parse_budget("1h30m"), parse_budget("1.5h"), parse_budget(45)
        (600.0, 5400.0, 5400.0, 45.0)
    """
    if budget is None:
        return None
    text = str(budget).strip().lower()
    pattern = r"\s*".join(rf"(?:(?P<{unit}>\d+(?:\.\d+)?)\s*(?:{names}))?" for unit, names in NAMES.items())
    number, parts = re.fullmatch(r"\d+(?:\.\d+)?", text), re.fullmatch(pattern, text)
    if number:
        seconds = float(text)
    else:
        counts = parts.groupdict() if parts else {}
        seconds = sum(float(count) * UNITS[unit] for unit, count in counts.items() if count)
    if not seconds > 0:
        raise ValueError(f"`budget` must be a time such as 90s, 10m, 2h or 1h30m. Received {budget!r}.")
    return seconds


def duration(seconds: float) -> str:
    """Seconds as people say them.

    Example:
        >>> duration(40), duration(270), duration(600), duration(5400), duration(0.25)
        ('40 s', '4 min 30 s', '10 min', '1 h 30 min', '0.2 s')
    """
    if seconds < 9.5:
        return message("training.duration.s", s=f"{seconds:.1g}")
    whole = round(seconds)
    if whole < 100:
        return message("training.duration.s", s=whole)
    hours, rest = divmod(whole, 3600)
    minutes, rest = divmod(rest, 60)
    parts = {"h": hours, "min": minutes, "s": 0 if hours else rest}
    shown = {unit: count for unit, count in parts.items() if count}
    return message(f"training.duration.{'-'.join(shown)}", **shown)


def reference_work() -> None:
    """Some products of matrices on one thread: several wait for one another, long on a busy machine.

    Beside two busy loops on two cores a product on two threads took up to 40 times as long as alone, while
    all that a training does took two to three times as long.
    """
    from threadpoolctl import threadpool_limits

    a = np.ones((REFERENCE_SIDE, REFERENCE_SIDE))
    with threadpool_limits(1, user_api="blas"):
        for _ in range(REFERENCE_TIMES):
            a @ a


class TimeUp(Exception):
    """Some work had to be given up in the midst of it, for time."""


class Costs:
    """What pieces of work took in this run, in seconds of the machine as it is now.

    Beside other programs a machine gets slower. With each cost stands the time that a fixed piece of work
    took just then; what it takes now, against that, says how much longer everything takes.

    Args:
        clock: Gives seconds; only differences matter.
        work: The fixed piece of work.
        paced: Do it now and then; without a budget nobody asks how fast the machine is.

    Example:
        >>> now, slow = [0.0], [1.0]
        >>> def work() -> None:
        ...     now[0] += slow[0]
        >>> costs = Costs(clock=lambda: now[0], work=work)
        >>> costs.note("image", 20.0, units=10)
        >>> costs.seconds("image", 5)
        10.0
        >>> slow[0], now[0] = 3.0, 60.0  # a minute later everything takes three times as long
        >>> costs.seconds("image", 5)
        30.0
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.perf_counter,
        work: Callable[[], None] = reference_work,
        *,
        paced: bool = True,
    ) -> None:
        self._clock, self._work, self._paced = clock, work, paced
        self._known: dict[str, tuple[float, float]] = {}
        self._pace, self._measured = 0.0, -np.inf

    def pace(self) -> float:
        """Seconds that the fixed piece of work takes now; 0 where it is never done."""
        if self._paced and self._clock() - self._measured > FRESH_SECONDS:
            if not np.isfinite(self._measured):
                self._work()  # loads what it needs
            self._pace = self._once()
            self._measured = self._clock()
        return self._pace

    def _once(self) -> float:
        began = self._clock()
        self._work()
        return self._clock() - began

    def note(self, name: str, seconds: float, units: float = 1.0) -> None:
        """Remember what so many units of some work took just now."""
        self._known[name] = (seconds / units, self.pace())

    @contextmanager
    def timing(self, name: str) -> Iterator[None]:
        """Note what the work inside takes."""
        began = self._clock()
        yield
        self.note(name, self._clock() - began)

    def knows(self, name: str) -> bool:
        """Whether such work was done in this run."""
        return name in self._known

    def seconds(self, name: str, units: float = 1.0) -> float:
        """What so many units would take now; 0 for work that was never done."""
        each, before = self._known.get(name, (0.0, 0.0))
        return each * units * (self.pace() / before if before > 0 else 1.0)


class Deadline:
    """A stopwatch with a limit, or without one.

    Args:
        budget_seconds: Seconds that may be spent in all; None sets no limit.
        spent_seconds: Seconds already spent before now, by this process or by an interrupted one.
        clock: Gives seconds; only differences matter.
        costs: What work took in this run.

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
        costs: Costs | None = None,
    ) -> None:
        if budget_seconds is not None and not budget_seconds > 0:
            raise ValueError(
                f"`budget_seconds` must be above 0, or None for no limit. Received {budget_seconds!r}."
            )
        if not spent_seconds >= 0:
            raise ValueError(f"`spent_seconds` must be 0 or more. Received {spent_seconds!r}.")
        self.budget_seconds = budget_seconds
        self.costs = costs or Costs(paced=self.limited)
        self._clock = clock
        self._began = clock() - spent_seconds
        self._reserves: tuple[Reserve, ...] = ()

    @property
    def limited(self) -> bool:
        """Whether there is a limit."""
        return self.budget_seconds is not None

    def spent(self) -> float:
        """Seconds spent so far, those before this deadline was made included."""
        return self._clock() - self._began

    def remaining(self) -> float:
        """Seconds left, never below 0; infinite where there is no limit."""
        return max(0.0, self.margin())

    def margin(self) -> float:
        """Seconds left, below 0 where they are short; infinite where there is no limit."""
        if self.budget_seconds is None:
            return float("inf")
        left, reserved = self.budget_seconds - self.spent(), 0.0
        if not self._reserves:
            return left
        for reserve in self._reserves:
            reserved += reserve(left - reserved)
        return self.budget_seconds - self.spent() - reserved  # measuring that takes time, too

    def allows(self, seconds: float) -> bool:
        """Whether work of `seconds` would end before the limit."""
        return seconds <= self.remaining()

    def require(self, seconds: float, what: str) -> None:
        """Refuse to begin what cannot end in time.

        Args:
            seconds: What must fit in.
            what: What that is, for the message.

        Raises:
            DeviceError: If there is less time left; it names the least budget that would do.
        """
        short = seconds - self.margin()
        if self.budget_seconds is None or short <= 0:
            return
        least = STEP_SECONDS * math.ceil(ROOM * (self.budget_seconds + short) / STEP_SECONDS)
        raise DeviceError(
            f"`budget` must leave time for {what}, export, evaluation and the report. Received "
            f"{duration(self.budget_seconds)}, of which {duration(self.spent())} are gone; {duration(short)} "
            f"are lacking, as fast as this machine is now. Give --budget {least}s or more."
        )

    def reserving(self, reserve: float | Reserve) -> Deadline:
        """The same clock with an earlier limit, for work that must still follow.

        Args:
            reserve: Seconds; or, where they change, what gives them, asked each time with the seconds left.

        Example:
            >>> Deadline(60, clock=lambda: 0.0).reserving(15).remaining()
            45.0
        """
        earlier = Deadline(None, 0.0, self._clock, self.costs)
        earlier._began, earlier.budget_seconds = self._began, self.budget_seconds
        earlier._reserves = (*self._reserves, reserve if callable(reserve) else _always(reserve))
        return earlier


def _always(seconds: float) -> Reserve:
    return lambda left: seconds


class Finish:
    """Seconds to keep for what must follow the training: export, evaluation, the report.

    Far from the limit a generous guess does. Nearer to it the work is rehearsed once, on something small, and
    what that took is reserved, longer as the machine gets slower.

    Args:
        costs: Of this run.
        rehearse: Does the work, and says how many seconds it would take in earnest.
    """

    def __init__(self, costs: Costs, rehearse: Callable[[], float]) -> None:
        self._costs, self._rehearse = costs, rehearse

    def __call__(self, left: float) -> float:
        """Seconds to keep, where so many are left before that."""
        if left > FAR_SECONDS and not self._costs.knows("finish"):
            return GUESS_SECONDS
        if not self._costs.knows("finish"):
            self._costs.note("finish", self._rehearse())
        return MARGIN * self._costs.seconds("finish")
