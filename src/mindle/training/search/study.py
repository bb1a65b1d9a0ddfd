"""The search: an Optuna study, what each of its trials draws, who runs it, and what came of it.

Nothing of a search is lost when a process dies. A trial that was running then goes back to those that wait,
under its number and with what it had drawn; and since every draw has a seed of its own, from the search's
seed, the trial's number and the setting's name, the search goes on to the trials that it would have had.
Processes of one machine see each other's death by a lock that the system lets go of, those of other machines
by a pulse that stops.

Source:
    Tree-structured Parzen estimator: Bergstra et al. 2011, "Algorithms for hyper-parameter optimization".
    Importance: Watanabe et al. 2023, "PED-ANOVA", https://arxiv.org/abs/2304.10255.
"""

from __future__ import annotations

import hashlib
import math
import sqlite3
import threading
import time
import uuid
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import optuna
import sqlalchemy
from filelock import FileLock, Timeout
from optuna.distributions import BaseDistribution
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, TrialState

from mindle.data import cache_dir
from mindle.errors import DeviceError, MindleError, ModelError
from mindle.training.budget import Deadline, TimeUp
from mindle.training.loop.batches import draw
from mindle.training.search.judge import Judge, Pruned, Score
from mindle.training.search.space import Dimension, Space, label_of

SAMPLERS = ("tpe", "random", "grid")
# So many trials are drawn at random before the estimator has something to go by.
RANDOM_TRIALS = 10
# A net is compared with others at its epoch only after so many trials have shown what is usual.
UNPRUNED_TRIALS = 4
# A trial whose process died so often within one call is not tried again: it may well be what kills it.
MOST_ATTEMPTS = 3
# How often a worker shows other machines that it lives, and after which silence they take it for dead.
PULSE_SECONDS, SILENCE_SECONDS = 15.0, 120.0
# What a trial of a few settings should at least have shown before their importance means anything.
LEAST_TRIALS = 8

Told = Callable[["Trial"], None]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One trial that is over.

    Attributes:
        number: From 0, in the order of their beginning.
        state: "complete", "pruned" or "failed".
        value: Cross-entropy of images or rows not learned from, or root mean squared error of estimates; of
            a pruned trial that of its last epoch or fold; None where it failed.
        accuracy: Share of right answers, None where it did not complete, and for estimates.
        seconds: How long it took.
        point: What it had drawn.
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
class Search:
    """A study opened by one process.

    Attributes:
        study: Optuna's.
        storage: Where it lies.
        space: What is varied.
        local: Whether the storage is a file that only processes of this machine use.
        folder: Where locks lie.
        worker: This process's name.
        session: Of the call that it belongs to; workers have that of the process that started them.
    """

    study: optuna.Study
    storage: optuna.storages.RDBStorage
    space: Space
    local: bool
    folder: Path
    worker: str = field(default_factory=lambda: uuid.uuid4().hex)
    session: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def asking(self) -> FileLock:
        """Held while a trial is handed out, so that none is handed out twice or too many."""
        name = hashlib.sha256(self.study.study_name.encode()).hexdigest()[:24]
        return FileLock(self.folder / f"{name}.lock", is_singleton=True)

    def close(self) -> None:
        """Let go of the storage."""
        self.storage.remove_session()
        self.storage.engine.dispose()

    def deaths(self, trial: FrozenTrial | optuna.Trial) -> int:
        """How often a trial's process died within this call; what was killed before it says nothing."""
        worker = trial.user_attrs.get("worker", {})
        return int(worker["attempts"]) if worker.get("session") == self.session else 0

    def trial_id(self, number: int) -> int:
        """The storage's own number of a trial."""
        study = self.storage.get_study_id_from_name(self.study.study_name)
        return self.storage.get_trial_id_from_study_id_trial_number(study, number)


