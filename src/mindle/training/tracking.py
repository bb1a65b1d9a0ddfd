"""Logging a run to MLflow or TensorBoard. Off unless asked for.

A tracker hears what a `Listener` hears, and at the end it is given the run's folder. Where its server is gone
or its disk is full, that is said once and the training goes on.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from time import time
from typing import Any

from mindle.errors import DeviceError
from mindle.messages import message
from mindle.records import Listener
from mindle.version import __version__

# MLflow's own patience with a server that does not answer is several minutes, again for every call.
PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
# Files of a run, and of a search, that MLflow stores; the bundle is stored as a model.
FILES = ("report.html", "metrics.json", "predictions.csv", "manifest.csv", "history.csv", "run.json")
SEARCH_FILES = ("recipe.toml", "trials.csv")
# MLflow refuses longer values.
MOST_LETTERS = 500


class Tracking:
    """A tracker that cannot do harm, and the listener that feeds it.

    Args:
        tracker: Where to; nowhere for None.
        what: Its name, for the sentence that says it failed.
        listener: Hears everything that this does.
    """

    def __init__(self, tracker: Tracker | None, what: str, listener: Listener) -> None:
        self._tracker = tracker
        self._what = what
        self._listener = listener
        self.say, self.progress = listener.say, listener.progress

    def begin(self, name: str, data: str, settings: Mapping[str, Any], known: str = "") -> str:
        """A run begins, or goes on; what to give back as `known` when it goes on."""
        flat = dict(_flat(settings))
        return self._safely(lambda tracker: tracker.begin(name, data, flat, known)) or known

    def end(self, folder: Path, metrics: Mapping[str, Any]) -> None:
        """The run is finished; its scores and the seconds it took are logged."""
        numbers = dict(final_scores(metrics))
        self._safely(lambda tracker: tracker.end(folder, numbers))

    def log(self, step: int, values: Mapping[str, Any]) -> None:
        """What was measured at a step; only numbers are logged."""
        numbers = {
            k: float(v) for k, v in values.items() if isinstance(v, (int, float)) and not isinstance(v, bool)
        }
        self._safely(lambda tracker: tracker.log(step, numbers))

    def abandon(self) -> None:
        """The run ended before its time."""
        self._safely(lambda tracker: tracker.abandon())

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Pass an epoch on, and log it."""
        self._listener.epoch(row)
        self.log(int(row["epoch"]), {name: value for name, value in row.items() if name != "epoch"})

    def _safely(self, act: Callable[[Tracker], Any]) -> Any:
        """Do it; where that fails, say so and track no more."""
        if self._tracker is None:
            return None
        try:
            return act(self._tracker)
        except Exception as error:  # whatever a server, a proxy or a disk can do wrong
            self._tracker = None
            reason = str(error).strip().partition("\n")[0][:200] or type(error).__name__
            self._listener.say(message("training.tracking-failed", tracker=self._what, reason=reason))
            return None


@contextmanager
def tracking(spec: str | None, listener: Listener) -> Iterator[Tracking]:
    """Inside the `with` block a run is logged; one that ends in an error is marked so.

    Args:
        spec: "mlflow", "mlflow:URI", "tensorboard" or "tensorboard:DIR"; None tracks nothing.
        listener: Hears what the run says.

    Raises:
        ValueError: If `spec` is none of these.
        DeviceError: If the package is not installed.
    """
    require_tracker(spec)
    kind, _, target = (spec or "").partition(":")
    found = Tracking(TRACKERS[kind](target) if kind else None, kind, listener)
    try:
        yield found
    except BaseException:
        found.abandon()
        raise


def require_tracker(spec: str | None) -> None:
    """Refuse what cannot be tracked with, before any work is done.

    Raises:
        ValueError: If it is unknown.
        DeviceError: If its package is not installed.
    """
    if spec is None:
        return
    kind = kind_of(spec)
    if kind not in TRACKERS:
        raise ValueError(
            f"`track` must be mlflow, mlflow:URI, tensorboard or tensorboard:DIR. Received {spec!r}."
        )
    if find_spec(kind) is None:
        raise DeviceError(
            f"Tracking with {kind} needs a package that is not installed: `pip install 'mindle[track]'`."
        )


def kind_of(spec: str | None) -> str:
    """What a `--track` begins with.

    Example:
        >>> kind_of("mlflow:http://127.0.0.1:5000")
        'mlflow'
    """
    return (spec or "").partition(":")[0]


