"""A search: an Optuna study of a task, run by one process or several, of which no trial is lost.

A trial that was running when its process died is queued again under its number and with what it had sampled,
so that the search goes on to the trials that it would have had. (Optuna's retry callback gives it a new
number, and with that other values to all that follow.) Processes of one machine notice each other's death by
a lock that the system releases, those of other machines by Optuna's heartbeat.

Source:
    Importance: Watanabe et al. 2023, "PED-ANOVA", https://arxiv.org/abs/2304.10255.
"""

from __future__ import annotations

import hashlib
import math
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import optuna
from filelock import FileLock, Timeout
from optuna.storages._heartbeat import get_heartbeat_thread
from optuna.trial import FrozenTrial, TrialState

from mindle.artifacts.files import cache_dir
from mindle.errors import MindleError, ModelError
from mindle.messages import message, message_document, read_message
from mindle.training.budget import Deadline, TimeUp
from mindle.training.search.sampler import SeededSampler, require_sampler, sampled_point
from mindle.training.search.space import Space
from mindle.training.search.storage import GRACE_SECONDS, open_storage
from mindle.training.search.task import Pruned, Score, SearchTask, TrialMonitor

# A trial is compared with others at its step only after so many trials have shown what is usual.
UNPRUNED_TRIALS = 4
# A trial whose process died so often within one call is not tried again: it may well be what kills it.
MOST_ATTEMPTS = 3
# So many complete trials must have run before the importance of settings means anything.
IMPORTANCE_TRIALS = 8

STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial that is over.

    Attributes:
        number: From 0, in the order of their beginning.
        state: "complete", "pruned" or "failed".
        value: The task's score; of a pruned trial that of its last epoch or fold; None where it failed.
        accuracy: Share of right answers, None where it did not complete, and for estimates.
        seconds: How long it took.
        point: What it sampled.
        note: What was built, or why it did not complete.
    """

    number: int
    state: str
    value: float | None
    accuracy: float | None
    seconds: float
    point: Mapping[str, Any]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """How a study samples and where it is stored.

    Attributes:
        storage: URL, as SQLAlchemy writes it: sqlite:///search.db, postgresql://user@host/base.
        name: Of the study in it.
        sampler: "tpe", "random" or "grid".
        trials: How many it should have; None for as many as there is time for.
        seed: Of everything that is sampled.
        session: Of the call that this process belongs to; workers have that of the process that started them.
    """

    storage: str
    name: str
    sampler: str = "tpe"
    trials: int | None = None
    seed: int = 0
    session: str = field(default_factory=lambda: uuid.uuid4().hex)


@dataclass(frozen=True, kw_only=True)
class Search:
    """A study opened by one process.

    Attributes:
        task: What is searched.
        options: Of the study.
        study: Optuna's.
        storage: The database.
        folder: Where locks lie.
        worker: This process's name.
    """

    task: SearchTask
    options: StudyOptions
    study: optuna.Study
    storage: optuna.storages.RDBStorage
    folder: Path
    worker: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def lock(self) -> FileLock:
        """Taken while a trial is handed out, so that none is handed out twice or too many."""
        name = hashlib.sha256(self.study.study_name.encode()).hexdigest()[:24]
        return FileLock(self.folder / f"{name}.lock", is_singleton=True)

    @property
    def local(self) -> bool:
        """Whether the storage is a file that only processes of this machine use."""
        return self.storage.get_heartbeat_interval() is None

    def close(self) -> None:
        """Close the storage."""
        self.storage.remove_session()
        self.storage.engine.dispose()

    def deaths(self, trial: FrozenTrial | optuna.Trial) -> int:
        """How often a trial's process died within this call; what was killed before it says nothing."""
        worker = trial.user_attrs.get("worker", {})
        return int(worker["attempts"]) if worker.get("session") == self.options.session else 0

    def requeue(self, trial_id: int) -> None:
        """Let a trial run again under its number."""
        self.storage.set_trial_state_values(trial_id, TrialState.WAITING)


