"""From uint8 pixels to logits in one module: what is trained, saved, exported and served.

    pixels uint8 (image, height, width, channel)
      -> floats in [0, 1] (image, channel, height, width)      augmentation happens here, outside
      -> normalised, once for each body
      -> bodies -> features, side by side -> head -> logits (image, class)

What a bundle calls features are those of frozen bodies, or what the last dense layer of a net is given.

An estimator of numbers is the same with a head of one score, or of several, in standard deviations of the
target; the graph of a bundle brings them into the target's unit.

A classifier on disk is `model.json` (what to build) and `model.safetensors` (its numbers, the backbones'
included), and needs nothing else.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from mindle.artifacts.answers import FEATURES
from mindle.artifacts.files import first_words, read_json, unreadable, write_bytes, write_json
from mindle.artifacts.reading import open_regular
from mindle.artifacts.typed import read_record, typed
from mindle.errors import ArtifactError, MindleError, ModelError
from mindle.models.heads import BlendHead, Head, Standardise, build_head, describe_head, two_logits
from mindle.models.nets.layers import Layer, build_layers
from mindle.models.pretrained.backbone import Backbone, build_backbone
from mindle.models.pretrained.cards import WeightCard, card_as_dict, card_from_dict, imagenet_labels
from mindle.records import InputSpec

SCHEMA = 1
# Of an image, that a bundle answers: 1,500 images of so many take 25 MB.
MOST_FEATURES = 8192


class Normalise(nn.Module):
    """(x - mean) / std by channel, for floats in [0, 1].

    Example:
        >>> Normalise((0.5,), (0.25,))(torch.ones(1, 1, 1, 1)).item()
        2.0
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        # The description holds these, so the state need not.
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Normalise a batch."""
        return (x - self.mean) / self.std


class Classifier(nn.Module):
    """Pixels to logits, or to standardised numbers. Made by `layers_model` and `backbone_model`.

    Attributes:
        spec: The pixels it takes.
        outputs: What its scores stand for.
        description: What `describe` gives: enough to build it again.
        bodies: What makes features (or, without a head, scores) of normalised images.
        normalisers: One for each body.
        head: What makes scores of the bodies' features.
    """

    def __init__(
        self,
        outputs: Outputs,
        *,
        spec: InputSpec,
        bodies: Sequence[nn.Module],
        normalisers: Sequence[nn.Module],
        head: nn.Module,
        description: Mapping[str, Any],
    ) -> None:
        super().__init__()
        self.spec = spec
        self.outputs = outputs
        fields = asdict(spec) | {"mean": list(spec.mean), "std": list(spec.std)}
        self.description = {"schema": SCHEMA, "spec": fields, **outputs.described(), **description}
        self.bodies = nn.ModuleList(bodies)
        self.normalisers = nn.ModuleList(normalisers)
        self.head = head

    def average_mirrored(self) -> None:
        """From now on answer the mean of what an image and its mirror image get."""
        self.description["test_time_flip"] = True

    def forward(self, pixels: Tensor) -> Tensor:
        """uint8 (image, height, width, channel) -> logits (image, class)."""
        images = to_floats(pixels)
        logits = self.logits_from_floats(images)
        if not self.description.get("test_time_flip"):
            return logits
        return (logits + self.logits_from_floats(images.flip(3))) / 2

    def logits_from_floats(self, images: Tensor) -> Tensor:
        """Floats in [0, 1] (image, channel, height, width), perhaps augmented -> logits (image, class)."""
        return self.logits_from_features(self.features_from_floats(images))

    def answered(self, pixels: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits of pixels, and the features (image, feature) that they come from, not of mirror images."""
        images = to_floats(pixels)
        logits, features = self._answered(images)
        if self.description.get("test_time_flip"):
            logits = (logits + self.logits_from_floats(images.flip(3))) / 2
        return logits, features

    def _answered(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        if self._net is None:
            given = self.features_from_floats(images)
            return self.logits_from_features(given), given if self.features else None
        images = self.features_from_floats(images) if self._net is self.head else self.normalisers[0](images)
        *layers, last = self._net
        for layer in layers:
            images = layer(images)
        return self.outputs.logits(last(images)), images if self.features else None

    @property
    def _net(self) -> nn.Sequential | None:
        """The layers that end in one score a class, where there are such."""
        net = self.bodies[0] if isinstance(self.head, nn.Identity) else self.head
        return net if isinstance(net, nn.Sequential) else None

    @property
    def features(self) -> int:
        """How many features an image has; 0 where there are none, or too many to keep of others."""
        dense: Any = None if self._net is None else self._net[-1]
        count = _width(self.head) if dense is None else int(dense.linear.in_features)
        return count if count <= MOST_FEATURES else 0

    def features_from_floats(self, images: Tensor) -> Tensor:
        """Floats in [0, 1] -> what the head takes: the bodies' outputs side by side."""
        outputs = [
            body(normalise(images)) for body, normalise in zip(self.bodies, self.normalisers, strict=True)
        ]
        return outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)

    def logits_from_features(self, features: Tensor) -> Tensor:
        """The head alone."""
        return self.outputs.logits(self.head(features))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order of the logits; none where a number is estimated."""
        return self.outputs.classes

    @property
    def backbones(self) -> list[Backbone]:
        """The pretrained bodies, if any."""
        return [body for body in self.bodies if isinstance(body, Backbone)]


class AnswerGraph(nn.Module):
    """A classifier with what makes answers of its logits: the whole graph of a bundle.

    uint8 (image, height, width, channel) -> what its `outputs` name, each (image, …).
    """

    temperature: Tensor

    def __init__(self, classifier: Classifier, temperature: float = 1.0) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"`temperature` must be above 0. Received temperature={temperature}.")
        self.classifier = classifier
        self.register_buffer("temperature", torch.tensor(float(temperature)), persistent=False)

    @property
    def names(self) -> tuple[str, ...]:
        """What it answers."""
        names = self.classifier.outputs.names
        return (*names, FEATURES) if self.classifier.features else names

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        """Answer a batch."""
        logits, features = self.classifier.answered(pixels)
        answers = self.classifier.outputs.answers(logits, self.temperature)
        return answers if features is None else (*answers, features)


class HeadGraph(AnswerGraph):
    """What of a bundle's graph follows the bodies: their features side by side -> what `outputs` name."""

    @property
    def names(self) -> tuple[str, ...]:
        """What it answers; features it is given."""
        return self.classifier.outputs.names

    def forward(self, features: Tensor) -> tuple[Tensor, ...]:
        """Answer a batch (image, feature)."""
        logits = self.classifier.logits_from_features(features)
        return self.classifier.outputs.answers(logits, self.temperature)


