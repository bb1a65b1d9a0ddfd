"""A trained model to a bundle: one ONNX graph from uint8 pixels to probabilities or numbers, proven equal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mindle.artifacts.bundle import MODEL, REFERENCE, Bundle
from mindle.errors import ArtifactError
from mindle.formats.parity import TOLERANCE, Parity, compare_answers, compare_numbers, require_parity
from mindle.models.classifier import Classifier, EstimateGraph, Estimator, ProbabilityGraph
from mindle.models.graph import export_onnx, session
from mindle.records import InputSpec

REFERENCE_IMAGES = 4
# What the graph of an estimator answers.
NUMBERS = ("estimate", "fold_estimates")


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


def torch_probabilities(
    model: Classifier, temperature: float, pixels: NDArray[np.uint8]
) -> NDArray[np.float64]:
    """What the PyTorch model answers: pixels (image, height, width, channel) to (image, class)."""
    graph = ProbabilityGraph(model, temperature).eval()
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    with torch.inference_mode():
        pieces = [
            graph(torch.from_numpy(part).to(device)).cpu()
            for part in np.array_split(pixels, -(-len(pixels) // 16))
        ]
    return np.asarray(torch.cat(pieces).numpy(), np.float64)


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
    folder.mkdir(parents=True, exist_ok=True)
    model = model.cpu().eval()
    example = reference_pixels(model.spec)
    export_onnx(
        ProbabilityGraph(model, temperature).eval(),
        torch.from_numpy(example),
        folder / MODEL,
        input_name="pixels",
        output_name="probabilities",
    )
    runtime = session(folder / MODEL)

    def answer(images: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(runtime.run(None, {"pixels": images})[0], np.float32)

    compared = np.concatenate([example, pixels])
    exported = answer(compared)
    parity = compare_answers(torch_probabilities(model, temperature, compared), exported)
    require_parity(parity, "The bundle")
    np.savez(folder / REFERENCE, pixels=example, probabilities=exported[: len(example)])
    return parity


def torch_estimates(
    model: Estimator, pixels: NDArray[np.uint8]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the PyTorch model answers: pixels to estimate (image,) and fold_estimates (image, fold)."""
    graph = EstimateGraph(model).eval()
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    with torch.inference_mode():
        pieces = [
            graph(torch.from_numpy(part).to(device)) for part in np.array_split(pixels, -(-len(pixels) // 16))
        ]
    estimates, folds = (torch.cat([piece[at].cpu() for piece in pieces]).numpy() for at in (0, 1))
    return np.asarray(estimates, np.float64), np.asarray(folds, np.float64)


def write_number_graph(model: Estimator, folder: Path, *, pixels: NDArray[np.uint8]) -> Parity:
    """As `write_graph`, for a model that estimates a number.

    Args:
        model: The trained estimator.
        folder: The bundle's folder; made if it is missing.
        pixels: Some of the user's own images to compare on, uint8 (image, height, width, channel).

    Raises:
        ArtifactError: If the graph answers differently.
    """
    folder.mkdir(parents=True, exist_ok=True)
    model = model.cpu().eval()
    example = reference_pixels(model.spec)
    export_onnx(
        EstimateGraph(model).eval(),
        torch.from_numpy(example),
        folder / MODEL,
        input_name="pixels",
        output_name=NUMBERS,
    )
    compared = np.concatenate([example, pixels])
    own = torch_estimates(model, compared)
    exported = session(folder / MODEL).run(list(NUMBERS), {"pixels": compared})
    parity = compare_numbers(np.column_stack(own), np.column_stack(exported), scale=model.scale)
    if not parity.largest_difference <= TOLERANCE:
        raise ArtifactError(
            f"The bundle must answer like the model it was made from within {TOLERANCE:g}. Received a "
            f"largest difference of {parity.largest_difference:.2g}. The run keeps its model.safetensors; "
            "predict from it with --engine torch."
        )
    stored = {name: rows[: len(example)] for name, rows in zip(NUMBERS, exported, strict=True)}
    np.savez(folder / REFERENCE, pixels=example, **stored)
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
