"""Graphs in ONNX Runtime, on the processor."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mindle.engines.opened import Call, Node, OpenedGraph
from mindle.engines.plan import Plan


def opened(path: Path, plan: Plan) -> OpenedGraph:
    """Open a graph; see `open_graph`.

    Its memory grows to what the largest batch needs and is kept for the next: MobileNetV2 in batches of 16
    answers 78 images a second so, and 50 where memory is given back after each run.
    """
    first = _session(path, plan)
    # Calls of one thread run on the thread that makes them, and share a session.
    others = [first if plan.threads == 1 else _session(path, plan) for _ in range(1, plan.streams)]
    return OpenedGraph(
        calls=[_call(session) for session in (first, *others)],
        inputs=tuple(map(_node, first.get_inputs())),
        outputs=tuple(map(_node, first.get_outputs())),
    )


def _session(path: Path, plan: Plan) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # errors only
    # Threads that wait busily for each other get slow beside other programs.
    options.add_session_config_entry("session.intra_op.allow_spinning", str(int(plan.spinning)))
    options.intra_op_num_threads = plan.threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _call(session: Any) -> Call:
    return lambda feed: session.run(None, feed)


def _node(node: Any) -> Node:
    return Node(node.name, node.type, tuple(node.shape))
