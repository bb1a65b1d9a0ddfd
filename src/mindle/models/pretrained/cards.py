"""The card of a weight file: how to build its network, what goes in, how to know the file.

A card is the JSON file of the same name beside a safetensors file; docs/models.md lists its fields. Cards
are data: nothing in them is ever run, and arguments that would make a network builder fetch or unpickle
something are refused. Nothing here loads torch before tensors are read.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindle.artifacts.files import first_words, sha256_of
from mindle.artifacts.typed import read_record
from mindle.errors import ModelError
from mindle.records import INTERPOLATIONS, InputSpec

if TYPE_CHECKING:
    from torch import Tensor

CARD_SCHEMA = 1
LIBRARIES = ("timm", "torchvision")
BATCH_NORMS = ("statistics", "folded", "none")
POOLINGS = ("none", "avg", "max", "both")

# These would download, unpickle or replace what the card promises.
FORBIDDEN_ARGUMENTS = (
    "pretrained",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "checkpoint_path",
    "cache_dir",
    "weights",
    "weights_backbone",
    "scriptable",
    "exportable",
)


@dataclass(frozen=True, kw_only=True)
class WeightCard:
    """One pretrained network: how to build it, what it takes, and where its numbers lie.

    Attributes:
        name: Unique among the cards, such as "mobilenetv2_100.coral-tf2-ptq-int8".
        library: Who builds it: "timm" or "torchvision".
        model: What that library calls it.
        arguments: Keywords of the builder.
        identity: Modules that become identities after building.
        head: Whether the file holds the ImageNet classifier too.
        labels: Names of that classifier's classes, in order, or None.
        features: Width after average pooling; 0 where only building it would tell.
        spec: Size, fit, interpolation, mean and std of what goes in.
        batch_norm: "folded" where the batch norms carry a bias and no statistics, and so must
            stay in eval mode; "statistics" or "none" otherwise.
        sha256: Of the weight file; checked when it is read.
        licence: SPDX name, or "".
        source: Where the file comes from, for people.
        path: The weight file, or None for a network with random weights.
        origin: Which of the sources found it, for people.
        pooling: What turns the map into features: "none", "avg", "max" or "both".
    """

    name: str
    library: str
    model: str
    spec: InputSpec
    arguments: Mapping[str, Any] = field(default_factory=dict)
    identity: tuple[str, ...] = ()
    head: bool = True
    labels: tuple[str, ...] | None = None
    features: int = 0
    batch_norm: str = "statistics"
    sha256: str = ""
    licence: str = ""
    source: str = ""
    path: Path | None = None
    origin: str = ""
    pooling: str = "avg"

    def __post_init__(self) -> None:
        where = f"in the card {self.name}"
        for name, allowed in (("library", LIBRARIES), ("batch_norm", BATCH_NORMS), ("pooling", POOLINGS)):
            value = getattr(self, name)
            if value not in allowed:
                raise ModelError(f"`{name}` must be one of {', '.join(allowed)} {where}. Received {value!r}.")
        if not re.fullmatch(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_.-]+)?", self.model):
            raise ModelError(f"`model` must be a plain name {where}. Received {self.model!r}.")
        for name, value in self.arguments.items():
            members = value if isinstance(value, (list, tuple)) else (value,)
            plain = all(isinstance(member, (str, int, float, type(None))) for member in members)
            if name in FORBIDDEN_ARGUMENTS or not plain:
                raise ModelError(
                    f"`arguments` must be plain settings of the architecture {where}. "
                    f"Received {name}={value!r}."
                )

    @property
    def size_bytes(self) -> int:
        """Size of the weight file; 0 without one."""
        return self.path.stat().st_size if self.path is not None else 0


# Fields of the JSON form: of the card, and of its input.
_STORED = tuple(each.name for each in fields(WeightCard) if each.name not in ("spec", "labels", "path"))
_OF_SPEC = ("fit", "interpolation", "mean", "std")


def read_card(path: Path, origin: str) -> WeightCard:
    """The card in a JSON file, with the weight file and the class names that lie beside it.

    Raises:
        ModelError: If the card cannot be read, is of another schema, or names what is not there.
    """
    document = read_json(path)
    if document.get("schema") != CARD_SCHEMA:
        raise ModelError(
            f"The card {path} must have schema {CARD_SCHEMA}. Received {document.get('schema')!r}. "
            "A newer mindle may read it."
        )
    folder = path.parent
    weights = folder / _file_name(
        document.get("weights", path.with_suffix(".safetensors").name), path, "weights"
    )
    if not weights.is_file():
        raise ModelError(f"The card {path} speaks of {weights.name}, which is not beside it.")
    labels = document.get("labels")
    card = card_from_dict(document | {"name": weights.stem}, str(path))
    return replace(
        card,
        labels=None if labels is None else _read_labels(folder / _file_name(labels, path, "labels")),
        sha256=card.sha256 or hash_file(weights),
        path=weights,
        origin=origin,
    )


def card_from_dict(document: Mapping[str, Any], where: str) -> WeightCard:
    """A card from its JSON form; `where` names it in messages.

    Raises:
        ModelError: If a field is missing or has a value that cannot be.

    Example:
        >>> card = card_from_dict({"library": "timm", "model": "resnet18", "input_size": [224, 224],
        ...                        "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5]}, "the example")
        >>> card.spec.width, card.batch_norm
        (224, 'statistics')
    """
    missing = [name for name in ("library", "model", "input_size", "mean", "std") if name not in document]
    if missing:
        raise ModelError(f"The card {where} lacks {', '.join(missing)}; docs/models.md shows a card.")
    given = {name: document[name] for name in _STORED if document.get(name) is not None}
    try:
        height, width = document["input_size"]
        spec = {"height": height, "width": width} | {k: document[k] for k in _OF_SPEC if k in document}
        return read_record(WeightCard, {"name": document["model"], **given, "spec": spec}, "card")
    except (TypeError, ValueError) as error:
        raise ModelError(f"The card {where} describes no input or network that can be: {error}") from error


def card_as_dict(card: WeightCard) -> dict[str, Any]:
    """The JSON form of a card, less its path (which means nothing elsewhere) and its thousand labels.

    Example:
        >>> spec = InputSpec(height=224, width=224)
        >>> card = WeightCard(name="mine", library="timm", model="resnet18", spec=spec, arguments={})
        >>> card_from_dict(card_as_dict(card), "here") == card
        True
    """
    spec = {name: getattr(card.spec, name) for name in _OF_SPEC}
    stored = {name: getattr(card, name) for name in _STORED} | {"arguments": dict(card.arguments)}
    document = {"schema": CARD_SCHEMA, "input_size": [card.spec.height, card.spec.width], **spec, **stored}
    plain: dict[str, Any] = json.loads(json.dumps(document))
    return plain


def _file_name(value: Any, card: Path, field: str) -> str:
    if not isinstance(value, str) or value != Path(value).name:
        raise ModelError(f"`{field}` must name a file beside the card {card}. Received {value!r}.")
    return value


def _read_labels(path: Path) -> tuple[str, ...]:
    try:
        return tuple(path.read_text(encoding="utf-8").splitlines())
    except OSError as error:
        raise ModelError(f"The class names of a card cannot be read: {path} ({error.strerror}).") from error


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        ModelError: If there is none.
    """
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} must be a card written in JSON, and cannot be read: {error}.") from error
    if not isinstance(fields, dict):
        raise ModelError(f"{path} must hold one JSON object. Received {type(fields).__name__}.")
    return fields


@functools.cache
def imagenet_labels(outputs: int) -> tuple[str, ...] | None:
    """Names of the 1,000 ImageNet classes, or of 1,001 with "background" first; None for other counts.

    Example:
        >>> imagenet_labels(1000)[0], imagenet_labels(1001)[1]
        ('tench, Tinca tinca', 'tench, Tinca tinca')
    """
    path = Path(__file__).parent / "labels" / f"imagenet_{outputs}.txt"
    return _read_labels(path) if path.is_file() else None


def tensor_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Names and shapes in a safetensors file, from its header alone and without torch.

    Raises:
        ModelError: If the file is not one.

    Source:
        The format: https://huggingface.co/docs/safetensors.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > min(path.stat().st_size, 100_000_000):
                raise ValueError("its header is longer than the file")
            header = json.loads(file.read(length))
        return {name: tuple(entry["shape"]) for name, entry in header.items() if name != "__metadata__"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{path} must be a safetensors file, and cannot be read: {error}.") from error


def hash_file(path: Path) -> str:
    """The sha256 of a file in hex.

    Example:
        >>> len(hash_file(Path(__file__)))
        64
    """
    try:
        return sha256_of(path)
    except OSError as error:
        raise ModelError(f"The weight file {path} cannot be read: {error.strerror or error}.") from error


def check_hash(path: Path, wanted: str) -> None:
    """Compare a file with its sha256, where one is known.

    Raises:
        ModelError: If they differ.
    """
    found = hash_file(path)
    if wanted and found != wanted:
        raise ModelError(
            f"The weight file {path} must have the sha256 {wanted}. Received {found}: it is damaged or "
            "another file. Get it again, or correct its card."
        )


def load_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file.

    Raises:
        ModelError: If it is none.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"The weight file {path} cannot be read: {first_words(error)}. Get it again."
        ) from error


def spec_of(config: Mapping[str, Any]) -> InputSpec:
    """The input that timm's record of a pretrained model describes.

    Example:
        >>> spec_of({"input_size": (3, 299, 299), "mean": (0.5,) * 3, "std": (0.5,) * 3}).height
        299
    """
    _, height, width = config.get("input_size") or (3, 224, 224)
    interpolation = config.get("interpolation") or "bicubic"
    return InputSpec(
        height=height,
        width=width,
        interpolation=interpolation if interpolation in INTERPOLATIONS else "bilinear",
        mean=tuple(config.get("mean") or (0.485, 0.456, 0.406)),
        std=tuple(config.get("std") or (0.229, 0.224, 0.225)),
    )
