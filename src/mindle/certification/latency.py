"""How long an answer takes, and how much memory, by how many are asked for at once."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mindle.certification.samples import Sample
from mindle.serving.opened import Opened

BATCHES = (1, 8, 32)  # ascending, see `answer_alone`
_WARM = 3
_SECONDS = 4.0  # a batch size may take, and at most this share of the time for everything
_SHARE = 0.02
_LEAST, _MOST = 10, 300  # calls that are timed


def latency(opened: Opened, sample: Sample, bundle: Path, *, seconds: float) -> list[dict[str, Any]]:
    """Quantiles of the time of an answer, in milliseconds, and peak memory, for each batch size.

    The time is what a caller waits in a process that is warm: images come as the bytes of files, rows as
    values. Memory is that of a process which does nothing else; 0 where the system does not say it.

    Args:
        opened: The model.
        sample: Whose images or rows are asked for.
        bundle: Its folder.
        seconds: What there is for everything.
    """
    found, memory = [], _memory(bundle)
    for batch, peak in zip(BATCHES, memory, strict=True):
        times = _timed(sample.request(opened, batch), min(_SECONDS, _SHARE * seconds))
        quantiles = (1000 * np.quantile(times, (0.5, 0.95, 0.99))).round(3).tolist()
        named = dict(zip(("p50", "p95", "p99"), quantiles, strict=True))
        found.append({"batch": batch, **named, "calls": len(times), "memory_bytes": peak})
    return found


def _timed(request: Callable[[], object], limit: float) -> list[float]:
    for _ in range(_WARM):
        request()
    times: list[float] = []
    end = time.monotonic() + limit
    while len(times) < _LEAST or (time.monotonic() < end and len(times) < _MOST):
        start = time.perf_counter()
        request()
        times.append(time.perf_counter() - start)
    return times


def _memory(bundle: Path) -> list[int]:
    command = [sys.executable, "-m", "mindle.certification.latency", str(bundle)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    peaks = [int(word) for word in done.stdout.split() if word.isdecimal()]
    return peaks if done.returncode == 0 and len(peaks) == len(BATCHES) else [0] * len(BATCHES)


def answer_alone(bundle: Path) -> list[int]:
    """The peak memory of this process after it has answered batches of each size.

    Larger ones come later, so that the peak is theirs, also where a system cannot forget an earlier one.
    """
    from mindle.artifacts.bundle import read_bundle
    from mindle.artifacts.environment import peak_memory_bytes
    from mindle.serving.opened import open_bundle

    read = read_bundle(bundle)
    opened, arrays, peaks = open_bundle(read), read.reference(), []
    inputs = {name: arrays[name] for name in read.inputs if name in arrays}
    for batch in BATCHES:
        opened.graph({name: np.resize(rows, (batch, *rows.shape[1:])) for name, rows in inputs.items()})
        peaks.append(peak_memory_bytes())
    return peaks


if __name__ == "__main__":
    print(*answer_alone(Path(sys.argv[1])))