def open_search(
    url: str,
    name: str,
    space: Space,
    *,
    sampler: str = "tpe",
    seed: int = 0,
    epochs: int = 1,
    session: str = "",
) -> Search:
    """Open a study, or begin it.

    Args:
        url: Of the storage, as SQLAlchemy writes it: sqlite:///search.db, postgresql://user@host/base.
        name: Of the study in it.
        space: What is varied.
        sampler: "tpe", "random" or "grid".
        seed: Of everything that is drawn.
        epochs: That nets are trained for; a fifth of them pass before one is compared with others.
        session: Of the call that this process belongs to; a new one unless set.

    Raises:
        ValueError: If the sampler is unknown, or the URL is none.
        DeviceError: If the storage cannot be reached.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"`sampler` must be one of {', '.join(SAMPLERS)}. Received {sampler!r}.")
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # else it tells of every study that it opens
    storage, local = open_storage(url)
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        sampler=Drawn(sampler, space, seed),
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=UNPRUNED_TRIALS, n_warmup_steps=max(1, epochs // 5)
        ),
        direction="minimize",
        load_if_exists=True,
    )
    folder = cache_dir() / "searches"
    folder.mkdir(parents=True, exist_ok=True)
    found = Search(study=study, storage=storage, space=space, local=local, folder=folder)
    return replace(found, session=session) if session else found


def open_storage(url: str) -> tuple[optuna.storages.RDBStorage, bool]:
    """The storage behind a URL, and whether it is a file of this machine.

    Raises:
        ValueError: If it is no URL of a database.
        DeviceError: If it cannot be reached, or its driver is not installed.
    """
    try:
        parsed = sqlalchemy.make_url(url)
    except sqlalchemy.exc.ArgumentError as error:
        raise ValueError(
            "`storage` must be the URL of a database, such as sqlite:///search.db or "
            f"postgresql://user@host/base. Received {url!r}."
        ) from error
    local = parsed.get_backend_name() == "sqlite"
    settings = {"creator": lambda: _sqlite(str(parsed.database or ":memory:"))} if local else {}
    try:
        return optuna.storages.RDBStorage(url, engine_kwargs=settings), local
    except ImportError as error:
        raise DeviceError(
            f"The storage {hidden(url)} needs its driver ({error}). For PostgreSQL: "
            "`pip install 'psycopg[binary]'`."
        ) from error
    except (sqlalchemy.exc.SQLAlchemyError, sqlite3.Error, StorageInternalError) as error:
        reason = str(getattr(error, "orig", error)).strip().partition("\n")[0]
        raise DeviceError(
            f"The storage {hidden(url)} must be one that can be opened. Received: {reason}."
        ) from error


def _sqlite(path: str) -> sqlite3.Connection:
    """A connection that several processes can use at once.

    A commit reaches the disk's cache, not the platter: it outlives the process, and costs a tenth.
    """
    connection = sqlite3.connect(path, timeout=60.0, check_same_thread=False)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    return connection


def hidden(url: str) -> str:
    """A URL without its password.

    Example:
        >>> hidden("postgresql://me:secret@here/base")
        'postgresql://me:***@here/base'
    """
    return sqlalchemy.make_url(url).render_as_string(hide_password=True)


# ---- what a trial draws -----------------------------------------------------------------------------------


class Drawn(optuna.samplers.BaseSampler):
    """Draws every setting of every trial with a seed of its own.

    So a trial draws the same whoever runs it, and whatever was interrupted before. The first trial takes
    the space's first point; trial n of a grid takes its nth point.

    Args:
        kind: "tpe", "random" or "grid".
        space: What is varied.
        seed: Of the search.
    """

    def __init__(self, kind: str, space: Space, seed: int) -> None:
        self.kind = kind
        self._seed = seed
        self._points = space.grid() if kind == "grid" else [space.first()]

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """None: settings are drawn one by one, for some depend on others."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing, as no setting is drawn together with others."""
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw one setting."""
        given = self._points[trial.number] if trial.number < len(self._points) else {}
        if param_name in given:
            return label_of(given[param_name])
        seed = draw(self._seed, trial.number, zlib.crc32(param_name.encode())) % (1 << 32)
        inner: optuna.samplers.BaseSampler = optuna.samplers.RandomSampler(seed=seed)
        if self.kind == "tpe":
            inner = optuna.samplers.TPESampler(n_startup_trials=RANDOM_TRIALS, n_ei_candidates=24, seed=seed)
        return inner.sample_independent(study, trial, param_name, param_distribution)


def drawn_point(trial: optuna.Trial, space: Space) -> dict[str, Any]:
    """The point of a trial, drawn where it was not yet."""
    point: dict[str, Any] = {}
    for dimension in space.dimensions:
        if dimension.applies(point):
            point[dimension.name] = _suggested(trial, dimension)
    return point


def _suggested(trial: optuna.Trial, dimension: Dimension) -> Any:
    name, low, high = dimension.name, dimension.low, dimension.high
    if dimension.choices:
        labels = [label_of(choice) for choice in dimension.choices]
        return _choice(dimension, trial.suggest_categorical(name, labels))
    if dimension.step:
        high = low + dimension.step * math.floor((high - low) / dimension.step + 1e-9)
    if dimension.whole:
        step = int(dimension.step) or 1
        return trial.suggest_int(name, int(low), int(high), step=step, log=dimension.log)
    return trial.suggest_float(name, low, high, step=dimension.step or None, log=dimension.log)


def _choice(dimension: Dimension, label: Any) -> Any:
    """The choice behind what the storage keeps of it."""
    return next(
        choice
        for choice in dimension.choices
        if label_of(choice) == label and isinstance(choice, bool) == isinstance(label, bool)
    )


# ---- running trials ---------------------------------------------------------------------------------------


def run_trials(
    search: Search,
    bench: Judge,
    *,
    trials: int | None,
    told: Told = lambda trial: None,
    alone: bool = True,
) -> None:
    """Run trials until there are enough or the time is up.

    Args:
        search: The study.
        bench: Judges recipes; its deadline ends the search.
        trials: How many the study should have, those of other processes included; None for as many as
            there is time for.
        told: Hears each trial that ended here.
        alone: Wait for what other processes are still running, to run it should they die.

    Raises:
        DeviceError: If the machine fails; the trial waits to be run again.
        KeyboardInterrupt: On Ctrl-C; the same.
    """
    whole = bench.deadline
    with _presence(search):
        while True:
            bench.deadline, enough = _time_left(search, whole)
            trial = _next(search, trials) if enough else None
            if trial is not None:
                told(_run(search, bench, trial))
            elif not (alone and whole.remaining() and _others_run(search)):
                break
    bench.deadline = whole


def _run(search: Search, bench: Judge, trial: optuna.Trial) -> Trial:
    """One trial, from what it draws to what is told of it."""
    began = time.perf_counter()
    point = drawn_point(trial, search.space)
    score: Score | None = None
    state, note = TrialState.COMPLETE, ""

    def report(epoch: int, loss: float) -> bool:
        if epoch not in trial.storage.get_trial(trial._trial_id).intermediate_values:
            trial.report(loss, epoch)
        return not trial.should_prune()

    with _pulse(search, trial.number), _put_back(search, trial.number):
        try:
            score = bench.judge(search.space.recipe(point), number=trial.number, report=report)
            if not math.isfinite(score.value):
                state, note = TrialState.FAIL, "its loss is no number"
        except Pruned as reason:
            state, note = TrialState.PRUNED, str(reason)
        except TimeUp as reason:
            state, note = TrialState.PRUNED, str(reason)
        except (ModelError, ValueError, RuntimeError) as error:
            # A point that cannot be trained says something about the space, and ends no search.
            state, note = TrialState.FAIL, str(error).partition("\n")[0]
    seconds = time.perf_counter() - began
    known = score if state == TrialState.COMPLETE else None
    trial.set_user_attr(
        "outcome",
        {
            "accuracy": known.accuracy if known else None,
            "seconds": round(seconds, 3),
            "note": known.note if known else note,
        },
    )
    frozen = search.study.tell(trial, known.value if known else None, state=state, skip_if_finished=True)
    return _told(frozen, search.space)


@contextmanager
def _put_back(search: Search, number: int) -> Iterator[None]:
    """What ends the process but not the trial's chances puts it back to those that wait."""
    try:
        yield
    except (KeyboardInterrupt, MemoryError, MindleError):
        search.storage.set_trial_state_values(search.trial_id(number), TrialState.WAITING)
        raise


