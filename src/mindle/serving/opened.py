"""Anything that answers, opened by its name: a run, a bundle, or a backbone with its own ImageNet classes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.bundle import Bundle, read_bundle
from mindle.artifacts.files import unreadable
from mindle.artifacts.reading import exists
from mindle.artifacts.run import FINISHED, RunFolder
from mindle.data import read_images
from mindle.errors import ArtifactError
from mindle.evaluation.conformal import read_calibration
from mindle.evaluation.thresholds import named_classes
from mindle.records import InputSpec, TableSpec
from mindle.serving.predictor import (
    Answer,
    Forward,
    NumberPredictor,
    Predictor,
    answers,
    with_intervals,
)
from mindle.serving.rows import OpenedRows, RowPredictor
from mindle.text import spelled

ENGINES = ("onnx", "torch")
IMAGENET = "imagenet:"
LABELS_SHOWN = 5


class Opened:
    """A model that answers images and lays its answers out as rows of a table.

    Attributes:
        unit: What it answers, in the plural.
        classes: Class names in the order of the probabilities.
        spec: The pixels it takes.
        thresholds: One a class where they say which class is named; None names the likeliest.
    """

    unit = "images"

    def __init__(
        self,
        classes: tuple[str, ...],
        spec: InputSpec,
        forward: Forward,
        thresholds: NDArray[np.float64] | None = None,
    ) -> None:
        self.classes = classes
        self.spec = spec
        self.forward = forward
        self.thresholds = thresholds

    @property
    def columns(self) -> list[str]:
        """Column names of a table of answers."""
        return ["path", "predicted", "confidence", *(f"p_{name}" for name in self.classes), "reason"]

    def inputs(self, given: Iterable[Any]) -> Iterator[tuple[str, Any]]:
        """Names and payloads of what `predict` was given; see `mindle.data.read_images`."""
        return read_images(given)

    def answers(self, images: Iterable[tuple[str, Any]]) -> Iterator[Answer]:
        """Answer named images in order; see `mindle.serving.predictor.answers`."""
        return answers(images, spec=self.spec, forward=self.forward)

    def rows(self, images: Iterable[tuple[str, Any]]) -> Iterator[dict[str, Any]]:
        """Answers as rows for a table; a row without an answer has a reason and None elsewhere."""
        for answer in self.answers(images):
            path = spelled(answer.path)
            if answer.probabilities is None:
                yield {**dict.fromkeys(self.columns), "path": path, "reason": answer.reason}
            else:
                yield {"path": path, **self._cells(answer.probabilities), "reason": ""}

    def _cells(self, probabilities: NDArray[np.float64]) -> dict[str, Any]:
        best = int(named_classes(probabilities[None], self.thresholds)[0])
        return {
            "predicted": self.classes[best],
            "confidence": float(probabilities[best]),
            **{f"p_{name}": float(p) for name, p in zip(self.classes, probabilities, strict=True)},
        }


class OpenedNumbers(Opened):
    """A model that estimates a number from an image.

    Attributes:
        target: What the number is called in the data that it learned from.
    """

    def __init__(self, spec: InputSpec, forward: Forward, names: tuple[str, ...], target: str) -> None:
        super().__init__((), spec, forward)
        self.names = names
        self.target = target

    @property
    def columns(self) -> list[str]:
        """Column names of a table of answers."""
        return ["path", *self.names, "reason"]

    def _cells(self, probabilities: NDArray[np.float64]) -> dict[str, Any]:
        return dict(zip(self.names, probabilities.tolist(), strict=True))


class OpenedImageNet(Opened):
    """A backbone that names what it sees; a thousand columns help nobody, so its rows hold the best five."""

    @property
    def columns(self) -> list[str]:
        """Column names of a table of answers."""
        best = [f"{word}_{place}" for place in range(1, LABELS_SHOWN + 1) for word in ("label", "p")]
        return ["path", "predicted", "confidence", *best, "reason"]

    def _cells(self, probabilities: NDArray[np.float64]) -> dict[str, Any]:
        order = np.argsort(-probabilities, kind="stable")[:LABELS_SHOWN]
        cells: dict[str, Any] = {
            "predicted": self.classes[order[0]],
            "confidence": float(probabilities[order[0]]),
        }
        for place, index in enumerate(order, start=1):
            cells[f"label_{place}"] = self.classes[index]
            cells[f"p_{place}"] = float(probabilities[index])
        return cells


def open_model(
    name: str | os.PathLike[str],
    *,
    engine: str = "onnx",
    weights: Path | None = None,
    threads: int | None = None,
) -> Opened | OpenedRows:
    """Open a run folder, a bundle folder, or `imagenet:<backbone>`.

    Args:
        name: The folder, or "imagenet:" and the name of a backbone.
        engine: "onnx" answers from the bundle without torch; "torch" from the run's own model.
        weights: Where to look for a backbone's weights first.
        threads: How many threads answer; all cores unless set.

    Raises:
        ArtifactError: If there is no such run or bundle, or it is unfinished or damaged.
        ModelError: If a backbone has no weights here.
    """
    if engine not in ENGINES:
        raise ValueError(f"`engine` must be one of {', '.join(ENGINES)}. Received engine={engine!r}.")
    if os.fspath(name).startswith(IMAGENET):
        return _open_imagenet(os.fspath(name).removeprefix(IMAGENET), weights, threads)
    folder, is_run = locate(name)
    if engine == "torch":
        if not is_run:
            raise ArtifactError(
                f"engine='torch' must be given a run. {folder} is a bundle, which needs no torch: leave the "
                "engine out."
            )
        return _open_torch(folder)
    return _open_bundle(RunFolder(folder).bundle if is_run else folder, threads)


def locate(path: str | os.PathLike[str]) -> tuple[Path, bool]:
    """The folder of a finished run or of a bundle, and whether it is a run.

    Raises:
        ArtifactError: If it is neither, or a run that has not finished.
    """
    folder = Path(path)
    if folder.name in ("bundle.json", "run.json", "model.onnx"):
        folder = folder.parent
    if _holds(folder, "bundle.json"):
        return folder, False
    if not _holds(folder, "run.json"):
        raise ArtifactError(
            f"A model must be a run or a bundle folder. Received {os.fspath(path)!r}, which is neither. "
            "`mindle runs` lists the runs below runs/."
        )
    if RunFolder(folder).document().get("state") != FINISHED:
        raise ArtifactError(
            f"{folder} is a run that has not finished. Give the same `mindle train` command with --out "
            f"{folder} --resume."
        )
    return folder, True


def _holds(folder: Path, name: str) -> bool:
    try:
        return exists(folder / name)
    except PermissionError as error:
        raise unreadable(folder / name, error) from error


def _open_bundle(folder: Path, threads: int | None) -> Opened | OpenedRows:
    bundle = read_bundle(folder)
    if isinstance(bundle.spec, TableSpec):
        return OpenedRows(RowPredictor(bundle, threads=threads))
    if not bundle.classes:
        numbers = NumberPredictor(bundle, threads=threads)
        return OpenedNumbers(numbers.spec, numbers.forward, numbers.names, _target_of(bundle))
    predictor = Predictor(bundle, threads=threads)
    return Opened(predictor.classes, predictor.spec, predictor.forward, bundle.thresholds)


def _target_of(bundle: Bundle) -> str:
    return str(bundle.details.get("target", "target"))


def _open_torch(folder: Path) -> Opened:
    if not (folder / "model.json").is_file():
        raise ArtifactError(
            f"engine='torch' must be given a run with a PyTorch model. {folder} has none: leave the engine "
            "out."
        )
    from mindle.formats.onnx import torch_estimates, torch_probabilities
    from mindle.models.classifier import Estimator, load_model

    model = load_model(folder)
    bundle = read_bundle(RunFolder(folder).bundle)
    if (tuple(model.classes), model.spec.shape) != (bundle.classes, getattr(bundle.spec, "shape", None)):
        raise ArtifactError(
            f"{folder / 'model.json'} must describe the model that was packed into {bundle.folder}. Received "
            "one of other classes or pixels. Copy the whole folder again."
        )
    if isinstance(model, Estimator):
        arrays = bundle.intervals()
        calibration = read_calibration(arrays) if arrays else None
        return OpenedNumbers(
            model.spec,
            lambda pixels: with_intervals(*torch_estimates(model, pixels), calibration=calibration),
            ("predicted", "low", "high") if arrays else ("predicted",),
            _target_of(bundle),
        )
    return Opened(
        tuple(model.classes),
        model.spec,
        lambda pixels: torch_probabilities(model, bundle.temperature, pixels),
        bundle.thresholds,
    )


def _open_imagenet(name: str, weights: Path | None, threads: int | None) -> Opened:
    """A backbone with its own top, as an ONNX graph that is exported once and kept in the cache."""
    import torch

    from mindle.data.common.store import cache_dir
    from mindle.models.classifier import ProbabilityGraph, imagenet_classifier
    from mindle.models.graph import export_onnx, session
    from mindle.models.pretrained.weights import resolve

    card = resolve(name, weights)
    model = imagenet_classifier(card)
    identity = hashlib.sha256(json.dumps(model.description, sort_keys=True).encode() + card.sha256.encode())
    graph = cache_dir() / "graphs" / f"imagenet-{identity.hexdigest()[:24]}.onnx"
    if not graph.is_file():
        example = torch.zeros((1, *model.spec.shape), dtype=torch.uint8)
        export_onnx(ProbabilityGraph(model).eval(), example, graph)
    runtime = session(graph, threads)

    def forward(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        return np.asarray(runtime.run(None, {"pixels": pixels})[0])

    return OpenedImageNet(tuple(model.classes), model.spec, forward)