def _width(head: nn.Module) -> int:
    """How many features a head takes; 0 where it is none on frozen bodies."""
    if isinstance(head, BlendHead) and head.columns is not None:
        return max(stop for _, stop in head.columns)
    standardise = next((part for part in head.modules() if isinstance(part, Standardise)), None)
    return 0 if standardise is None else standardise.features


def to_floats(pixels: Tensor) -> Tensor:
    """uint8 (image, height, width, channel) -> floats in [0, 1] (image, channel, height, width).

    The memory stays as it lies, which torch calls channels_last and convolutions on a CPU like best.

    Example:
        >>> to_floats(torch.full((1, 2, 2, 3), 255, dtype=torch.uint8)).shape
        torch.Size([1, 3, 2, 2])
    """
    return pixels.permute(0, 3, 1, 2).float() / 255


# ---- making one -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ClassScores:
    """The outputs of a classifier: one score a class.

    Attributes:
        classes: Their names, in the order of the scores.
        names: What its graph in a bundle answers.
        scale: What targets were divided by before anything learned.
    """

    classes: tuple[str, ...]
    names: ClassVar = ("probabilities",)
    scale: ClassVar = 1.0

    @property
    def count(self) -> int:
        """Scores of an image."""
        return len(self.classes)

    def logits(self, scores: Tensor) -> Tensor:
        """Scores of a head as logits; one score of two classes becomes the logits (0, score)."""
        return two_logits(scores) if self.count == 2 else scores

    def answers(self, logits: Tensor, temperature: Tensor) -> tuple[Tensor, ...]:
        """Probabilities (image, class).

        Source:
            Guo et al. 2017, https://arxiv.org/abs/1706.04599, eq. 9.
        """
        return (torch.softmax(logits / temperature, dim=1),)

    def described(self) -> dict[str, Any]:
        """What a model's description says of it."""
        return {"classes": list(self.classes)}