def _next(search: Search, wanted: int | None) -> optuna.Trial | None:
    """The next trial to run, None where there are enough."""
    with search.asking:
        trials = search.study.get_trials(deepcopy=False)
        waiting = _reclaim(search, trials) + sum(trial.state == TrialState.WAITING for trial in trials)
        if not waiting and wanted is not None and len(trials) >= wanted:
            return None
        trial = search.study.ask()
        worker = {
            "name": search.worker,
            "session": search.session,
            "since": time.time(),
            "attempts": search.deaths(trial) + 1,
        }
        trial.set_user_attr("worker", worker)
        return trial


def _reclaim(search: Search, trials: Sequence[FrozenTrial]) -> int:
    """Put trials of dead processes back to those that wait; how many there were."""
    back = 0
    for trial in trials:
        if trial.state != TrialState.RUNNING or not _is_lost(search, trial):
            continue
        attempts = search.deaths(trial)
        if attempts < MOST_ATTEMPTS:
            search.storage.set_trial_state_values(search.trial_id(trial.number), TrialState.WAITING)
            back += 1
        else:
            number = search.trial_id(trial.number)
            note = f"its process died {attempts} times"
            search.storage.set_trial_user_attr(number, "outcome", {"seconds": 0.0, "note": note})
            search.storage.set_trial_state_values(number, TrialState.FAIL)
    return back


