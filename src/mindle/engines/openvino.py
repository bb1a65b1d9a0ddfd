"""Graphs in OpenVINO, on the processor; the extra `openvino` brings it."""

from __future__ import annotations

import functools
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from mindle.artifacts.files import first_words
from mindle.engines.opened import Arrays, Call, Node, OpenedGraph
from mindle.engines.plan import FEATURES, Plan
from mindle.errors import ModelError
from mindle.messages import message

_TELEMETRY = "openvino_telemetry"
# An ONNX graph of one node, y = Relu(x).
_RELU = (
    b'\x08\x08:3\n\x0c\n\x01x\x12\x01y"\x04Relu\x12\x01gZ\x0f\n\x01x\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01'
    b"b\x0f\n\x01y\x12\n\n\x08\x08\x01\x12\x04\n\x02\x08\x01B\x04\n\x00\x10\x11"
)
_TYPE_NAMES = {"float32": "f32", "bfloat16": "bf16"}
_TYPES = {"u8": "tensor(uint8)", "f32": "tensor(float)", "f64": "tensor(double)", "string": "tensor(string)"}


def is_installed() -> bool:
    """Whether the library is there, whether or not it works."""
    return find_spec("openvino") is not None


def why_not(precision: str = "float32") -> str:
    """Why OpenVINO cannot be used in a precision; empty where it can.

    Where a processor has no bfloat16, OpenVINO would compute in float32 and not say so.
    """
    if not is_installed():
        return message("selection.precision.not-installed")
    if reason := _fault():
        return reason
    if precision == "bfloat16" and "BF16" not in _capabilities():
        return message("selection.precision.processor")
    return ""


@functools.cache
def _fault() -> str:
    """What is wrong with the installation, found by a graph of one node: parts of it are loaded only then."""
    try:
        model = _core().read_model(_RELU)
        _core().compile_model(model, "CPU", {"INFERENCE_NUM_THREADS": 1}).create_infer_request().infer()
    except Exception as error:  # whatever a damaged installation raises
        return f"{type(error).__name__}: {first_words(error)}"
    return ""


def _capabilities() -> list[str]:
    found: list[str] = _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return found


@functools.cache
def _core() -> Any:
    """OpenVINO, imported without its telemetry.

    Its import would write a user id below the home folder, and send an event over the network. Where the
    module for that cannot be imported, OpenVINO falls back to a stub of its own that does neither.
    """
    blocked = _TELEMETRY not in sys.modules
    if blocked:
        sys.modules[_TELEMETRY] = None  # type: ignore[assignment]  # what the import system takes for "no"
    try:
        import openvino
    finally:
        if blocked:
            del sys.modules[_TELEMETRY]
    # Its table of types is made at first use, with the interpreter lock let go meanwhile: two calls that met
    # there waited for each other for ever.
    openvino.Tensor(np.zeros(1, np.uint8)).element_type.to_dtype()
    return openvino.Core()


def opened(path: Path, plan: Plan) -> OpenedGraph:
    """Open a graph; see `open_graph`.

    Raises:
        ModelError: If OpenVINO is not here, or does not work.
    """
    if reason := why_not(plan.precision):
        raise ModelError(
            f"OpenVINO must be on this machine for {plan}. Received: {reason}. Install mindle[openvino], or "
            "set MINDLE_ENGINE=onnxruntime."
        )
    model = _core().read_model(path)
    inputs, outputs = _nodes(model.inputs), _nodes(model.outputs)
    if plan.batch:
        model.reshape({node.name: [plan.batch, *list(node.shape)[1:]] for node in inputs})
    settings = {
        "NUM_STREAMS": plan.streams,
        "INFERENCE_NUM_THREADS": plan.streams * plan.threads,
        # Else every process ties its streams to the first cores, where it may use fewer than it sees: those
        # of a search side by side, or of containers with a share of a machine. It gains nothing measurable.
        "ENABLE_CPU_PINNING": False,
    }
    parts = [
        # Its own choice is bfloat16 where the processor has it.
        _core().compile_model(part, "CPU", settings | {"INFERENCE_PRECISION_HINT": _TYPE_NAMES[precision]})
        for part, precision in _parts(model, plan.precision)
    ]
    # A second call waits for each stream. While Python took the answers of the only one, and waited for
    # threads that decode images, the stream would wait busily: 2.66 ms an image so, 2.54 with a second one.
    requests = [[part.create_infer_request() for part in parts] for _ in range(2 * plan.streams)]
    return OpenedGraph([_call(request, outputs) for request in requests], inputs, outputs)


def _parts(model: Any, precision: str) -> list[tuple[Any, str]]:
    """A graph with its precision; where one is asked for, what follows its features apart, in float32."""
    named = (
        output for node in model.get_ops() for output in node.outputs() if FEATURES in output.get_names()
    )
    features = None if precision == "float32" else next(named, None)
    behind = [] if features is None else list(features.get_target_inputs())
    # A graph may answer its features too; one that answers nothing else is a body alone.
    if features is None or all(each.get_node().get_type_name() == "Result" for each in behind):
        return [(model, precision)]
    import openvino

    given = openvino.opset13.parameter(features.get_partial_shape(), features.get_element_type())
    given.output(0).set_names({FEATURES})
    for each in behind:
        each.replace_source_output(given.output(0))
    head = openvino.Model(model.get_results(), [given])
    return [(openvino.Model([features], model.get_parameters()), precision), (head, "float32")]


def _call(requests: list[Any], outputs: tuple[Node, ...]) -> Call:
    def call(feed: Arrays) -> list[Any]:
        body, *head = requests
        body.infer(dict(feed), share_inputs=True)
        for each in head:
            each.infer({FEATURES: body.get_tensor(FEATURES)})
        return [requests[-1].get_tensor(node.name).data.copy() for node in outputs]

    return call


def _nodes(ports: Any) -> tuple[Node, ...]:
    return tuple(
        Node(
            port.get_any_name(),
            _TYPES.get(name := port.get_element_type().get_type_name(), name),
            tuple(None if axis.is_dynamic else axis.get_length() for axis in port.get_partial_shape()),
        )
        for port in ports
    )
