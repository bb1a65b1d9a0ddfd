"""A trained model to a bundle: one ONNX graph from uint8 pixels to probabilities or numbers, proven equal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mindle.artifacts.bundle import MODEL, REFERENCE, Bundle
from mindle.artifacts.files import write_arrays
from mindle.errors import ArtifactError
from mindle.formats.parity import TOLERANCE, Parity, compare_answers, compare_numbers, require_parity
from mindle.models.classifier import Classifier, EstimateGraph, Estimator, ProbabilityGraph
from mindle.models.graph import export_onnx, session
from mindle.records import InputSpec

REFERENCE_IMAGES = 4
# What the graph of a classifier answers, and that of an estimator.
PROBABILITIES = ("probabilities",)
NUMBERS = ("estimate", "fold_estimates")
BATCH = 16  # images that PyTorch answers at a time

Answers = Sequence[NDArray[np.floating[Any]]]


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
    """What the PyTorch model answers to pixels (image, height, width, channel): (image, …) by output."""
    return dict(zip(model.outputs, _answers(model.graph(temperature), pixels), strict=True))


def _answers(graph: nn.Module, pixels: NDArray[np.uint8]) -> list[NDArray[np.float64]]:
    """What a graph answers in PyTorch, on whichever device it is: each of its outputs, (image, …)."""
    device = next((p.device for p in graph.parameters()), torch.device("cpu"))
    graph.eval()
    pieces = []  # (piece, output)
    with torch.inference_mode():
        for part in np.array_split(pixels, -(-len(pixels) // BATCH)):
            outputs = graph(torch.from_numpy(part).to(device))
            pieces.append([each.cpu() for each in (outputs if isinstance(outputs, tuple) else (outputs,))])
    return [np.asarray(torch.cat(each).numpy(), np.float64) for each in zip(*pieces, strict=True)]


def write_graph(model: Classifier, folder: Path, *, temperature: float, pixels: NDArray[np.uint8]) -> Parity:
    """Write model.onnx and reference.npz, and prove that the graph answers like the model.

    Args:
        model: The trained classifier.
        folder: The bundle's folder; made if it is missing.
        temperature: What the logits are divided by.
        pixels: Some of the user's own images to compare on, uint8 (image, height, width, channel).

    Returns:
        The comparison.

    Raises:
        ArtifactError: If the graph answers differently.
    """

    def prove(own: Answers, exported: Answers) -> Parity:
        parity = compare_answers(own[0], exported[0])
        require_parity(parity, "The bundle")
        return parity

    graph = ProbabilityGraph(model.cpu(), temperature)
    return _write_proven(graph, PROBABILITIES, model.spec, folder, pixels, prove)


def write_number_graph(model: Estimator, folder: Path, *, pixels: NDArray[np.uint8]) -> Parity:
    """As `write_graph`, for a model that estimates a number.

    Args:
        model: The trained estimator.
        folder: The bundle's folder; made if it is missing.
        pixels: Some of the user's own images to compare on, uint8 (image, height, width, channel).

    Raises:
        ArtifactError: If the graph answers differently.
    """

    def prove(own: Answers, exported: Answers) -> Parity:
        parity = compare_numbers(np.column_stack(own), np.column_stack(exported), scale=model.scale)
        if not parity.largest_difference <= TOLERANCE:
            raise ArtifactError(
                f"The bundle must answer like the model it was made from within {TOLERANCE:g}. Received a "
                f"largest difference of {parity.largest_difference:.2g}. The run keeps its "
                "model.safetensors; predict from it with --engine torch."
            )
        return parity

    return _write_proven(EstimateGraph(model.cpu()), NUMBERS, model.spec, folder, pixels, prove)


def write_image_graph(
    model: Classifier, folder: Path, *, temperature: float, pixels: NDArray[np.uint8]
) -> Parity:
    """Write and prove the graph of a model of images, whatever it tells; see `write_graph`."""
    if isinstance(model, Estimator):
        return write_number_graph(model, folder, pixels=pixels)
    return write_graph(model, folder, temperature=temperature, pixels=pixels)


def _write_proven(
    graph: nn.Module,
    outputs: tuple[str, ...],
    spec: InputSpec,
    folder: Path,
    pixels: NDArray[np.uint8],
    prove: Callable[[Answers, Answers], Parity],
) -> Parity:
    """Export a graph, prove it on the reference pixels and the user's, keep what the former are answered.

    A graph that `prove` refuses gets no reference.npz, without which no bundle opens.
    """
    folder.mkdir(parents=True, exist_ok=True)
    graph.eval()
    example = reference_pixels(spec)
    export_onnx(graph, torch.from_numpy(example), folder / MODEL, input_name="pixels", output_name=outputs)
    compared = np.concatenate([example, pixels])
    exported = session(folder / MODEL).run(list(outputs), {"pixels": compared})
    parity = prove(_answers(graph, compared), exported)
    kept = {name: rows[: len(example)] for name, rows in zip(outputs, exported, strict=True)}
    write_arrays(folder / REFERENCE, {"pixels": example, **kept})
    return parity


def bundle_record(
    model: Classifier,
    folder: Path,
    *,
    temperature: float,
    metrics: Mapping[str, Any],
    licences: tuple[Mapping[str, str], ...],
    details: Mapping[str, Any],
) -> Bundle:
    """Gather what bundle.json will say of a graph that has been written."""
    return Bundle(
        folder=folder,
        classes=tuple(model.classes),
        spec=model.spec,
        temperature=temperature,
        metrics=metrics,
        licences=licences,
        details=details,
    )
