"""A model of images as formats write it: uint8 pixels to probabilities or numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mindle.formats.exportable import Exportable
from mindle.models.classifier import AnswerGraph, Classifier
from mindle.models.graph import export_onnx
from mindle.records import InputSpec

REFERENCE_IMAGES = 4
BATCH = 16  # images that PyTorch answers at a time


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
) -> dict[str, NDArray[np.float64]]:
    """What the PyTorch model answers to pixels (image, height, width, channel): (image, …) by output.

    It stays on whichever device it is.
    """
    graph = AnswerGraph(model, temperature).eval()
    device = next((p.device for p in graph.parameters()), torch.device("cpu"))
    batches = []  # (batch, output)
    with torch.inference_mode():
        for batch in np.array_split(pixels, -(-len(pixels) // BATCH)):
            outputs = graph(torch.from_numpy(batch).to(device))
            batches.append(outputs if isinstance(outputs, tuple) else (outputs,))
    joined = (torch.cat(each).cpu().numpy() for each in zip(*batches, strict=True))
    return {
        name: np.asarray(answers, np.float64)
        for name, answers in zip(model.outputs.names, joined, strict=True)
    }


def exportable(model: Classifier, pixels: NDArray[np.uint8], temperature: float = 1.0) -> Exportable:
    """A model of images as a format writes it.

    Args:
        model: The trained model; it moves to the CPU.
        pixels: Some of the user's own images to compare on, uint8 (image, height, width, channel).
        temperature: What the logits are divided by.
    """
    example, model = reference_pixels(model.spec), model.cpu()

    def write_graph(path: Path) -> None:
        graph = AnswerGraph(model, temperature).eval()
        export_onnx(graph, torch.from_numpy(example), path, output_name=model.outputs.names)

    return Exportable(
        model=model,
        example={"pixels": example},
        sample={"pixels": pixels},
        answers=lambda inputs: torch_outputs(model, inputs["pixels"], temperature),
        write_graph=write_graph,
        scale=model.outputs.scale,
    )