@dataclass(frozen=True)
class StandardisedNumber:
    """The outputs of an estimator: a number, in standard deviations `scale` from the mean `centre`.

    The first score is the estimate. Further ones are those of models that did not see one fold each, from
    which prediction intervals are made.
    """

    centre: float
    scale: float
    classes: ClassVar = ()
    count: ClassVar = 1
    names: ClassVar = ("estimate", "fold_estimates")

    def logits(self, scores: Tensor) -> Tensor:
        """Scores of a head (image, score), some of which give one score as the logits (0, score)."""
        return scores[:, 1:] if scores.shape[1] == 2 else scores

    def answers(self, logits: Tensor, temperature: Tensor) -> tuple[Tensor, ...]:
        """Estimates (image,) in the target's unit, and those of the folds (image, fold); no temperature.

        Where there is only one model, the fold's estimate is the estimate itself.
        """
        # In float64: of a target such as a year, float32 keeps three decimals.
        scores = logits.double() * self.scale + self.centre
        return scores[:, 0], scores[:, 1:] if scores.shape[1] > 1 else scores

    def described(self) -> dict[str, Any]:
        """What a model's description says of it."""
        return {"classes": [], "target": {"centre": self.centre, "scale": self.scale}}


Outputs = ClassScores | StandardisedNumber


def _require_names(outputs: Outputs) -> None:
    """Refuse classes that cannot be distinguished; the names of ImageNet hold two pairs of them."""
    classes = outputs.classes
    if len(classes) != len(set(classes)) or len(classes) == 1:
        raise ValueError(f"`classes` must be two or more different names. Received {list(classes)}.")


def layers_model(
    layers: Sequence[Layer], outputs: Outputs, *, spec: InputSpec, seed: int | None = None
) -> Classifier:
    """A net from a list of layers, with fresh weights; "classes" units of the last layer are its outputs.

    For two classes one unit will do too.

    Raises:
        ValueError: If the layers do not fit `spec`, or do not end in as many scores as there are outputs.

    Example:
        >>> spec = InputSpec(height=8, width=8, colour="gray", mean=(0.0,), std=(1.0,))
        >>> layers = [{"kind": "flatten"}, {"kind": "dense", "units": "classes"}]
        >>> net = layers_model(layers, StandardisedNumber(centre=20.0, scale=5.0), spec=spec)
        >>> net(torch.zeros(3, 8, 8, 1, dtype=torch.uint8)).shape
        torch.Size([3, 1])
        >>> net = layers_model(layers, ClassScores(("no", "yes")), spec=spec)
        >>> net(torch.zeros(3, 8, 8, 1, dtype=torch.uint8)).shape
        torch.Size([3, 2])
    """
    _require_names(outputs)
    _check_ending(layers, outputs.count)
    shape = (spec.channels, spec.height, spec.width)
    return Classifier(
        outputs,
        spec=spec,
        bodies=[build_layers(layers, shape=shape, classes=outputs.count, seed=seed)],
        normalisers=[Normalise(spec.mean, spec.std)],
        head=nn.Identity(),
        description={"kind": "layers", "layers": [dict(layer) for layer in layers]},
    )


