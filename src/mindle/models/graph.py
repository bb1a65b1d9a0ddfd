"""PyTorch to ONNX, and a session that runs it."""

from __future__ import annotations

import importlib.util
import inspect
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mindle.artifacts.files import replacing
from mindle.artifacts.runtime import open_session
from mindle.errors import ModelError
from mindle.models.pretrained.cards import first_line

# Runs in every ONNX Runtime since 1.14 (February 2023) and in OpenVINO; nothing newer is needed here.
OPSET = 17
LARGE_BYTES = 100_000


def export_onnx(
    module: nn.Module,
    example: Tensor,
    path: Path,
    *,
    input_name: str = "pixels",
    output_name: str | tuple[str, ...] = "probabilities",
) -> None:
    """Write a module as an ONNX graph for any batch size, checked, whole or not at all.

    The module is traced in eval mode, and left in the mode it was in. torch's older exporter takes 1.2 s
    for MobileNetV2 where the newer takes 10.7 s, so the newer is only for a torch without the older.

    Args:
        module: Takes one tensor and gives one, or as many as there are names.
        example: An input; its first axis is the batch.
        path: File to write.
        input_name: What the graph's input is called.
        output_name: What its output is called, or its outputs.

    Raises:
        ModelError: If no exporter works, or what it gives is no valid graph.
        DeviceError: If the file cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     file = Path(folder) / "model.onnx"
        ...     export_onnx(nn.Linear(3, 2), torch.zeros(1, 3), file, input_name="x", output_name="y")
        ...     session(file).run(None, {"x": torch.zeros(5, 3).numpy()})[0].shape
        (5, 2)
    """
    training = module.training
    module.eval()
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # deprecation of this exporter, and notes on traced shapes
            names = (output_name,) if isinstance(output_name, str) else output_name
            with replacing(path, shared=True) as draft:
                _export(module, example, draft, input_name, names)
                _narrow(draft)
                _check(draft)
    finally:
        module.train(training)


def _export(
    module: nn.Module, example: Tensor, path: Path, input_name: str, output_names: tuple[str, ...]
) -> None:
    older = "dynamic_axes" in inspect.signature(torch.onnx.export).parameters
    try:
        if older:
            torch.onnx.export(
                module,
                (example,),
                str(path),
                dynamo=False,
                opset_version=OPSET,
                input_names=[input_name],
                output_names=list(output_names),
                dynamic_axes={name: {0: "image"} for name in (input_name, *output_names)},
            )
        else:
            _export_newer(module, example, path, input_name, output_names)
    except (RuntimeError, TypeError, ValueError) as error:
        raise ModelError(
            f"{type(module).__name__} cannot be written as ONNX: {first_line(error)}."
        ) from error


def _export_newer(
    module: nn.Module, example: Tensor, path: Path, input_name: str, output_names: tuple[str, ...]
) -> None:
    if importlib.util.find_spec("onnxscript") is None:
        raise ModelError("This torch writes ONNX only with onnxscript. Install it: `pip install onnxscript`.")
    torch.onnx.export(
        module,
        (torch.cat([example, example]),),  # a batch of one would be taken for a constant
        str(path),
        dynamo=True,
        verbose=False,
        external_data=False,
        input_names=[input_name],
        output_names=list(output_names),
        dynamic_shapes=({0: torch.export.Dim("image")},),
    )


def _narrow(path: Path) -> None:
    """Store large double constants that float32 holds exactly as float32, widened when the graph is opened.

    Support vectors are float32 and are counted with in double; as double constants they took half of a
    bundle.
    """
    import onnx
    from onnx import helper, numpy_helper

    model = onnx.load(str(path))
    casts = []
    for constant in model.graph.initializer:
        if constant.data_type != onnx.TensorProto.DOUBLE or constant.ByteSize() < LARGE_BYTES:
            continue
        wide = numpy_helper.to_array(constant)
        narrow = wide.astype(np.float32)
        if not np.array_equal(narrow.astype(np.float64), wide):
            continue
        name = constant.name
        constant.CopyFrom(numpy_helper.from_array(narrow, f"{name}_narrow"))
        casts.append(helper.make_node("Cast", [constant.name], [name], to=onnx.TensorProto.DOUBLE))
    if casts:
        nodes = [*casts, *model.graph.node]
        del model.graph.node[:]
        model.graph.node.extend(nodes)
        onnx.save(model, str(path))


def _check(path: Path) -> None:
    import onnx

    try:
        onnx.checker.check_model(str(path))
    except onnx.checker.ValidationError as error:
        raise ModelError(
            f"The exporter wrote a graph that is not valid ONNX: {first_line(error)}."
        ) from error


def session(path: Path, threads: int | None = None) -> Any:
    """Open a graph in ONNX Runtime on the CPU; see `mindle.artifacts.runtime.open_session`.

    Raises:
        ModelError: If the file is missing or no graph.
    """
    try:
        return open_session(path, threads)
    except MemoryError:
        raise
    except Exception as error:  # its exceptions derive from nothing narrower
        raise ModelError(f"ONNX Runtime cannot open {path}: {first_line(error)}.") from error
