"""A whole search: trials run in this process or several, and reported as they end."""

from __future__ import annotations

import time

from mindle.errors import ModelError
from mindle.messages import Message, message
from mindle.training.budget import Deadline
from mindle.training.search.space import Space
from mindle.training.search.study import Search, Trial, best_of, finished_trials, run_trials
from mindle.training.search.workers import worker_processes
from mindle.training.tracking import Tracking

# Without a budget a search has so many trials; a grid has as many as it has points.
TRIALS = 50


def trial_count(trials: int | None, limited: bool, space: Space, sampler: str) -> int | None:
    """How many trials a search should have; None for as many as there is time for.

    Args:
        trials: As the user asked.
        limited: Whether there is a budget.
        space: What is varied.
        sampler: "tpe", "random" or "grid".
    """
    if sampler == "grid":
        points = len(space.grid())
        return points if trials is None else min(trials, points)
    return TRIALS if trials is None and not limited else trials


def run_search(search: Search, deadline: Deadline, *, workers: int, listener: Tracking) -> Trial:
    """Run the trials of a study.

    Args:
        search: The study, opened by this process.
        deadline: When they must be over.
        workers: How many processes run trials.
        listener: Hears of the trials.

    Returns:
        The best trial.

    Raises:
        ModelError: If no trial came to its end.
    """
    before = finished_trials(search)
    if before:
        listener.say(message("search.say.resuming", n=len(before)))
    listener.say(_announcement(search, workers))
    search.task.prepare()
    reporter = _Reporter(search, before, listener)
    if workers > 1:
        with worker_processes(search, workers, deadline) as running:
            while running():
                time.sleep(0.3)
                for trial in finished_trials(search):
                    reporter.hear(trial)
    run_trials(search, deadline, callback=reporter.hear)
    trials = finished_trials(search)
    best = best_of(trials)
    if best is None:
        why = next((trial.note for trial in trials if trial.note), "no trial ended within the budget")
        raise ModelError(
            f"No trial of {len(trials)} completed; the first: {why}. Change the space, or give a longer "
            "--budget."
        )
    listener.say(
        message("search.say.best", n=len(trials), number=best.number, score=_in_figures(best, search))
    )
    return best


def _in_figures(trial: Trial, search: Search) -> Message:
    return message(f"search.score.{search.task.score}", value=trial.value, accuracy=trial.accuracy)


def _announcement(search: Search, workers: int) -> Message:
    count, names = search.options.trials, [dimension.name for dimension in search.task.space.dimensions]
    trials = message("search.say.all-the-time") if count is None else message("search.say.trials", n=count)
    if workers > 1:
        trials = message("search.say.workers", trials=trials, n=workers)
    return message("search.say.start", trials=trials, sampler=search.options.sampler, names=names)


class _Reporter:
    """Reports trials: each moves the bar, and those that are better than all before get a line."""

    def __init__(self, search: Search, before: list[Trial], listener: Tracking) -> None:
        self._search, self._listener = search, listener
        self._heard = {trial.number for trial in before}
        self._best = best_of(before)

    def hear(self, trial: Trial) -> None:
        """Report one trial, once."""
        if trial.number in self._heard:
            return
        self._heard.add(trial.number)
        say, score = self._listener.say, self._search.task.score
        if trial.state == "complete":
            best = best_of([trial, self._best] if self._best else [trial])
            if best is trial:
                facts = {"number": trial.number, "note": trial.note, "seconds": trial.seconds}
                say(message("search.say.better", score=_in_figures(trial, self._search), **facts))
            self._best = best
            values = {f"trial_{score}": trial.value, f"best_{score}": best.value if best else None}
            self._listener.log(trial.number, values)
        if trial.state == "failed":
            say(message("search.say.failed", number=trial.number, note=trial.note))
        done = len(self._heard)
        self._listener.progress("search", done, max(done, self._search.options.trials or done + 1))
