"""The bundle: one folder that answers without torch.

`bundle.json` says what `model.onnx` means: classes in order, the pixels it takes, its temperature, its
scores, the licences of its weights, and the SHA-256 of every other file. `reference.npz` holds a few
generated images and the answers they must get, so that every loading proves that this machine answers alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.files import read_json, sha256_of, write_json
from mindle.errors import ArtifactError
from mindle.records import InputSpec

SCHEMA = 1
MODEL, REFERENCE = "model.onnx", "reference.npz"


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """What a bundle says of itself.

    Attributes:
        folder: Where it lies.
        classes: Class names in the order of the graph's output.
        spec: The pixels the graph takes: uint8 (image, height, width, channel).
        temperature: The logits were divided by it inside the graph.
        metrics: The "test" block of metrics.json.
        licences: Licence and source of each set of weights inside.
        details: Everything else in bundle.json.
    """

    folder: Path
    classes: tuple[str, ...]
    spec: InputSpec
    temperature: float
    metrics: Mapping[str, Any]
    licences: tuple[Mapping[str, str], ...]
    details: Mapping[str, Any]

    @property
    def model(self) -> Path:
        """The ONNX graph."""
        return self.folder / MODEL

    def reference(self) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Generated pixels (image, height, width, channel) and their probabilities (image, class)."""
        with np.load(self.folder / REFERENCE, allow_pickle=False) as arrays:
            return arrays["pixels"], arrays["probabilities"]


def write_bundle_document(bundle: Bundle) -> None:
    """Write bundle.json last, once the other files are in place, with their hashes."""
    spec = asdict(bundle.spec)
    write_json(
        bundle.folder / "bundle.json",
        {
            "schema": SCHEMA,
            "classes": list(bundle.classes),
            "input": {**spec, "mean": list(spec["mean"]), "std": list(spec["std"])},
            "temperature": bundle.temperature,
            "metrics": dict(bundle.metrics),
            "licences": [dict(licence) for licence in bundle.licences],
            **bundle.details,
            "files": {name: sha256_of(bundle.folder / name) for name in (MODEL, REFERENCE)},
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
        spec, temperature = dict(document["input"]), float(document["temperature"])
        if not (isinstance(document["classes"], list) and temperature > 0):
            raise ValueError("`classes` must be a list, `temperature` above 0")
        return Bundle(
            folder=folder,
            classes=tuple(document["classes"]),
            spec=InputSpec(**{**spec, "mean": tuple(spec["mean"]), "std": tuple(spec["std"])}),
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
