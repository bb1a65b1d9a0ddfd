"""What searches over images and over tables have in common: the trials are run, reported and recorded."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from mindle.api.run_context import RunContext
from mindle.artifacts.files import write_text
from mindle.errors import DeviceError, ModelError

if TYPE_CHECKING:
    from mindle.training.budget import Deadline
    from mindle.training.search.judge import Judge
    from mindle.training.search.space import Space
    from mindle.training.search.study import Search, Trial
    from mindle.training.search.table_task import TableTask
    from mindle.training.search.workers import Task
    from mindle.training.tracking import Tracking

# Without a budget a search has so many trials; a grid has as many as it has points.
TRIALS = 50
# The study's storage in the run folder, where no other was named.
SEARCH_FILE = "search.db"


def require_optuna() -> None:
    """Refuse a search where Optuna is not installed."""
    if find_spec("optuna") is None:
        raise DeviceError("A search needs Optuna, which is not installed: `pip install 'mindle[tune]'`.")


def require_counts(trials: int | None, workers: int) -> None:
    """Refuse numbers of trials and of processes that are none."""
    for name, count in (("trials", trials), ("workers", workers)):
        if count is not None and not 1 <= count <= 1_000_000:
            raise ValueError(f"`{name}` must be 1 or more. Received {name}={count}.")


def trials_wanted(trials: int | None, seconds: float | None, space: Space, sampler: str) -> int | None:
    """How many trials a search should have; None for as many as there is time for."""
    from mindle.training.search.space import size_of

    if sampler == "grid":
        points = size_of(space)
        return points if trials is None else min(trials, points)
    return TRIALS if trials is None and seconds is None else trials


def study_name(name: str, asked: Mapping[str, Any], fingerprint: str) -> str:
    """The same for the same search, so that calls that share a storage share it; never for another."""
    facts = {key: value for key, value in asked.items() if key not in ("source", "weights", "storage")}
    text = json.dumps([fingerprint, facts], sort_keys=True, default=str)
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def hidden_storage(storage: str | None) -> str | None:
    """The storage that was asked for, without its password."""
    from mindle.training.search.study import hidden

    return None if storage is None else hidden(storage)


# ---- the search -------------------------------------------------------------------------------------------


def run_search(
    task: Task | TableTask,
    search: Search,
    bench: Judge,
    run: RunContext,
    *,
    workers: int,
    deadline: Deadline,
    ahead: Callable[[], None] = lambda: None,
    score: str = "log_loss",
) -> None:
    """Run the trials, and write down what came of them: the winner's recipe in run.json and recipe.toml.

    Args:
        task: What every process is given.
        search: The study, opened by this process; closed at the end.
        bench: Evaluates the trials of this process.
        run: Whose trials these are.
        workers: How many processes run trials.
        deadline: When they must be over.
        ahead: Done before the first trial.
        score: What a trial's value is: "log_loss" or "rmse".

    Raises:
        ModelError: If no trial came to its end.
    """
    from mindle.training.recipe import as_dict, as_toml
    from mindle.training.search.study import best_of, hidden, importance, over, run_trials

    told, folder, run_log = run.listener, run.folder, run.log
    before = over(search)
    if before:
        told.say(f"{len(before)} trials are there already; the search goes on after them.")
    told.say(_announcement(task, search.space, workers))
    ahead()
    telling = _Telling(task.trials, before, told, score)
    if workers > 1:
        _work_together(
            replace(task, session=search.session), search, telling, workers=workers, deadline=deadline
        )
    run_trials(search, bench, trials=task.trials, told=telling.hear)
    trials = over(search)
    best = best_of(trials)
    if best is None:
        why = next((trial.note for trial in trials if trial.note), "no trial ended within the budget")
        raise ModelError(
            f"No trial of {len(trials)} came to its end; the first: {why}. Change the space, or give a "
            "longer --budget."
        )
    recipe = search.space.recipe(best.point)
    write_text(folder.path / "recipe.toml", as_toml(recipe))
    folder.write_trials([_document(trial, score) for trial in trials])
    states = [trial.state for trial in trials]
    run_log.record(
        recipe=as_dict(recipe),
        search={
            "sampler": task.sampler,
            "storage": SEARCH_FILE if task.storage.endswith(SEARCH_FILE) else hidden(task.storage),
            "study": task.name,
            "score": score,
            "best": best.number,
            "counts": {state: states.count(state) for state in ("complete", "pruned", "failed")},
            "space": search.space.as_dict(),
            "importance": importance(search),
        },
    )
    search.close()
    told.say(
        f"Best of {len(trials)} trials: number {best.number}, {_said(best, score)}. Its recipe: "
        f"{folder.path / 'recipe.toml'}"
    )


def _said(trial: Trial, score: str) -> str:
    """A trial's value in words."""
    if score == "rmse":
        return f"root mean squared error {trial.value:.4g}"
    return f"log loss {trial.value:.4f}, {trial.accuracy or 0:.1%} right"


def _announcement(task: Task | TableTask, space: Space, workers: int) -> str:
    names = ", ".join(dimension.name for dimension in space.dimensions)
    count = "as many trials as there is time for" if task.trials is None else f"{task.trials:,} trials"
    together = f", {workers} at a time" if workers > 1 else ""
    return f"{count} by {task.sampler}{together}, over {names}"


def _work_together(
    task: Task | TableTask, search: Search, telling: _Telling, *, workers: int, deadline: Deadline
) -> None:
    """Let other processes run the trials, and tell of them as they end."""
    from mindle.training.search.study import over
    from mindle.training.search.workers import workers as at_work

    remaining = deadline.remaining()
    limit = None if deadline.budget_seconds is None else remaining
    threads = max(1, (os.cpu_count() or 1) // workers)
    with at_work(task, workers, remaining_seconds=limit, threads=threads) as alive:
        while alive():
            time.sleep(0.3)
            for trial in over(search):
                telling.hear(trial)


class _Telling:
    """Tells of trials: each moves the bar, and those that are better than all before get a line."""

    def __init__(self, wanted: int | None, before: list[Trial], listener: Tracking, score: str) -> None:
        self._wanted, self._score = wanted, score
        self._listener = listener
        self._heard = {trial.number for trial in before}
        self._best = min(
            (t.value for t in before if t.state == "complete" and t.value is not None), default=None
        )

    def hear(self, trial: Trial) -> None:
        """Tell of one trial, once."""
        if trial.number in self._heard:
            return
        self._heard.add(trial.number)
        better = trial.state == "complete" and (
            self._best is None or (trial.value is not None and trial.value < self._best)
        )
        if better:
            self._best = trial.value
            self._listener.say(
                f"trial {trial.number}: {_said(trial, self._score)}, "
                f"the best so far ({trial.note}; {trial.seconds:.1f} s)"
            )
        if trial.state == "complete":
            self._listener.log(
                trial.number, {f"trial_{self._score}": trial.value, f"best_{self._score}": self._best}
            )
        if trial.state == "failed":
            self._listener.say(f"trial {trial.number} failed: {trial.note}")
        done = len(self._heard)
        self._listener.progress("search", done, max(done, self._wanted or done + 1))


def _document(trial: Trial, score: str) -> dict[str, Any]:
    """A trial as a row of trials.csv."""
    return {
        "number": trial.number,
        "state": trial.state,
        score: trial.value,
        "accuracy": trial.accuracy,
        "seconds": trial.seconds,
        "note": trial.note,
        "settings": dict(trial.point),
    }
