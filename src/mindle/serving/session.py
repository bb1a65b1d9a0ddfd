"""A bundle's graph, proven on this machine before it answers anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mindle.artifacts.answers import FEATURES
from mindle.artifacts.arrays import Slot, shown
from mindle.artifacts.bundle import DOCUMENT, REFERENCE, Bundle, Precision
from mindle.artifacts.files import first_words, sha256_of, unreadable
from mindle.engines import Arrays, Forward, Node, Plan, lacks, open_graph, plan_for
from mindle.errors import ArtifactError, MindleError, ModelError
from mindle.messages import Message, message
from mindle.records import SILENT, Listener

Graph = Callable[[Arrays], Arrays]  # inputs (row, …) by name to outputs (row, …) by name

# Two runtimes' float32 answers to the reference images differ by about 1e-6; a wrong kernel by far more.
REFERENCE_TOLERANCE = 1e-3
# Processors that compute in bfloat16 round in another order: as far from float32, but not the same numbers.
_WIDER, _LEAST_WIDE = 4.0, 0.05

MANY = 1000
"""Rows from which a plan is looked up, or tried; fewer are answered before that has paid."""


@dataclass
class PlannedGraph:
    """A graph that runs as suits the number of rows that are wanted.

    Attributes:
        path: The ONNX file.
        shape: Of one row.
        open: Opens it, and proves it where that can be done.
        threads: How many threads answer; all cores unless set.
        precision: What it computes in.
        listener: Hears what people should know of how it runs.
    """

    path: Path
    shape: tuple[int, ...]
    open: Callable[[Plan], Forward]
    threads: int | None = None
    precision: str = "float32"
    listener: Listener = SILENT

    def __post_init__(self) -> None:
        self.forward = self.open(self._plan("", 1))

    def __call__(self, feed: Arrays) -> Arrays:
        """Outputs for one feed."""
        return self.forward(feed)

    def settle(self, rows: int) -> None:
        """Run as is fastest for so many rows; few run as they do, and are answered before more pays."""
        if rows < MANY:
            return
        plan = self._plan(sha256_of(self.path), rows)
        if plan != self.forward.plan:
            self.forward = self.open(plan)

    def _plan(self, identity: str, rows: int) -> Plan:
        return plan_for(
            identity,
            lambda: self.path,
            self.shape,
            rows=rows,
            threads=self.threads,
            precision=self.precision,
            listener=self.listener,
        )


def stream(graph: Graph, feeds: Iterable[Arrays]) -> Iterator[Arrays]:
    """Outputs of one feed after the other; several calls are under way where a graph can."""
    return graph.forward.stream(feeds) if isinstance(graph, PlannedGraph) else map(graph, feeds)


def settled(graph: Graph, rows: int) -> int:
    """Let a graph run as suits so many rows.

    Returns:
        How many rows it takes in one call; 0 where as many as come.
    """
    if not isinstance(graph, PlannedGraph):
        return 0
    graph.settle(rows)
    return graph.forward.plan.batch


def bundle_graph(
    bundle: Bundle, threads: int | None = None, listener: Listener = SILENT, precision: str | None = None
) -> PlannedGraph:
    """A bundle's graph, proven whenever it is opened.

    Args:
        bundle: Read and verified.
        threads: How many threads answer; all cores unless set.
        listener: Hears what people should know of how it runs.
        precision: What it computes in; unless set that of the bundle, or float32 where this machine lacks it
            and that is as good.

    Raises:
        ArtifactError: If the graph cannot be read, or this machine's runtime answers otherwise.
        ModelError: If this machine cannot compute in the bundle's precision, and float32 is not as good.
    """
    if precision is None:
        precision = bundle.precision.name
        if reason := lacks(precision):
            require_float32(bundle, reason, listener)
            precision = "float32"
    return _planned(bundle, lambda plan: proven_session(bundle, plan), precision, threads, listener)


def _planned(
    bundle: Bundle,
    opening: Callable[[Plan], Forward],
    precision: str,
    threads: int | None = None,
    listener: Listener = SILENT,
) -> PlannedGraph:
    first = next(iter(bundle.inputs.values()))
    shape = tuple(length or 0 for length in first.shape[1:])
    return PlannedGraph(bundle.model, shape, opening, threads, precision, listener)


def require_float32(bundle: Bundle, reason: str, listener: Listener) -> None:
    """Let a bundle answer in float32 where another precision is its own, and say so, or refuse it.

    Args:
        bundle: Read and verified.
        reason: Why it does not answer in its own.
        listener: Hears of it.

    Raises:
        ModelError: If answers in float32 were not shown to be as good.
    """
    stated = bundle.precision
    if stated.name == "float32":
        return
    if not stated.float32_is_as_good:
        raise ModelError(
            f"{bundle.folder} must answer in {stated.name}, in which its head was fitted: on its test split "
            f"answers in float32 were not shown to be as good. Received: {reason}. Install mindle[openvino] "
            "on a processor that has it, or train again with --set probe.precision=float32."
        )
    said = message("predict.float32", precision=stated.name, reason=reason, scores=scores_said(stated))
    listener.say(said)


def scores_said(stated: Precision) -> list[Message]:
    """How a test split is answered in float32 instead of another precision, score by score."""
    return [
        message("predict.float32-score", name=name, first=float(each["first"]), second=float(each["second"]))
        for name, each in stated.float32.items()
    ]


def rounding(bundle: Bundle, precision: str) -> float:
    """How far the answers to the reference inputs lie from the stored ones in another precision, at most."""
    graph = _planned(bundle, lambda plan: open_graph(bundle.model, plan), precision)
    return _difference(bundle, graph, exact=False)


def proven_session(bundle: Bundle, plan: Plan | None = None) -> Forward:
    """A bundle's graph, once it has answered the reference inputs as it did when it was made.

    Args:
        bundle: Read and verified.
        plan: How it runs; all rows of a call at once in ONNX Runtime unless given.

    Raises:
        ArtifactError: If the graph cannot be read, or this machine's runtime answers otherwise.
    """
    with _reading_graph(bundle, "be a graph that the installed ONNX Runtime reads"):
        session = open_graph(bundle.model, plan)
    _require_fit(bundle, "takes", session.inputs, bundle.inputs)
    _require_fit(bundle, "answers", session.outputs, bundle.outputs)
    exact, tolerance = session.plan.precision == "float32", REFERENCE_TOLERANCE
    difference = _difference(bundle, session, exact=exact)
    if not exact:
        tolerance = max(_WIDER * bundle.precision.reference_difference, _LEAST_WIDE)
    if not difference <= tolerance:
        engine = session.plan.engine
        raise ArtifactError(
            f"The bundle's reference inputs must get the stored answers within {tolerance:g} on "
            f"this machine. Received a difference of {difference:.2g}. Its {engine} computes something "
            f"else: upgrade or downgrade {engine} to the version in bundle.json."
        )
    return session


_TYPES = {"tensor(uint8)": "u1", "tensor(float)": "f4", "tensor(double)": "f8", "tensor(string)": "U"}


def _require_fit(bundle: Bundle, verb: str, nodes: Sequence[Node], slots: Mapping[str, Slot]) -> None:
    """Refuse a graph that takes or answers something else than the document says."""
    found = {node.name: (_TYPES.get(node.type, node.type), tuple(node.shape)) for node in nodes}
    needed = {name for name, slot in slots.items() if not slot.optional}
    if needed <= set(found) <= set(slots) and all(slots[name].holds(*each) for name, each in found.items()):
        return
    raise ArtifactError(
        f"{bundle.folder / DOCUMENT} must describe its graph, which {verb} "
        f"{', '.join(f'{name} {shown(*each)}' for name, each in found.items()) or 'nothing'}. Received a "
        f"document of one that {verb} {', '.join(f'{name} {slot}' for name, slot in slots.items())}. Copy "
        "the whole folder again."
    )


@contextmanager
def _reading_graph(bundle: Bundle, must: str) -> Iterator[None]:
    """Say of the bundle what ONNX Runtime raises: unrelated classes for any unreadable graph."""
    try:
        yield
    except PermissionError as error:
        raise unreadable(bundle.model, error) from error
    except (MemoryError, MindleError):  # nothing is wrong with the graph
        raise
    except Exception as error:
        raise ArtifactError(
            f"{bundle.model} must {must}: {first_words(error)}. Copy the whole folder again, upgrade "
            "onnxruntime, or train again."
        ) from error


def _difference(bundle: Bundle, graph: Graph, *, exact: bool) -> float:
    """How far this machine's answers to the reference inputs lie from the stored ones, at most.

    Features count where all is computed in float32: rounded they differ by more than what follows from them.
    """
    arrays = bundle.reference()
    with _reading_graph(bundle, "answer its reference inputs"):
        answers = graph(arrays)
    shapes = {name: answer.shape for name, answer in answers.items()}
    if shapes != {name: array.shape for name, array in arrays.items() if name in bundle.outputs}:
        raise ArtifactError(
            f"{bundle.folder / REFERENCE} must hold the answers of its graph, of the shapes {shapes}. "
            "Received others. Copy the whole folder again."
        )
    return max(
        float((np.abs(answer - arrays[name]) / np.maximum(np.abs(arrays[name]), 1)).max())
        for name, answer in answers.items()
        if exact or name != FEATURES
    )
