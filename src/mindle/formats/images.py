"""A model of images as formats write it: uint8 pixels to probabilities or numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mindle.artifacts.files import replacing
from mindle.engines import FEATURES
from mindle.formats.exportable import Exportable
from mindle.models.classifier import AnswerGraph, Classifier, HeadGraph
from mindle.models.graph import export_onnx
from mindle.models.tables.tracing import Graph
from mindle.records import InputSpec

REFERENCE_IMAGES = 4
BATCH, HEAD_BATCH = 16, 512  # images, and features of images, that PyTorch answers at a time
INPUT = "pixels"


def reference_pixels(spec: InputSpec, count: int = REFERENCE_IMAGES) -> NDArray[np.uint8]:
    """Coloured waves with some grain: they stir a network more than noise, and are nobody's photo."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0 : spec.height, 0 : spec.width].astype(np.float64)
    images = []
    for _ in range(count):
        waves = [
            np.sin(rng.uniform(1, 8) * 2 * np.pi * (x * np.cos(turn) + y * np.sin(turn)) / spec.width + turn)
            for turn in rng.uniform(0, 2 * np.pi, spec.channels)
        ]
        grain = rng.normal(0, 12, spec.shape)
        images.append(np.clip(127.5 + 100 * np.stack(waves, -1) + grain, 0, 255).astype(np.uint8))
    return np.stack(images)  # (image, height, width, channel)


def torch_outputs(
    model: Classifier, pixels: NDArray[np.uint8], temperature: float = 1.0
) -> dict[str, NDArray[Any]]:
    """What the PyTorch model answers to pixels (image, height, width, channel): (image, …) by output.

    It stays on whichever device it is.
    """
    return _outputs(AnswerGraph(model, temperature), pixels, BATCH)


def head_outputs(
    model: Classifier, features: NDArray[np.float32], temperature: float = 1.0
) -> dict[str, NDArray[Any]]:
    """What the PyTorch model answers to features (image, feature) of its bodies: (image, …) by output."""
    found = _outputs(HeadGraph(model, temperature), features, HEAD_BATCH)
    return found | {FEATURES: features} if model.features else found


def _outputs(graph: AnswerGraph, rows: NDArray[Any], batch: int) -> dict[str, NDArray[Any]]:
    graph.eval()
    device = next((p.device for p in graph.parameters()), torch.device("cpu"))
    batches = []  # (batch, output)
    with torch.inference_mode():
        for some in np.array_split(rows, max(-(-len(rows) // batch), 1)):
            batches.append(graph(torch.from_numpy(some).to(device)))
    joined = (torch.cat(each).cpu().numpy() for each in zip(*batches, strict=True))
    return {
        name: answers if name == FEATURES else np.asarray(answers, np.float64)
        for name, answers in zip(graph.names, joined, strict=True)
    }


def exportable(
    model: Classifier, pixels: NDArray[np.uint8], temperature: float = 1.0, bodies: Sequence[Path] = ()
) -> Exportable:
    """A model of images as a format writes it.

    Args:
        model: The trained model; it moves to the CPU.
        pixels: Some of the user's own images to compare on, uint8 (image, height, width, channel).
        temperature: What the logits are divided by.
        bodies: The ONNX graph of each of its bodies, pixels to features, where there are such: only the head
            is then written anew.
    """
    example, model = reference_pixels(model.spec), model.cpu()

    def write_graph(path: Path) -> None:
        if bodies:
            _write_joined(model, temperature, bodies, path)
        else:
            graph = AnswerGraph(model, temperature).eval()
            export_onnx(graph, torch.from_numpy(example), path, output_name=graph.names)

    return Exportable(
        model=model,
        example={INPUT: example},
        sample={INPUT: pixels},
        answers=lambda inputs: torch_outputs(model, inputs[INPUT], temperature),
        write_graph=write_graph,
        scale=model.outputs.scale,
    )


def _write_joined(model: Classifier, temperature: float, bodies: Sequence[Path], path: Path) -> None:
    """Write the graphs of the bodies, and behind them that of the head, as one."""
    import onnx
    from onnx import helper

    members = [onnx.load(str(body)) for body in bodies]
    whole, names = Graph(), model.outputs.names
    outputs = [
        whole.inlined(member, f"body{number}/", {INPUT: INPUT})[0] for number, member in enumerate(members)
    ]
    features = outputs[0] if len(outputs) == 1 else whole.add("Concat", *outputs, axis=1)
    whole.nodes.append(helper.make_node("Identity", [features.name], [FEATURES]))
    width = sum(member.graph.output[0].type.tensor_type.shape.dim[1].dim_value for member in members)
    with TemporaryDirectory() as folder:
        file, some = Path(folder) / "head.onnx", torch.zeros(1, width)
        export_onnx(HeadGraph(model, temperature).eval(), some, file, input_name=FEATURES, output_name=names)
        head = onnx.load(str(file))
    answers = whole.inlined(head, "head/", {FEATURES: FEATURES})
    whole.nodes += [
        helper.make_node("Identity", [answer.name], [name])
        for answer, name in zip(answers, names, strict=True)
    ]
    whole.inputs.append(members[0].graph.input[0])
    whole.outputs += head.graph.output
    if model.features:
        whole.outputs.append(
            helper.make_tensor_value_info(FEATURES, onnx.TensorProto.FLOAT, ["image", width])
        )
    joined = whole.model(head.opset_import, head.ir_version)
    onnx.checker.check_model(joined)
    with replacing(path) as draft:
        onnx.save(joined, str(draft))