def _is_lost(search: Search, trial: FrozenTrial) -> bool:
    """Whether the process that ran a trial is no more."""
    worker = trial.user_attrs.get("worker")
    if worker is None:
        # Whoever asks holds the lock until the trial bears a name: on this machine it died in between.
        began = trial.datetime_start
        return search.local or (began is not None and time.time() - began.timestamp() > SILENCE_SECONDS)
    if worker["name"] == search.worker:
        return False
    path = search.folder / f"{worker['name']}.lock"
    if path.exists():
        try:
            with FileLock(path, timeout=0):
                pass
        except Timeout:
            return False
        with suppress(OSError):
            path.unlink()
        return True
    if search.local:
        return True  # its lock lay here, and it took it away when it ended
    return time.time() - float(trial.user_attrs.get("pulse", worker["since"])) > SILENCE_SECONDS


@contextmanager
def _presence(search: Search) -> Iterator[None]:
    """Inside the `with` block other processes of this machine see that this one lives."""
    path = search.folder / f"{search.worker}.lock"
    lock = FileLock(path)
    lock.acquire()
    try:
        yield
    finally:
        lock.release()
        with suppress(OSError):
            path.unlink()


@contextmanager
def _pulse(search: Search, number: int) -> Iterator[None]:
    """Inside the `with` block other machines see that this process lives."""
    if search.local:
        yield
        return
    over = threading.Event()
    trial = search.trial_id(number)

    def beat() -> None:
        while not over.wait(PULSE_SECONDS):
            with suppress(Exception):  # a storage that is gone is noticed where it matters
                search.storage.set_trial_user_attr(trial, "pulse", time.time())

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _others_run(search: Search) -> bool:
    """Whether other processes still run trials, after a moment's wait."""
    running = search.study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING))
    if running:
        time.sleep(0.2)
    return bool(running)


def _time_left(search: Search, whole: Deadline) -> tuple[Deadline, bool]:
    """The deadline of the next trial, and whether a usual one would end before it.

    What is best so far must still be trained once more afterwards.
    """
    if math.isinf(whole.remaining()):
        return whole, True
    trials = over(search)
    best, seconds = best_of(trials), [trial.seconds for trial in trials if trial.state == "complete"]
    left = whole.reserving(1.2 * best.seconds if best else 0.0)
    return left, left.remaining() > (median(seconds) if seconds else 0.0)


# ---- what came of it --------------------------------------------------------------------------------------


def over(search: Search) -> list[Trial]:
    """Every trial that is over, by number."""
    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
    return [_told(trial, search.space) for trial in search.study.get_trials(deepcopy=False, states=states)]


def best_of(trials: Sequence[Trial]) -> Trial | None:
    """The complete trial of the lowest value, the first of equals."""
    complete = [trial for trial in trials if trial.state == "complete" and trial.value is not None]
    return min(complete, key=lambda trial: (trial.value, trial.number)) if complete else None


def importance(search: Search) -> dict[str, float]:
    """What share of the difference between good trials and the rest each setting explains.

    Returns:
        Name to share, the largest first, adding up to 1; empty where trials are too few.
    """
    complete = [trial for trial in over(search) if trial.state == "complete"]
    if len(complete) < LEAST_TRIALS:
        return {}
    # Its warnings say that the estimate is a new method, and where all trials came out alike.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = optuna.importance.PedAnovaImportanceEvaluator().evaluate(search.study)
    total = sum(found.values())
    shares = {name: value / total for name, value in found.items()} if total > 0 else {}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def _told(trial: FrozenTrial, space: Space) -> Trial:
    outcome = trial.user_attrs.get("outcome", {})
    dimensions = {dimension.name: dimension for dimension in space.dimensions}
    point = {
        name: _choice(dimensions[name], value) if dimensions[name].choices else value
        for name, value in trial.params.items()
    }
    states = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned"}
    value = trial.value if trial.values is not None else None
    return Trial(
        number=trial.number,
        state=states.get(trial.state, "failed"),
        value=value if value is not None and np.isfinite(value) else None,
        accuracy=outcome.get("accuracy"),
        seconds=float(outcome.get("seconds", 0.0)),
        point={
            dimension.name: point[dimension.name] for dimension in space.dimensions if dimension.name in point
        },
        note=str(outcome.get("note", "")),
    )
