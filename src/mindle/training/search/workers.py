"""A search as a task that any process can be given, and processes of their own that take part in it.

A worker is a Python of its own, started with this module and told its task as one line of JSON on standard
input: nothing of the caller's program runs in it, so that scripts need no `__main__` guard. The same pipe is
its lifeline: when the process that holds the other end dies, however suddenly, the worker ends too.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from mindle.artifacts.manifest import read_manifest
from mindle.data.reading import ReadingOptions
from mindle.errors import DataError, MindleError
from mindle.records import SILENT, Dataset, Listener
from mindle.training.budget import Deadline
from mindle.training.device import choose_device
from mindle.training.images.problem import Problem
from mindle.training.recipe import Recipe, as_dict, from_dict
from mindle.training.search.image_trials import Bench
from mindle.training.search.judge import Judge
from mindle.training.search.space import Space, make_space
from mindle.training.search.study import Search, open_search, run_trials
from mindle.training.search.table_task import TableTask


@dataclass(frozen=True, kw_only=True)
class Task:
    """Everything that a process must know to take part in a search; all of it can stand in JSON.

    Attributes:
        source: What the user typed for the data.
        reading: What else was said of them; see `ReadingOptions`.
        split_seed: Seed of the split.
        manifest: The run's manifest, which says how the data were checked and split.
        classes: Class names in their order.
        typical_size: Median (height, width) of the images.
        storage: URL of the study's storage.
        name: Of the study.
        entries: Of the space.
        bases: Recipes that points change, nested settings by strategy.
        strategy: Of points that say none.
        backbones: What "backbones" in the space stands for.
        views: Up to how many augmented views "views" in the space stands for.
        sampler: "tpe", "random" or "grid".
        trials: How many the study should have; None for as many as there is time for.
        weights: Where to look for weights first.
        device: Where nets are trained.
        seed: Of what is drawn, and of every trial.
        folder: Where nets keep their checkpoints.
        session: Of the call that the process belongs to.
    """

    source: str
    reading: Mapping[str, Any]
    split_seed: int
    manifest: str
    classes: Sequence[str]
    typical_size: Sequence[int]
    storage: str
    name: str
    entries: Mapping[str, Any]
    bases: Mapping[str, Mapping[str, Any]]
    strategy: str
    backbones: Sequence[str]
    views: int
    sampler: str
    trials: int | None
    weights: str | None
    device: str
    seed: int
    folder: str
    session: str = ""

    def space(self) -> Space:
        """What is varied."""
        bases = {name: from_dict(settings) for name, settings in self.bases.items()}
        return make_space(self.entries, bases, self.strategy, backbones=self.backbones, views=self.views)

    def search(self) -> Search:
        """The study, opened by this process."""
        space = self.space()
        nets = [base.train.epochs for name, base in space.bases.items() if name != "probe"]
        return open_search(
            self.storage,
            self.name,
            space,
            sampler=self.sampler,
            seed=self.seed,
            epochs=min(nets, default=1),
            session=self.session,
        )

    def bench(self, dataset: Dataset, deadline: Deadline, listener: Listener = SILENT) -> Bench:
        """What judges its recipes."""
        height, width = self.typical_size
        return Bench(
            problem=Problem.of(dataset, typical_size=(height, width)),
            weights=None if self.weights is None else Path(self.weights),
            device=choose_device(self.device),
            seed=self.seed,
            deadline=deadline,
            folder=Path(self.folder),
            listener=listener,
        )


def bases_as_dict(bases: Mapping[str, Recipe]) -> dict[str, dict[str, Any]]:
    """Recipes by strategy as nested settings."""
    return {name: as_dict(recipe) for name, recipe in bases.items()}


def restored(
    source: str,
    manifest: Path,
    classes: Sequence[str],
    *,
    reading: ReadingOptions | None = None,
    split_seed: int = 0,
) -> Dataset:
    """The data as a run checked and split them, without checking them again.

    Raises:
        DataError: If the files are no longer those of the manifest.
    """
    dataset = (reading or ReadingOptions()).read_images(source, split_seed=split_seed)
    rows = {row.path: row for row in read_manifest(manifest)}
    if set(rows) != set(dataset.paths):
        raise DataError(f"The data in {source} must be those of {manifest}. Files have come or gone.")
    found = [rows[path] for path in dataset.paths]
    number = {name: at for at, name in enumerate(classes)}
    return replace(
        dataset,
        classes=tuple(classes),
        labels=np.array([number.get(row.label, -1) for row in found], np.int64),
        groups=tuple(row.group for row in found),
        set_aside=tuple(row.finding for row in found),
        sha256=tuple(row.sha256 for row in found),
        parts=tuple(row.split for row in found),
    )


# ---- starting them ----------------------------------------------------------------------------------------


@contextmanager
def workers(
    task: Task | TableTask, count: int, *, remaining_seconds: float | None, threads: int
) -> Iterator[Callable[[], int]]:
    """Inside the `with` block processes of their own run the trials of a task.

    Args:
        task: What they do.
        count: How many.
        remaining_seconds: When they must be done; None for no limit.
        threads: How many each may compute on.

    Yields:
        How many of them are at work, when it is called.
    """
    line = json.dumps({**asdict(task), "remaining_seconds": remaining_seconds, "threads": threads})
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


# ---- being one --------------------------------------------------------------------------------------------


def main() -> int:
    """Take part in the search that standard input names; the exit code."""
    given = json.loads(sys.stdin.readline())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    import torch

    torch.set_num_threads(given["threads"])
    try:
        task, bench = _at_work(given)
        search = task.search()
        run_trials(search, bench, trials=task.trials, alone=False)
        search.close()
    except MindleError as error:
        print(f"mindle: a worker ended: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def _at_work(given: Mapping[str, Any]) -> tuple[Task | TableTask, Judge]:
    """The task that stands in a line of JSON, and what judges its recipes."""
    deadline, threads = Deadline(given["remaining_seconds"]), given["threads"]
    if "manifest" not in given:
        rows = TableTask(**{each.name: given[each.name] for each in fields(TableTask)})
        return rows, rows.bench(rows.table(), deadline, threads=threads)
    task = Task(**{each.name: given[each.name] for each in fields(Task)})
    dataset = restored(
        task.source,
        Path(task.manifest),
        task.classes,
        reading=ReadingOptions.from_dict(task.reading),
        split_seed=task.split_seed,
    )
    return task, replace(task.bench(dataset, deadline), threads=threads)


def _end_with_parent() -> None:
    sys.stdin.read()  # returns when the other end is closed
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