def open_search(task: SearchTask, options: StudyOptions) -> Search:
    """Open a study, or begin it.

    Raises:
        ValueError: If the sampler is unknown, or the URL is none.
        DeviceError: If the storage cannot be reached.
    """
    require_sampler(options.sampler)
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # else it reports every study that it opens
    storage = open_storage(options.storage)
    study = optuna.create_study(
        study_name=options.name,
        storage=storage,
        sampler=SeededSampler(options.sampler, task.space, options.seed),
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=UNPRUNED_TRIALS, n_warmup_steps=max(1, task.warmup_steps)
        ),
        direction="minimize",
        load_if_exists=True,
    )
    folder = cache_dir() / "searches"
    folder.mkdir(parents=True, exist_ok=True)
    return Search(task=task, options=options, study=study, storage=storage, folder=folder)


# ---- running trials ---------------------------------------------------------------------------------------


def run_trials(
    search: Search,
    deadline: Deadline,
    *,
    callback: Callable[[Trial], None] = lambda trial: None,
    alone: bool = True,
) -> None:
    """Run trials until there are enough, those of other processes included, or the time is up.

    Args:
        search: The study.
        deadline: When all trials must be over.
        callback: Is given each trial that ended here.
        alone: Wait for what other processes are still running, to run it should they die.

    Raises:
        DeviceError: If the machine fails; the trial is queued again.
        KeyboardInterrupt: On Ctrl-C; the same.
    """
    with _presence(search):
        while True:
            left, enough = _time_left(search, deadline)
            trial = _next(search) if enough else None
            if trial is not None:
                callback(_run(search, trial, left))
            elif not (alone and deadline.remaining() and _others_run(search)):
                break


def _run(search: Search, trial: optuna.Trial, deadline: Deadline) -> Trial:
    """One trial, from what it samples to what is stored of it."""
    began = time.perf_counter()
    task, point = search.task, sampled_point(trial, search.task.space)
    score: Score | None = None
    state = TrialState.FAIL

    def report(step: int, value: float) -> bool:
        if step not in trial.storage.get_trial(trial._trial_id).intermediate_values:
            trial.report(value, step)
        return not trial.should_prune()

    try:
        with get_heartbeat_thread(trial._trial_id, search.storage):
            monitor = TrialMonitor(number=trial.number, report=report, deadline=deadline)
            score = task.evaluate(task.space.recipe(point), monitor)
        if math.isfinite(score.value):
            state, note = TrialState.COMPLETE, score.note
        else:
            score, note = None, message("search.note.no-number")
    except (Pruned, TimeUp) as reason:
        state, note = TrialState.PRUNED, reason.args[0]
    except (ModelError, ValueError, RuntimeError) as error:
        # A point that cannot be trained says something about the space, and ends no search.
        note = str(error).partition("\n")[0]
    except (KeyboardInterrupt, MemoryError, MindleError):
        search.requeue(trial._trial_id)  # the process ends, but it says nothing about the trial
        raise
    seconds = round(time.perf_counter() - began, 3)
    outcome = {"accuracy": score and score.accuracy, "seconds": seconds, **_noted(note)}
    trial.set_user_attr("outcome", outcome)
    frozen = search.study.tell(trial, score.value if score else None, state=state, skip_if_finished=True)
    return _trial_of(frozen, task.space)


def _next(search: Search) -> optuna.Trial | None:
    """The next trial to run, None where there are enough."""
    wanted = search.options.trials
    with search.lock:
        trials = search.study.get_trials(deepcopy=False)
        waiting = _reclaim(search, trials) + sum(trial.state == TrialState.WAITING for trial in trials)
        if not waiting and wanted is not None and len(trials) >= wanted:
            return None
        with warnings.catch_warnings():
            # The beats of a trial that was asked for are sent below.
            warnings.filterwarnings("ignore", message="Heartbeat of storage", category=UserWarning)
            trial = search.study.ask()
        worker = {
            "name": search.worker,
            "session": search.options.session,
            "attempts": search.deaths(trial) + 1,
        }
        trial.set_user_attr("worker", worker)
        if not search.local:
            search.storage.record_heartbeat(trial._trial_id)
        return trial


