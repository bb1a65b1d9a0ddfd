"""Other processes that run trials of a search.

A worker is a new Python, started with this module and given its task as one line of JSON on standard
input: nothing of the caller's program runs in it, so that scripts need no `__main__` guard. The same pipe is
its lifeline: when the process that holds the other end dies, however suddenly, the worker ends too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mindle.artifacts.environment import usable_cores
from mindle.errors import MindleError
from mindle.training.budget import Deadline
from mindle.training.search.images import ImageTask
from mindle.training.search.study import Search, StudyOptions, open_search, run_trials
from mindle.training.search.tables import TableTask
from mindle.training.search.task import SearchTask

# What makes a task again from its document and a number of threads, by its kind.
TASKS: dict[str, Callable[[Mapping[str, Any], int], SearchTask]] = {
    ImageTask.kind: ImageTask.from_dict,
    TableTask.kind: TableTask.from_dict,
}


@contextmanager
def worker_processes(search: Search, count: int, deadline: Deadline) -> Iterator[Callable[[], int]]:
    """Inside the `with` block other processes run the trials of a search.

    Args:
        search: Whose trials they run.
        count: How many.
        deadline: When they must be done.

    Yields:
        How many of them are at work, when it is called.
    """
    threads = max(1, usable_cores() // count)
    line = worker_line(search, deadline.remaining() if deadline.limited else None, threads)
    environment = {
        **os.environ,
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(threads)),
        # A mindle that was found by a changed sys.path is found by its children too.
        "PYTHONPATH": os.pathsep.join(
            filter(None, (str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")))
        ),
    }
    started: list[subprocess.Popen[str]] = []
    try:
        for _ in range(count):
            process = subprocess.Popen(
                [sys.executable, "-m", "mindle.training.search.workers"],
                stdin=subprocess.PIPE,
                text=True,
                env=environment,
                start_new_session=True,  # Ctrl-C reaches the one that was typed at, which ends the others
            )
            started.append(process)
            if process.stdin is not None:
                process.stdin.write(line + "\n")
                process.stdin.flush()
        yield lambda: sum(process.poll() is None for process in started)
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()
            if process.stdin is not None:
                process.stdin.close()


def worker_line(search: Search, remaining_seconds: float | None, threads: int) -> str:
    """What a worker is given: the task, the study, its time and its threads, as one line of JSON."""
    return json.dumps(
        {
            "kind": search.task.kind,
            "task": search.task.as_dict(),
            "study": asdict(search.options),
            "remaining_seconds": remaining_seconds,
            "threads": threads,
        }
    )


def main() -> int:
    """Run trials of the search that standard input names; the exit code."""
    given = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(given["threads"])
    try:
        deadline = Deadline(given["remaining_seconds"])
        task = TASKS[given["kind"]](given["task"], given["threads"])
        search = open_search(task, StudyOptions(**given["study"]))
        run_trials(search, deadline, alone=False)
        search.close()
    except MindleError as error:
        print(f"mindle: a worker ended: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _end_with_parent() -> None:
    sys.stdin.read()  # returns when the other end is closed
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