def backbone_model(
    cards: Sequence[WeightCard],
    head: Head | Sequence[Layer],
    outputs: Outputs,
    *,
    pooling: str = "avg",
    seed: int | None = None,
) -> Classifier:
    """One backbone or several side by side, and a head on their features.

    Args:
        cards: The backbones; all take the same pixels (size, fit, interpolation), and each normalises
            them as its card says.
        head: A fitted head of `mindle.models.heads`, or a list of layers, which gets fresh weights; with
            `pooling="none"` these layers see the map (channel, height, width).
        outputs: What the scores stand for.
        pooling: As `build_backbone`.
        seed: Draws the weights of a list of layers.

    Raises:
        ValueError: If the backbones take different pixels, or the head does not fit.
        ModelError: As `build_backbone`.

    Example:
        >>> from mindle.models.pretrained.weights import random_card
        >>> layers = [{"kind": "dense", "units": "classes"}]
        >>> net = backbone_model([random_card("resnet18")], layers, ClassScores(("a", "b", "c")))
        >>> net.spec.height, [p["name"] for p in net.description["backbones"]]
        (224, ['resnet18'])
    """
    _require_names(outputs)
    spec = _common_spec(cards)
    bodies = [build_backbone(card, pooling=pooling) for card in cards]
    if pooling == "none" and len(bodies) > 1:
        raise ValueError("Several backbones can only be concatenated after pooling. Use pooling='avg'.")
    module: nn.Module
    if isinstance(head, Head):
        described, module = describe_head(head), head
    else:
        _check_ending(head, outputs.count)
        shapes = [body.output_shape() for body in bodies]
        shape = shapes[0] if len(shapes) == 1 else (sum(shape[0] for shape in shapes),)
        described = {"kind": "layers", "shape": list(shape), "layers": [dict(layer) for layer in head]}
        module = build_layers(head, shape=shape, classes=outputs.count, seed=seed)
    return Classifier(
        outputs,
        spec=spec,
        bodies=bodies,
        normalisers=[Normalise(card.spec.mean, card.spec.std) for card in cards],
        head=module,
        description={"kind": "backbones", "backbones": [card_as_dict(card) for card in cards]}
        | {"pooling": pooling, "head": described},
    )


def imagenet_classifier(card: WeightCard) -> Classifier:
    """A backbone with its ImageNet classifier: it names what it sees, without any training.

    Raises:
        ModelError: If the weights have no top, or nobody knows the names of its classes.
    """
    if not card.head:
        raise ModelError(
            f"{card.name} was published without its ImageNet classifier, so it cannot name what it sees. "
            "`mindle models` lists models that can."
        )
    labels = card.labels or imagenet_labels(int(card.arguments.get("num_classes", 1000)))
    if labels is None:
        raise ModelError(
            f"The names of the {card.arguments['num_classes']} classes of {card.name} are not known. "
            "Give its card a `labels` file."
        )
    return _topped(card, labels)


def _topped(card: WeightCard, classes: Sequence[str]) -> Classifier:
    return Classifier(
        ClassScores(tuple(classes)),
        spec=card.spec,
        bodies=[build_backbone(card, head=True)],
        normalisers=[Normalise(card.spec.mean, card.spec.std)],
        head=nn.Identity(),
        description={"kind": "backbones", "backbones": [card_as_dict(card)]}
        | {"pooling": "avg", "head": {"kind": "top"}},
    )


def _common_spec(cards: Sequence[WeightCard]) -> InputSpec:
    if not cards:
        raise ValueError("`cards` must name at least one backbone. Received none.")
    first = cards[0].spec
    for card in cards[1:]:
        other = card.spec
        if (other.shape, other.fit, other.interpolation) != (first.shape, first.fit, first.interpolation):
            raise ValueError(
                "Concatenated backbones take the same pixels: size, fit and interpolation must agree. "
                f"Received {cards[0].name} at {first.height}x{first.width} {first.fit} {first.interpolation} "
                f"and {card.name} at {other.height}x{other.width} {other.fit} {other.interpolation}. "
                "Give one card the other's spec with dataclasses.replace."
            )
    return first


def _check_ending(layers: Sequence[Layer], classes: int) -> None:
    """The last layer gives one raw score a class; one score will do for two classes."""
    last = layers[-1] if layers else {}
    units = classes if last.get("units") == "classes" else last.get("units")
    if last.get("kind") != "dense" or units not in ((1, 2) if classes == 2 else (classes,)):
        wanted = "1, 2" if classes == 2 else f"{classes}"
        raise ValueError(
            f'The last layer must be dense with units "classes" (or {wanted}) for {classes} classes. '
            f"Received {dict(last)}."
        )
    if last.get("activation", "none") != "none":
        raise ValueError(
            "The last layer must give raw scores: softmax or sigmoid follow by themselves. "
            f"Received {dict(last)}; omit its activation."
        )