def _reclaim(search: Search, trials: Sequence[FrozenTrial]) -> int:
    """Queue the trials of dead processes again; how many there were."""
    queued = 0
    running = [trial for trial in trials if trial.state == TrialState.RUNNING]
    stale = (
        search.storage._get_stale_trial_ids(search.study._study_id) if running and not search.local else []
    )
    for trial in running:
        if not _is_lost(search, trial, stale):
            continue
        attempts = search.deaths(trial)
        if attempts < MOST_ATTEMPTS:
            search.requeue(trial._trial_id)
            queued += 1
        else:
            outcome = {"seconds": 0.0, **_noted(message("search.note.died", n=attempts))}
            search.storage.set_trial_user_attr(trial._trial_id, "outcome", outcome)
            search.storage.set_trial_state_values(trial._trial_id, TrialState.FAIL)
    return queued


def _is_lost(search: Search, trial: FrozenTrial, stale: Sequence[int]) -> bool:
    """Whether the process that ran a trial is dead."""
    worker = trial.user_attrs.get("worker")
    if worker is None:
        # Whoever hands out a trial holds the lock until it bears a name: on this machine it died in between.
        began = trial.datetime_start
        return search.local or (began is not None and time.time() - began.timestamp() > GRACE_SECONDS)
    if worker["name"] == search.worker:
        return False
    path = search.folder / f"{worker['name']}.lock"
    if not path.exists():
        # A process of this machine removed its lock when it ended; another machine's lies elsewhere.
        return search.local or trial._trial_id in stale
    try:
        with FileLock(path, timeout=0):
            pass
    except Timeout:
        return False
    with suppress(OSError):
        path.unlink()
    return True


@contextmanager
def _presence(search: Search) -> Iterator[None]:
    """Inside the `with` block other processes of this machine see that this one is alive."""
    path = search.folder / f"{search.worker}.lock"
    try:
        with FileLock(path):
            yield
    finally:
        with suppress(OSError):
            path.unlink()


def _others_run(search: Search) -> bool:
    """Whether other processes still run trials, after a moment's wait."""
    running = search.study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING))
    if running:
        time.sleep(0.2)
    return bool(running)


def _time_left(search: Search, deadline: Deadline) -> tuple[Deadline, bool]:
    """The deadline of the next trial, and whether a usual one would end before it.

    The best so far must still be trained once more afterwards.
    """
    if not deadline.limited:
        return deadline, True
    trials = finished_trials(search)
    best, seconds = best_of(trials), [trial.seconds for trial in trials if trial.state == "complete"]
    left = deadline.reserving(1.2 * best.seconds if best else 0.0)
    return left, left.remaining() > (median(seconds) if seconds else 0.0)


# ---- results ----------------------------------------------------------------------------------------------


def finished_trials(search: Search) -> list[Trial]:
    """Every trial that is over, by number."""
    trials = search.study.get_trials(deepcopy=False, states=tuple(STATES))
    return [_trial_of(trial, search.task.space) for trial in trials]


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """The complete trial of the lowest value, the first of equals."""
    complete = [trial for trial in trials if trial.state == "complete" and trial.value is not None]
    return min(complete, key=lambda trial: (trial.value, trial.number)) if complete else None


def importance(search: Search) -> dict[str, float]:
    """What share of the difference between good trials and the rest each setting explains.

    Returns:
        Name to share, the largest first, adding up to 1; empty where trials are too few.
    """
    if sum(trial.state == "complete" for trial in finished_trials(search)) < IMPORTANCE_TRIALS:
        return {}
    # Its warnings say that the estimate is a new method, and where all trials came out alike.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = optuna.importance.PedAnovaImportanceEvaluator().evaluate(search.study)
    total = sum(found.values())
    shares = {name: value / total for name, value in found.items()} if total > 0 else {}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _trial_of(trial: FrozenTrial, space: Space) -> Trial:
    outcome, value = trial.user_attrs.get("outcome", {}), trial.value if trial.values is not None else None
    return Trial(
        number=trial.number,
        state=STATES[trial.state],
        value=value if value is not None and np.isfinite(value) else None,
        accuracy=outcome.get("accuracy"),
        seconds=float(outcome.get("seconds", 0.0)),
        point={
            dimension.name: dimension.choice(trial.params[dimension.name])
            for dimension in space.dimensions
            if dimension.name in trial.params
        },
        note=read_message(str(outcome.get("note", "")), outcome),
    )


def _noted(note: str) -> dict[str, Any]:
    """A note as the storage keeps it: its text, and how to say it in another language."""
    return {"note": str(note), **message_document(note)}
