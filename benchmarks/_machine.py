"""The machine under a benchmark: what it is, which versions run on it, and how much of it others used."""

from __future__ import annotations

import os
import platform
import resource
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

LIBRARIES = (
    "mindle", "torch", "onnxruntime", "openvino", "numpy", "pillow", "scipy", "scikit-learn", "lightgbm",
    "catboost",
)  # fmt: skip
FLAGS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "avx_vnni",
    "amx_tile",
    "amx_bf16",
    "amx_int8",
    "asimd",
)
# Beyond this share of the machine, a figure says more about the neighbours.
BUSY = 0.08
# The system counts in hundredths of a second: in less time than this, shares mean nothing.
SHORT = 1.0


def surroundings() -> dict[str, Any]:
    """The machine, its load and the versions that a figure belongs to."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": platform.machine(),
        **_processor(),
        "cores": cores(),
        "load": load(),
        "python": platform.python_version(),
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
    }


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def load() -> list[float] | None:
    """The system's load averages over 1, 5 and 15 minutes."""
    return [round(each, 2) for each in os.getloadavg()] if hasattr(os, "getloadavg") else None


def _processor() -> dict[str, Any]:
    """Model name and vector extensions, where the system tells them."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return {"processor": platform.processor()}
    told = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    flags = set(told.get("flags", told.get("Features", "")).split())
    return {
        "processor": told.get("model name", platform.processor()),
        "flags": [flag for flag in FLAGS if flag in flags],
        "memory_gb": round(pages / 2**30, 1),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


@dataclass(frozen=True)
class Clock:
    """A moment: on the clock, in our own processor seconds, and in those of the whole machine.

    Example:
        >>> began = Clock.now()
        >>> sorted(began.until(Clock.now()))
        ['cpu_seconds', 'others_cpu_share', 'seconds']
    """

    wall: float
    own: float
    machine: float | None

    @classmethod
    def now(cls) -> Clock:
        """This moment."""
        used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return cls(time.perf_counter(), sum(each.ru_utime + each.ru_stime for each in used), _busy_seconds())

    def until(self, end: Clock) -> dict[str, Any]:
        """Seconds, processor seconds of ours, and the share of the machine that others had meanwhile."""
        seconds, own = end.wall - self.wall, end.own - self.own
        share = None
        if self.machine is not None and end.machine is not None and seconds > SHORT:
            theirs = end.machine - self.machine - own
            share = round(max(0.0, theirs) / seconds / (os.cpu_count() or 1), 3)
        return {"seconds": seconds, "cpu_seconds": round(own, 2), "others_cpu_share": share}


def _busy_seconds() -> float | None:
    """Seconds that all processors of the machine were not idle since it started; None where nobody counts."""
    try:
        line = Path("/proc/stat").read_text(encoding="utf-8").partition("\n")[0]
    except OSError:
        return None
    user, nice, system, idle, waiting, *rest = map(int, line.split()[1:9])
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK")
