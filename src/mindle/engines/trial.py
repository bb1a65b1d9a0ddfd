"""Which plan runs a graph fastest on this machine: found by a short trial, and remembered in the cache."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mindle.artifacts.environment import processor, usable_cores
from mindle.artifacts.files import cache_dir, read_json, write_json
from mindle.engines import openvino
from mindle.engines.forward import Forward, open_graph
from mindle.engines.opened import Arrays
from mindle.engines.plan import ENGINES, VARIABLE, Plan, default_plan, pinned_plan, read_plan
from mindle.errors import MindleError
from mindle.messages import message
from mindle.records import SILENT, Listener

SCHEMA = 2
AGREEMENT = 1e-4
"""Of the largest output: two engines differ by 4e-6 (MobileNetV2, 52 layers), a wrong kernel by far more."""

_AGREEING = 8  # rows that both must answer alike
# Seconds. A trial goes on for 0.3, or a twentieth of what the work takes by the fastest plan so far where
# that is more; there is none where there is less work.
_LEAST_WORK, _SECONDS, _SHARE, _MOST_SECONDS = 3.0, 0.3, 0.05, 8.0
# A default that was not compared stands until there is so many times the work.
_MORE_WORK = 4
_LOT_SECONDS, _ROUNDS = 0.04, 3
_HOPELESS, _BETTER = 0.75, 1.04
# Features of another engine are computed anew: it takes the place of a remembered one only for so much.
_CLEARLY_BETTER = 1.1
# Of the processor time that a trial's threads could have had; less of it where others take the cores.
_UNDISTURBED = 0.85
_MOST_TRIALS = 3  # on a machine that is never idle
# In use no plan is so much faster than in its trial, unless that was disturbed. Slower says nothing: images
# are decoded beside it.
_FASTER = 1.25
_MOST_AT_ONCE = 64  # rows: their maps are in memory together


def plan_for(
    identity: str,
    graph: Callable[[], Path],
    shape: tuple[int, ...],
    *,
    rows: int,
    threads: int | None = None,
    precision: str = "float32",
    listener: Listener = SILENT,
    opened: Callable[[Forward], None] = lambda forward: None,
) -> Plan:
    """The plan of a graph on this machine.

    Of images `MINDLE_ENGINE` pins it. Else it is the remembered one; else what a short trial finds, where so
    many rows are wanted that it pays; else the default. Graphs of tables run as by default.

    Args:
        identity: Hash of the graph, or of all that it is made from.
        graph: Gives the ONNX file; called only where there is a trial.
        shape: Of one row; only images (height, width, channel) are tried.
        rows: How many rows are wanted.
        threads: How many threads may work; all usable cores unless set.
        precision: In which images are answered; see `lacks`.
        listener: Hears of an OpenVINO that is installed and does not work.
        opened: Is given the graph as a trial opened it by the plan, if there was one.

    Raises:
        ValueError: If `MINDLE_ENGINE` names no plan.
    """
    cores = threads or usable_cores()
    default = default_plan(shape, cores, precision)
    pinned = pinned_plan(shape, cores, precision)
    if not default.batch:  # graphs of tables take texts, which OpenVINO does not
        return default
    if pinned is not None:
        return pinned
    if rows <= default.batch:
        return default
    file = _file_of(identity, shape, cores, precision)
    known, broken = _remembered(file), ""
    if known is not None and (broken := why_not(read_plan(known["plan"]))):
        known = None
    if known is not None and _stands(known, rows):
        return read_plan(known["plan"])
    path = graph()
    try:
        trial = Trial(path, shape, default)
    except (MemoryError, MindleError):
        raise
    except Exception:  # an engine's own, of a graph that it cannot read: whoever opens that says so
        return default
    work = rows / trial.rate
    before = known["trials"] if known is not None else 0
    trials = before + 1 if before or work >= _LEAST_WORK else 0
    if trials:
        broken = openvino.why_not() if openvino.is_installed() else ""
        trial.find(rows)
    if broken:
        listener.say(message("selection.openvino-broken", reason=broken))
    if known is not None and before:
        trial.keep(read_plan(known["plan"]))
    plan = trial.leader.plan
    opened(trial.leader)
    facts = {"rates": trial.rates, "busy": round(trial.busy, 2), "disturbed": trial.busy < _UNDISTURBED}
    _remember(file, {"plan": plan.as_dict(), "rows": rows, "trials": trials, **facts})
    return plan


def why_not(plan: Plan) -> str:
    """Why a plan cannot run on this machine; empty where it can."""
    return openvino.why_not(plan.precision) if plan.engine == "openvino" else ""


def lacks(precision: str) -> str:
    """Why images cannot be answered in a precision on this machine; empty where they can.

    Example:
        >>> lacks("float32")
        ''
    """
    if precision != "float32" and os.environ.get(VARIABLE, "").startswith("onnxruntime"):
        return message("selection.precision.pinned", variable=VARIABLE)
    return "" if precision == "float32" else openvino.why_not(precision)


def observe(identity: str, shape: tuple[int, ...], forward: Forward, threads: int | None = None) -> None:
    """Let the next call try again where a plan is far faster in use than it was in its trial.

    Args:
        identity: As `plan_for`.
        shape: As `plan_for`.
        forward: What ran.
        threads: As `plan_for`.
    """
    file = _file_of(identity, shape, threads or usable_cores(), forward.plan.precision)
    known = _remembered(file)
    if known is None or not known["trials"] or read_plan(known["plan"]) != forward.plan:
        return
    if forward.least_rate > _FASTER * known["rates"][str(forward.plan)]:
        _remember(file, {**known, "disturbed": True})


def _stands(known: Mapping[str, Any], rows: int) -> bool:
    """Whether what is remembered holds for so many rows."""
    if known["trials"]:
        little = rows < _LEAST_WORK * max(known["rates"].values())
        return little or not known["disturbed"] or known["trials"] >= _MOST_TRIALS
    return bool(rows <= _MORE_WORK * known["rows"])


def _remember(file: Path, facts: Mapping[str, Any]) -> None:
    with suppress(MindleError):  # a cache that cannot be written costs the next run a trial
        write_json(file, {**facts, "schema": SCHEMA}, shared=True)


def _file_of(identity: str, shape: tuple[int, ...], cores: int, precision: str) -> Path:
    """Where the plan is remembered: for this graph, this processor and these libraries."""
    libraries = {name: _version(name) for name in ENGINES}
    facts = (SCHEMA, identity, shape, cores, precision, processor(), libraries)
    key = hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:32]
    return cache_dir() / "engines" / f"{key}.json"


class Trial:
    """Plans run the same rows in turn; each is compared with the one that leads.

    Attributes:
        rates: Rows a second of each plan that was tried, by its text.
        rate: That of the plan that leads.
    """

    def __init__(self, graph: Path, shape: tuple[int, ...], first: Plan) -> None:
        self.graph, self.shape = graph, shape
        self.leader = open_graph(graph, first)
        self.expected = self.leader(self._feed(_AGREEING))
        self.rate = 0.0
        self._used, self._usable = 0.0, 0.0  # seconds of processors
        self.rate = self._rate(self.leader)
        self.rates = {str(first): round(self.rate, 1)}

    @property
    def busy(self) -> float:
        """Share of the processor time that the threads of all plans could have had, which they got."""
        return self._used / self._usable

    def find(self, rows: int) -> None:
        """Let the fastest plan lead that is found in about the time that so many rows are worth."""
        began = time.perf_counter()
        for change in _CHANGES:
            plan = change(self.leader.plan)
            if (
                plan is not None
                and str(plan) not in self.rates
                and time.perf_counter() < began + self._worth(rows)
            ):
                self._compare(plan)

    def _worth(self, rows: int) -> float:
        return min(max(_SECONDS, _SHARE * rows / self.rate), _MOST_SECONDS)

    def keep(self, plan: Plan) -> None:
        """Let a remembered plan lead again unless what leads is faster, or clearly so in another engine."""
        found = self.leader.plan
        if plan != found:
            self._compare(plan, 1 / (_BETTER if plan.engine == found.engine else _CLEARLY_BETTER))

    def _compare(self, plan: Plan, better: float = _BETTER) -> None:
        """Let a plan lead where it is faster; both run in turn, for the machine may have other work."""
        self.rates[str(plan)] = 0.0
        try:
            other = open_graph(self.graph, plan)
            if not self._agrees(other):
                return
            pairs = [(self._rate(other), self._rate(self.leader))]
            if pairs[0][0] > _HOPELESS * pairs[0][1]:
                pairs += [(self._rate(other), self._rate(self.leader)) for _ in range(1, _ROUNDS)]
        except MemoryError:
            raise
        except Exception:  # an engine's own, of a graph that it cannot run: the others go on
            return
        rate, self.rate = (max(rates) for rates in zip(*pairs, strict=True))
        self.rates |= {str(plan): round(rate, 1), str(self.leader.plan): round(self.rate, 1)}
        if rate > better * self.rate:
            self.leader, self.rate = other, rate

    def _agrees(self, other: Forward) -> bool:
        found = other(self._feed(_AGREEING))
        return all(
            np.abs(found[name] - rows).max() <= AGREEMENT * np.abs(rows).max()
            for name, rows in self.expected.items()
        )

    def _rate(self, forward: Forward) -> float:
        """Rows a second in one call of about `_LOT_SECONDS`."""
        at_once = forward.plan.batch * forward.plan.streams
        feed = self._feed(at_once * max(1, round(_LOT_SECONDS * self.rate / at_once)))
        began, used = time.perf_counter(), time.process_time()
        forward(feed)
        seconds = time.perf_counter() - began
        self._used += time.process_time() - used
        self._usable += seconds * forward.plan.streams * forward.plan.threads
        return len(feed[forward.inputs[0].name]) / max(seconds, 1e-9)

    def _feed(self, rows: int) -> Arrays:
        noise = np.random.default_rng(0).integers(0, 256, (_AGREEING, *self.shape), np.uint8)
        return {self.leader.inputs[0].name: np.resize(noise, (rows, *self.shape))}


def _in_openvino(plan: Plan) -> Plan | None:
    return None if openvino.why_not() else replace(plan, engine="openvino", spinning=False)


def _one_call(plan: Plan) -> Plan:
    """One call at a time, on all threads."""
    threads = plan.streams * plan.threads
    return replace(plan, streams=1, threads=threads, spinning=plan.engine == "onnxruntime" and threads > 1)


def _half_as_many(plan: Plan) -> Plan | None:
    return replace(plan, streams=plan.streams // 2, threads=2 * plan.threads) if plan.streams > 3 else None


def _larger(plan: Plan) -> Plan | None:
    return replace(plan, batch=4 * plan.batch) if plan.batch * plan.streams <= _MOST_AT_ONCE else None


def _smaller(plan: Plan) -> Plan | None:
    return replace(plan, batch=plan.batch // 4) if plan.batch >= 4 else None


# What gained most on the machines that were measured comes first.
_CHANGES: tuple[Callable[[Plan], Plan | None], ...] = (
    _in_openvino, _larger, _one_call, _half_as_many, _larger, _smaller,
)  # fmt: skip


def _remembered(file: Path) -> Mapping[str, Any] | None:
    try:
        document = read_json(file, schema=SCHEMA, what="plan")
        read_plan(document["plan"])
        _stands(document, 0)
    except (MindleError, KeyError, TypeError, ValueError):  # not there, or damaged: tried again
        return None
    return document


def _version(name: str) -> str:
    from importlib.metadata import PackageNotFoundError, version  # 20 ms, which one picture need not wait for

    try:
        return version(name)
    except PackageNotFoundError:
        return ""