def final_scores(metrics: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Scores of metrics.json under one name each, an interval as three.

    Example:
        >>> dict(final_scores({"test": {"n": 9, "accuracy": {"value": 0.9, "low": 0.8, "high": 1.0}}}))
        {'test.n': 9.0, 'test.accuracy': 0.9, 'test.accuracy_low': 0.8, 'test.accuracy_high': 1.0}
    """
    for block in ("test", "val", "baselines", "seconds"):
        for name, score in metrics.get(block, {}).items():
            ends = score if isinstance(score, Mapping) else {"value": score}
            for end, value in ends.items():
                if isinstance(value, (int, float)):
                    yield f"{block}.{name}" + ("" if end == "value" else f"_{end}"), float(value)


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested settings by dotted name; lists become their JSON."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, (list, tuple)):
            yield f"{prefix}{name}", json.dumps(value, ensure_ascii=False)
        elif value is not None and value != "":
            yield f"{prefix}{name}", value


# ---- MLflow -----------------------------------------------------------------------------------------------


class MLflow:
    """A run of an MLflow experiment that bears the name of the data.

    Args:
        uri: Of the tracking server or store, such as http://127.0.0.1:5000 or sqlite:///mlflow.db; what
            MLflow takes by itself (MLFLOW_TRACKING_URI, else its local store) unless set.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._run = ""
        self._client: Any = None

    def begin(self, name: str, data: str, settings: Mapping[str, Any], known: str) -> str:
        """Open the run, or the `known` one again; its name there. Settings are logged where it is new."""
        for variable, value in PATIENCE.items():
            os.environ.setdefault(variable, value)
        import mlflow
        from mlflow.entities import Param, RunTag

        self._uri = self._uri or mlflow.get_tracking_uri()
        self._client = mlflow.MlflowClient(tracking_uri=self._uri)
        if known:
            self._run = str(self._client.get_run(known).info.run_id)
            self._client.update_run(self._run, status="RUNNING")
            return self._run
        experiment = self._client.get_experiment_by_name(data)
        number = self._client.create_experiment(data) if experiment is None else experiment.experiment_id
        tags = {"mindle.version": __version__, "mlflow.source.name": "mindle"}
        self._run = str(self._client.create_run(number, run_name=name, tags=tags).info.run_id)
        params = [Param(key, str(value)[:MOST_LETTERS]) for key, value in settings.items()]
        for start in range(0, len(params), 100):  # no more are taken at once
            self._client.log_batch(self._run, params=params[start : start + 100])
        self._client.log_batch(self._run, tags=[RunTag("mindle.data", data)])
        return self._run

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """One metric a column."""
        from mlflow.entities import Metric

        now = int(time() * 1000)
        self._client.log_batch(
            self._run, metrics=[Metric(name, value, now, step) for name, value in values.items()]
        )

    def end(self, folder: Path, metrics: Mapping[str, float]) -> None:
        """Scores, files, and the bundle as a model."""
        self.log(0, metrics)
        for name in (*FILES, *SEARCH_FILES):
            if (folder / name).is_file():
                self._client.log_artifact(self._run, str(folder / name))
        self._log_model(folder / "bundle")
        self._client.set_terminated(self._run, status="FINISHED")

    def _log_model(self, bundle: Path) -> None:
        import mlflow

        before = mlflow.get_tracking_uri()
        mlflow.set_tracking_uri(self._uri)  # a model can only be logged to the one that is set for all
        try:
            with mlflow.start_run(run_id=self._run, nested=True):
                mlflow.pyfunc.log_model(
                    name="model",
                    loader_module="mindle.serving.pyfunc",
                    data_path=str(bundle),
                    pip_requirements=[f"mindle=={__version__}"],
                )
        finally:
            mlflow.set_tracking_uri(before)

    def abandon(self) -> None:
        """Say that it did not come to its end; it can still go on."""
        if self._run:
            self._client.set_terminated(self._run, status="KILLED")


# ---- TensorBoard ------------------------------------------------------------------------------------------


class TensorBoard:
    """Event files in a folder for each run.

    Args:
        folder: Which holds a folder for each run; `tensorboard` in the current one unless set.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder or "tensorboard")
        self._writer: Any = None

    def begin(self, name: str, data: str, settings: Mapping[str, Any], known: str) -> str:
        """Open the event file; a run that goes on adds one to the same folder."""
        from torch.utils.tensorboard import SummaryWriter

        folder = Path(known) if known else _free(self._folder / data / name)
        self._writer = SummaryWriter(str(folder))
        if not known:
            rows = [f"| {key} | {value} |" for key, value in settings.items()]
            self._writer.add_text("recipe", "\n".join(["| setting | value |", "|---|---|", *rows]))
        return str(folder)

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """One scalar a column; train and val of one quantity under one heading."""
        for name, value in values.items():
            split, _, quantity = name.partition("_")
            tag = f"{quantity}/{split}" if split in ("train", "val") and quantity else f"run/{name}"
            self._writer.add_scalar(tag, value, step)
        self._writer.flush()

    def end(self, folder: Path, metrics: Mapping[str, float]) -> None:
        """The final scores."""
        for name, value in metrics.items():
            self._writer.add_scalar(f"final/{name}", value, 0)
        self._writer.close()

    def abandon(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()


def _free(path: Path) -> Path:
    """The path, with a number where something lies there already."""
    number, found = 1, path
    while found.exists():
        number += 1
        found = path.with_name(f"{path.name}-{number}")
    return found


Tracker = MLflow | TensorBoard
# By what `--track` begins with, which is the package that is needed.
TRACKERS: dict[str, type[Tracker]] = {"mlflow": MLflow, "tensorboard": TensorBoard}