# ---- on disk ----------------------------------------------------------------------------------------------


def describe(model: Classifier) -> dict[str, Any]:
    """What a classifier is made of, as JSON; `build` makes it again, without its numbers.

    Example:
        >>> spec = InputSpec(height=8, width=8, colour="gray", mean=(0.0,), std=(1.0,))
        >>> layers = [{"kind": "flatten"}, {"kind": "dense", "units": "classes"}]
        >>> describe(layers_model(layers, ClassScores(("a", "b")), spec=spec))["kind"]
        'layers'
    """
    copy: dict[str, Any] = json.loads(json.dumps(model.description))
    return copy


def build(description: Mapping[str, Any]) -> Classifier:
    """The classifier that `describe` described, with fresh weights.

    Raises:
        KeyError, ValueError, ModelError: If the description is not one of ours.
    """
    spec = read_record(InputSpec, description["spec"], "spec")
    classes = typed(tuple[str, ...], description["classes"], "classes")
    target = typed(dict[str, float], description.get("target") or {}, "target")
    if description["kind"] != "layers" and description["head"]["kind"] == "top":
        return _topped(_cards(description)[0], classes)
    outputs = StandardisedNumber(**target) if target else ClassScores(classes)
    model = _built(description, outputs, spec)
    if description.get("test_time_flip"):
        model.average_mirrored()
    return model


def _built(description: Mapping[str, Any], outputs: Outputs, spec: InputSpec) -> Classifier:
    if description["kind"] == "layers":
        return layers_model(description["layers"], outputs, spec=spec)
    layers = description["head"]["kind"] == "layers"
    head = description["head"]["layers"] if layers else build_head(description["head"])
    return backbone_model(_cards(description), head, outputs, pooling=description["pooling"])


def _cards(description: Mapping[str, Any]) -> list[WeightCard]:
    return [card_from_dict(card, card["name"]) for card in description["backbones"]]


def save_model(model: Classifier, folder: Path) -> None:
    """Write `model.safetensors` and then `model.json` into a folder; each is replaced whole or not at all."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_bytes(folder / "model.safetensors", save(state))
    write_json(folder / "model.json", describe(model))


def load_model(folder: Path) -> Classifier:
    """Read what `save_model` wrote, in eval mode.

    Raises:
        ArtifactError: If a file is missing, damaged, of a newer schema, or the two do not belong together.
    """
    document, path = folder / "model.json", folder / "model.safetensors"
    description = read_json(document, schema=SCHEMA, what="model")
    state = _or_damaged(path, lambda: _read_state(path))
    with torch.random.fork_rng(devices=[]), _Bounded(state):
        model: Classifier = _or_damaged(document, lambda: build(description))
    _or_damaged(path, lambda: model.load_state_dict(state, strict=True))
    return model.eval()


def _read_state(path: Path) -> dict[str, Tensor]:
    open_regular(path).close()  # safetensors maps whatever it is given
    return load_file(path)


class _Bounded(TorchFunctionMode):
    """While it is entered, no more numbers are made than a description of these ones can need.

    A description is a document that anybody may have written, and a layer of it may name any size.
    """

    _MADE = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn)

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._left = 4 * sum(tensor.numel() for tensor in state.values()) + (1 << 24)

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in self._MADE:
            sides = args or (kwargs or {}).get("size", ())
            shape = sides[0] if sides and isinstance(sides[0], (tuple, list)) else sides
            self._left -= math.prod(side for side in shape if isinstance(side, int))
            if self._left < 0:
                raise ValueError("it describes a model of more numbers than its model.safetensors holds")
        return func(*args, **(kwargs or {}))


def _or_damaged(path: Path, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} is missing. Copy the whole folder, or train again.") from error
    except PermissionError as error:
        raise unreadable(path, error) from error
    except MindleError:
        raise
    except Exception as error:  # what a hostile description makes torch and timm raise is beyond listing
        raise ArtifactError(
            f"{path} is damaged: {first_words(error)}. Copy it again, or train again."
        ) from error
