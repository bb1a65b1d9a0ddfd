"""The bundle: one folder that answers without torch.

`bundle.json` says what `model.onnx` means: classes in order, the pixels or columns it takes, its temperature,
its scores, the licences of its weights, and the SHA-256 of every other file. `reference.npz` holds inputs and
the answers they must get, each under its name in the graph, so that every loading proves that this machine
answers alike. Where a bundle estimates a number, `intervals.npz` says how far estimates were off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle import __version__
from mindle.artifacts.environment import libraries
from mindle.artifacts.files import read_json, sha256_of, write_json
from mindle.errors import ArtifactError
from mindle.records import Column, InputSpec, TableSpec

SCHEMA = 1
MODEL, REFERENCE, INTERVALS = "model.onnx", "reference.npz", "intervals.npz"


def origin(*, task: str, strategy: str, data: str, parity: Mapping[str, Any]) -> dict[str, Any]:
    """What every bundle says in its details of how it came about.

    Args:
        task: "binary", "multiclass" or "regression".
        strategy: What was trained.
        data: Fingerprint of the data.
        parity: Proof that the graph answers like the model.

    Example:
        >>> origin(task="binary", strategy="probe", data="5d41", parity={})["thresholds"]
        {}
    """
    return {
        "task": task,
        "strategy": strategy,
        "mindle": __version__,
        "libraries": libraries(),
        "data": data,
        "parity": parity,
        "thresholds": {},
    }


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What a bundle says of itself.

    Attributes:
        folder: Where it lies.
        classes: Class names in the order of the graph's output; none where it estimates a number.
        spec: What the graph takes: pixels uint8 (image, height, width, channel), or rows of columns.
        temperature: The logits were divided by it inside the graph.
        metrics: The "test" block of metrics.json.
        licences: Licence and source of each set of weights inside.
        details: Everything else in bundle.json.
    """

    folder: Path
    classes: tuple[str, ...]
    spec: InputSpec | TableSpec
    temperature: float
    metrics: Mapping[str, Any]
    licences: tuple[Mapping[str, str], ...]
    details: Mapping[str, Any]

    @property
    def model(self) -> Path:
        """The ONNX graph."""
        return self.folder / MODEL

    @property
    def thresholds(self) -> NDArray[np.float64] | None:
        """A threshold for each class, adding up to 1, or None where the likeliest class is named."""
        stored = self.details.get("thresholds") or {}
        return np.array([stored[name] for name in self.classes], np.float64) if stored else None

    def reference(self) -> dict[str, NDArray[Any]]:
        """Inputs and the answers they must get, by their names in the graph."""
        return _arrays(self.folder / REFERENCE)

    def intervals(self) -> dict[str, NDArray[Any]]:
        """What prediction intervals are made from; empty where there are none."""
        file = self.folder / INTERVALS
        return _arrays(file) if file.is_file() else {}


def named_classes(
    probabilities: NDArray[np.floating[Any]], thresholds: NDArray[np.float64] | None
) -> NDArray[np.int64]:
    """Which class is named for each image: the one whose probability is largest against its threshold.

    Of two classes whose thresholds add up to 1 that is the one whose probability exceeds its threshold.

    Args:
        probabilities: (image, class).
        thresholds: One a class, above 0; None names the likeliest.

    Example:
        >>> named_classes(np.array([[0.7, 0.3]]), np.array([0.8, 0.2])).tolist()
        [1]
    """
    return np.asarray((probabilities if thresholds is None else probabilities / thresholds).argmax(axis=1))


def write_bundle_document(bundle: Bundle) -> None:
    """Write bundle.json last, once the other files are in place, with their hashes."""
    intervals = [INTERVALS] if (bundle.folder / INTERVALS).is_file() else []
    write_json(
        bundle.folder / "bundle.json",
        {
            "schema": SCHEMA,
            "classes": list(bundle.classes),
            "input": asdict(bundle.spec),
            "temperature": bundle.temperature,
            "metrics": dict(bundle.metrics),
            "licences": [dict(licence) for licence in bundle.licences],
            **bundle.details,
            "files": {name: sha256_of(bundle.folder / name) for name in (MODEL, REFERENCE, *intervals)},
        },
    )


def read_bundle(folder: Path) -> Bundle:
    """Read and verify a bundle.

    Raises:
        ArtifactError: If a file is missing, changed since it was written, or of a newer schema.
    """
    document = read_json(folder / "bundle.json", schema=SCHEMA, what="bundle")
    files = document.get("files")
    if not isinstance(files, dict) or not {MODEL, REFERENCE} <= set(files):
        raise ArtifactError(
            f"{folder / 'bundle.json'} must hold the hashes of {MODEL} and {REFERENCE}. Received {files!r}. "
            "Copy the whole folder again."
        )
    for name, expected in files.items():
        file = folder / name
        if not file.is_file():
            raise ArtifactError(
                f"The bundle must hold {name}. Received {folder}, which has none. Copy the whole folder "
                "again."
            )
        if sha256_of(file) != expected:
            raise ArtifactError(
                f"{file} must be the file that was written with this bundle; its SHA-256 differs. "
                "It was changed or copied incompletely: copy the whole folder again."
            )
    try:
        temperature = float(document["temperature"])
        if not (isinstance(document["classes"], list) and temperature > 0):
            raise ValueError("`classes` must be a list, `temperature` above 0")
        return Bundle(
            folder=folder,
            classes=tuple(document["classes"]),
            spec=_spec(dict(document["input"])),
            temperature=temperature,
            metrics=dict(document["metrics"]),
            licences=tuple(document["licences"]),
            details={
                key: value
                for key, value in document.items()
                if key not in {"schema", "classes", "input", "temperature", "metrics", "licences", "files"}
            },
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{folder / 'bundle.json'} must be a whole bundle document; {error!r}. Train again."
        ) from error


def _spec(document: dict[str, Any]) -> InputSpec | TableSpec:
    if "columns" in document:
        return TableSpec(**{**document, "columns": tuple(Column(**column) for column in document["columns"])})
    return InputSpec(**{**document, "mean": tuple(document["mean"]), "std": tuple(document["std"])})


def _arrays(file: Path) -> dict[str, NDArray[Any]]:
    with np.load(file, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
