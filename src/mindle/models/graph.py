"""PyTorch to ONNX."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mindle.artifacts.files import first_words, replacing
from mindle.engines import Forward, Plan, open_graph
from mindle.errors import ModelError

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
    for MobileNetV2 where the newer takes 10.7 s.

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
        ...     session(file)({"x": torch.zeros(5, 3).numpy()})["y"].shape
        (5, 2)
    """
    import onnx

    names = (output_name,) if isinstance(output_name, str) else output_name
    training = module.training
    try:
        with warnings.catch_warnings(), torch.no_grad(), replacing(path, shared=True) as draft:
            warnings.simplefilter("ignore")  # deprecation of this exporter, and notes on traced shapes
            torch.onnx.export(
                module.eval(),
                (example,),
                str(draft),
                dynamo=False,
                opset_version=OPSET,
                input_names=[input_name],
                output_names=list(names),
                dynamic_axes={name: {0: "image"} for name in (input_name, *names)},
            )
            _narrow(draft)
            onnx.checker.check_model(str(draft))
    except (RuntimeError, TypeError, ValueError, onnx.checker.ValidationError) as error:
        raise ModelError(
            f"{type(module).__name__} cannot be written as ONNX: {first_words(error)}."
        ) from error
    finally:
        module.train(training)


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


def session(path: Path, plan: Plan | None = None) -> Forward:
    """Open a graph that mindle has written; see `mindle.engines.open_graph`.

    Raises:
        ModelError: If the file is missing or no graph, or the plan's engine is not here.
    """
    try:
        return open_graph(path, plan)
    except (MemoryError, ModelError):
        raise
    except Exception as error:  # an engine's exceptions derive from nothing narrower
        raise ModelError(f"{(plan or Plan()).engine} cannot open {path}: {first_words(error)}.") from error
