"""The bundle: one folder that answers without torch.

`bundle.json` says what `model.onnx` means: classes in order, the pixels or columns it takes, its temperature,
its scores, the licences of its weights, and the SHA-256 of every other file. `reference.npz` holds inputs and
the answers they must get, each under its name in the graph, so that every loading proves that this machine
answers alike. Where a bundle estimates a number, `intervals.npz` says how far estimates were off; where it
knows what is unlike its training data, `abstention.npz` holds what that is measured by.

The graph is float32 whatever runs it. Where a head was fitted on features in bfloat16, `precision` says so,
and how good the answers are if all is computed in float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import singledispatch
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts import answers as layouts
from mindle.artifacts.arrays import Slot, read_arrays
from mindle.artifacts.environment import libraries
from mindle.artifacts.files import exists, first_words, read_json, sha256_of, unreadable, write_json
from mindle.artifacts.reading import GRAPH_LIMIT, SpecialFile
from mindle.artifacts.typed import read_record, typed
from mindle.errors import ArtifactError
from mindle.records import PRECISIONS, InputSpec, TableSpec, Task, task_of
from mindle.version import __version__

# What knows the first alone would answer in float32 whatever the precision, and never abstain.
SCHEMA, FIRST_SCHEMA = 2, 1
DOCUMENT, MODEL, REFERENCE, INTERVALS = "bundle.json", "model.onnx", "reference.npz", "intervals.npz"
ABSTENTION, NEIGHBOURS = "abstention.npz", "neighbours.npz"

LIMITS = {
    MODEL: GRAPH_LIMIT,
    REFERENCE: 1 << 29,
    INTERVALS: 1 << 28,
    ABSTENTION: 1 << 28,
    NEIGHBOURS: 1 << 28,
}
"""The files of a bundle beside its document, and how many bytes each may have, on disk and as arrays."""

REFERENCE_ROWS = 64
_INTERVALS = {
    "errors": Slot("f8", (None,)),
    "counts": Slot("i", (None,)),
    "difficulty_mean": Slot("f8", (None,), optional=True),
    "difficulty_scale": Slot("f8", (None,), optional=True),
    "difficulty_root": Slot("u1", (), optional=True),
    "difficulty_vectors": Slot("f2", (None, None), optional=True),
    "difficulty_sizes": Slot("f4", (None,), optional=True),
    "difficulty_floor": Slot("f8", (), optional=True),
}
_ABSTENTION = {
    "mean": Slot("f8", (None,)),
    "scale": Slot("f8", (None,)),
    "root": Slot("u1", ()),
    "vectors": Slot("f2", (None, None)),
    "own": Slot("f4", (None,)),
    "held_out": Slot("f4", (3, None)),
    "tails": Slot("f8", (3, 2)),
}


@dataclass(frozen=True, kw_only=True)
class Precision:
    """What the bodies of a bundle's graph are to compute in; the head behind them computes in float32.

    Attributes:
        name: "float32" or "bfloat16".
        reference_difference: How far the answers to the reference inputs lie from those in float32.
        float32_is_as_good: Whether answers in float32 are shown to be no worse than a stated margin.
        float32: By score, how the test split is answered in this precision (first) and in float32 (second).
    """

    name: str = "float32"
    reference_difference: float = 0.0
    float32_is_as_good: bool = True
    float32: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.name not in PRECISIONS:
            raise ValueError(
                f"`precision.name` must be one of {', '.join(PRECISIONS)}. Received {self.name!r}."
            )


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
    def task(self) -> Task:
        """What it was trained for; where a bundle does not say it, as its classes show."""
        stated = self.details.get("task") or getattr(self.spec, "task", None)
        return Task(stated or task_of(len(self.classes)))

    @property
    def precision(self) -> Precision:
        """What its forward passes are to be computed in; float32 where it says nothing."""
        return read_record(Precision, self.details.get("precision", {}), "precision")

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
        return read_arrays(self.folder / REFERENCE, self.inputs | self.outputs, limit=LIMITS[REFERENCE])

    def intervals(self) -> dict[str, NDArray[Any]]:
        """What prediction intervals are made from; empty where there are none."""
        file = self.folder / INTERVALS
        return read_arrays(file, _INTERVALS, limit=LIMITS[INTERVALS]) if exists(file) else {}

    @property
    def abstention(self) -> Mapping[str, Any]:
        """What it says of when not to answer; empty where it says nothing, as in version 0.1.0."""
        found: dict[str, Any] = typed(dict, self.details.get("abstention") or {}, "abstention")
        return found

    def abstention_arrays(self) -> dict[str, NDArray[Any]]:
        """What is unlike its training data is measured by these; empty where there are none."""
        file = self.folder / ABSTENTION
        return read_arrays(file, _ABSTENTION, limit=LIMITS[ABSTENTION]) if exists(file) else {}

    @property
    def inputs(self) -> dict[str, Slot]:
        """What the graph must take, by name."""
        return graph_inputs(self.spec)

    @property
    def outputs(self) -> dict[str, Slot]:
        """What the graph must answer, by name."""
        intervals = exists(self.folder / INTERVALS)
        return layouts.of(self.task).outputs(len(self.classes), intervals=intervals)


@singledispatch
def graph_inputs(spec: Any) -> dict[str, Slot]:
    """What the graph of a bundle must take, by name."""
    raise TypeError(f"`spec` must be an InputSpec or a TableSpec. Received {type(spec).__name__}.")


@graph_inputs.register
def _pixel_inputs(spec: InputSpec) -> dict[str, Slot]:
    return {"pixels": Slot("u1", (None, *spec.shape))}


@graph_inputs.register
def _column_inputs(spec: TableSpec) -> dict[str, Slot]:
    features = [column for column in spec.columns if column.role == "feature"]
    width = sum(column.numbers for column in features)
    categories = sum(not column.numbers for column in features)
    found = {"numbers": Slot("f8", (None, width))} if width else {}
    return found | ({"categories": Slot("U", (None, categories))} if categories else {})


def write_bundle_document(bundle: Bundle) -> None:
    """Write bundle.json last, once the other files are there, with their hashes."""
    names = [name for name in LIMITS if name in (MODEL, REFERENCE) or (bundle.folder / name).is_file()]
    stated = {field.name: getattr(bundle, field.name) for field in fields(_Document) if field.name != "input"}
    later = bundle.abstention or bundle.precision != Precision() or NEIGHBOURS in names
    document = {
        "schema": SCHEMA if later else FIRST_SCHEMA,
        **stated,
        "input": asdict(bundle.spec),
        "mindle": __version__,
        "libraries": libraries(),
        "thresholds": {},
        **bundle.details,
        "files": {name: sha256_of(bundle.folder / name) for name in names},
    }
    write_json(bundle.folder / DOCUMENT, document)


def read_bundle(folder: Path) -> Bundle:
    """Read and verify a bundle: its document, its files, and that the two fit.

    Its files may be links to regular files, as caches of downloads make them; other names are refused.

    Raises:
        ArtifactError: If a file is missing, changed since it was written, or of a newer schema, or the
            document says something that cannot be.
        DeviceError: If the system refuses to read a file.
    """
    file = folder / DOCUMENT
    document = read_json(file, schema=SCHEMA, what="bundle")
    _verify(folder, document.get("files"))
    try:
        bundle = _bundle(folder, document)
        _require_sense(bundle)
    except ValueError as error:
        raise ArtifactError(
            f"{file} must be a whole bundle document; {first_words(error)}. Copy the whole folder again, "
            "or train again."
        ) from error
    _require_counts(bundle.reference(), bundle.intervals(), folder)
    return bundle


def _verify(folder: Path, hashes: Any) -> None:
    """Hold the files against their hashes, once their names and sizes are known to be those of a bundle."""
    if not isinstance(hashes, dict) or not {MODEL, REFERENCE} <= set(hashes) <= set(LIMITS):
        names = ", ".join(map(repr, list(hashes)[:8])) if isinstance(hashes, dict) else f"{hashes!r:.80}"
        raise ArtifactError(
            f"{folder / DOCUMENT} must hold the hashes of {MODEL} and {REFERENCE}, perhaps of {INTERVALS}, "
            f"{ABSTENTION} and {NEIGHBOURS}, and of nothing else. Received {names or 'none'}. Copy the whole "
            "folder again."
        )
    for name, limit in LIMITS.items():
        file = folder / name
        if not exists(file):
            if name in hashes:
                raise ArtifactError(
                    f"The bundle must hold {name}. Received {folder}, which has none. Copy the whole folder "
                    "again."
                )
            continue
        try:
            found = sha256_of(file, limit=limit)
        except (ValueError, SpecialFile, IsADirectoryError) as error:
            raise ArtifactError(
                f"{file} must be a file of a bundle: {first_words(error)}. Copy the whole folder again."
            ) from error
        except OSError as error:
            raise unreadable(file, error) from error
        if found != hashes.get(name):
            raise ArtifactError(
                f"{file} must be the file that was written with this bundle; its SHA-256 differs. "
                "It was changed or copied incompletely: copy the whole folder again."
            )


# What the first version wrote of each; what came later has defaults.
_PIXELS = ("height", "width", "fit", "interpolation", "colour", "mean", "std")
_COLUMN = ("name", "kind", "role", "decimal", "thousands", "date_format")


@dataclass(frozen=True, kw_only=True)
class _Document:
    """The fields that every bundle.json has; the others are its details."""

    classes: tuple[str, ...]
    input: dict[str, Any]
    temperature: float
    metrics: dict[str, Any]
    licences: tuple[dict[str, str | None], ...]


def _bundle(folder: Path, document: Mapping[str, Any]) -> Bundle:
    """The document as a record, each field of its type."""
    known = {field.name for field in fields(_Document)}
    given = {name: value for name, value in document.items() if name in known}
    stated = vars(read_record(_Document, given, DOCUMENT))
    details = {name: value for name, value in document.items() if name not in {*known, "schema", "files"}}
    return Bundle(folder=folder, spec=_spec(stated.pop("input")), details=details, **stated)


def _spec(given: dict[str, Any]) -> InputSpec | TableSpec:
    if "columns" not in given:
        _require_fields(given, "input", _PIXELS)
        return read_record(InputSpec, given, "input")
    for at, column in enumerate(given["columns"] if isinstance(given["columns"], list) else ()):
        _require_fields(column, f"input.columns[{at}]", _COLUMN)
    spec = read_record(TableSpec, given, "input")
    names = [column.name for column in spec.columns]
    if len(set(names)) != len(names):
        raise ValueError("`input.columns` must have different names. Received some twice.")
    if not any(column.role == "feature" for column in spec.columns):
        raise ValueError("`input.columns` must hold a feature. Received none.")
    return spec


def _require_fields(value: Any, name: str, fields: tuple[str, ...]) -> None:
    """Refuse an object that lacks what was always written; a default in its file would answer otherwise."""
    missing = [field for field in fields if isinstance(value, dict) and field not in value]
    if missing:
        raise ValueError(f"`{name}` lacks {', '.join(missing)}.")


def _require_sense(bundle: Bundle) -> None:
    """Refuse what no model can mean: classes that are alike, thresholds of others, no such precision."""
    classes, task, _ = bundle.classes, bundle.details.get("task"), bundle.precision
    if len(set(classes)) != len(classes) or not all(classes) or len(classes) == 1:
        raise ValueError(
            f"`classes` must be two or more different names, or none. Received {list(classes)[:10]}."
        )
    if bundle.temperature <= 0:
        raise ValueError(f"`temperature` must be above 0. Received {bundle.temperature}.")
    fits = {"binary": len(classes) == 2, "multiclass": len(classes) > 2}
    stated = [Task(str(each)) for each in (task, getattr(bundle.spec, "task", None)) if each is not None]
    if len({*stated}) > 1 or not all(fits.get(each, not classes) for each in stated):
        raise ValueError(
            f"`task` must be {task_of(len(classes))} with {len(classes)} classes. Received "
            f"{', '.join(stated)}."
        )
    thresholds = typed(dict[str, float], bundle.details.get("thresholds") or {}, "thresholds")
    if thresholds and (set(thresholds) != set(classes) or min(thresholds.values()) <= 0):
        raise ValueError(
            "`thresholds` must hold a number above 0 for each of the classes. Received "
            f"{', '.join(list(thresholds)[:10])}."
        )


def _require_counts(
    reference: Mapping[str, NDArray[Any]], intervals: Mapping[str, NDArray[Any]], folder: Path
) -> None:
    """As many rows in each array of the reference, and as many folds in it as in the intervals."""
    rows = {len(array) for array in reference.values()}
    if len(rows) != 1 or not 1 <= max(rows) <= REFERENCE_ROWS:
        raise ArtifactError(
            f"{folder / REFERENCE} must hold 1 to {REFERENCE_ROWS} rows in each of its arrays. Received "
            f"{', '.join(f'{name} {array.shape}' for name, array in reference.items())}. Copy the whole "
            "folder again."
        )
    if not intervals:
        return
    errors, counts = intervals["errors"], intervals["counts"]
    folds = reference["fold_estimates"].shape[1] if "fold_estimates" in reference else 0
    if len(counts) != folds or counts.min(initial=0) < 0 or counts.sum() != len(errors) or not len(errors):
        raise ArtifactError(
            f"{folder / INTERVALS} must hold the held-out errors of the graph's {folds} folds, and how many "
            f"are of each. Received {len(errors):,} errors of {len(counts)} folds. Copy the whole folder "
            "again."
        )
