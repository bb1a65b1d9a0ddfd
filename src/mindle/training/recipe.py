"""What a way of training consists of: one frozen record for each concern, written as TOML.

A recipe is data. `read_recipe` finds one by name or file, `with_settings` changes single fields of it
("train.epochs" to "3"), `as_dict` and `from_dict` carry it through run.json. Type, default, range and
meaning of a field stand together; the manual and the prompt read them from here (`setting_table`).
"""

from __future__ import annotations

import copy
import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from os import PathLike
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from mindle.recipes import read_toml
from mindle.recipes import recipe_names as recipe_names
from mindle.recipes import recipe_text as recipe_text
from mindle.recipes.renamed import names_of_today
from mindle.records import COLOURS, FITS, INTERPOLATIONS

# Ways to train on images, and the one way to train on a table.
STRATEGIES = ("auto", "probe", "inline", "finetune", "scratch")
TABLE = "table"
FLIPS = ("none", "horizontal", "vertical", "both", "auto")
FILLS = ("reflect", "edge", "black")
OPTIMIZERS = ("adamw", "adam", "sgd", "rmsprop")
SCHEDULES = ("cosine", "one-cycle", "step", "plateau", "constant")
AVERAGES = ("none", "ema", "last")
BALANCES = ("none", "weights", "sampling", "smote", "auto")
PRECISIONS = ("auto", "float32", "bfloat16")
LAYOUTS = ("auto", "channels-last", "contiguous")
WATCHED = ("val_loss", "val_accuracy")
HEADS = ("logistic", "rbf", "net")
# Points of accuracy that may be given up for a cheaper answer; where a number is estimated, per cent of the
# error of always answering the mean.
PREFERENCES = {"accuracy": 0.0, "balance": 0.5, "speed": 2.0}
POOLINGS = ("none", "avg", "max", "both")
SCALES = ("unit", "bytes", "twice")
TABLE_SCHEDULES = ("one-cycle", "constant")
TABLE_LOSSES = ("huber", "squared")
TABLE_SCALES = ("columns", "rows", "none")
# How often a net of a small table sees every row unless it is told otherwise; less often where rows are many.
NET_EPOCHS = 60

# What Keras's layers call some of our words; both are understood in recipes and in --set.
KERAS_WORDS = {
    "augment.flip": {"horizontal_and_vertical": "both"},
    "augment.fill": {"nearest": "edge", "constant": "black"},
}


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"`{name}` must be one of {', '.join(allowed)}. Received {name}={value!r}.")


def _within(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ValueError(f"`{name}` must lie in {low:g} to {high:g}. Received {name}={value!r}.")


@dataclass(frozen=True, kw_only=True)
class ModelSettings:
    """What is trained; empty fields leave the choice to mindle.

    Example:
        >>> ModelSettings(name="catsdogs-cnn").pooling
        'avg'
    """

    name: Annotated[
        str, "A net of mindle or a backbone; probe joins those named with +; empty lets mindle choose"
    ] = ""
    layers: Annotated[
        tuple[Mapping[str, Any], ...], "A net as a list of layers; behind a backbone, its head"
    ] = ()
    pooling: Annotated[str, "How a backbone's map becomes features: none, avg, max or both"] = "avg"
    dropout: Annotated[float, "Dropout before the dense layer that is put behind a backbone"] = 0.2
    trainable: Annotated[int | str, "finetune: how many of the backbone's last stages learn, or all"] = "all"
    random_init: Annotated[
        bool, "Give a backbone random weights, to see a setup run whose weights are missing"
    ] = False

    def __post_init__(self) -> None:
        _one_of("pooling", self.pooling, POOLINGS)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"`dropout` must lie in [0, 1). Received dropout={self.dropout!r}.")
        whole = isinstance(self.trainable, int) and not isinstance(self.trainable, bool)
        if not (self.trainable == "all" or (whole and int(self.trainable) >= 0)):
            raise ValueError(
                f'`trainable` must be "all" or a number of stages. Received trainable={self.trainable!r}.'
            )


@dataclass(frozen=True, kw_only=True)
class InputSettings:
    """What the net is given; a backbone's own card says this for strategies that use one.

    Example:
        >>> InputSettings(height=180, width=180).fit
        'squash'
    """

    height: Annotated[int, "Height in pixels; 0 takes the backbone's, or for a net what suits the data"] = 0
    width: Annotated[int, "Width in pixels; 0 as for height"] = 0
    fit: Annotated[str, "How an image of another shape gets there: squash, pad or crop"] = "squash"
    interpolation: Annotated[str, "nearest, bilinear, bicubic or lanczos"] = "bilinear"
    colour: Annotated[str, "auto, rgb or gray; auto is gray for arrays of one channel"] = "auto"
    standardise: Annotated[bool, "Subtract the training images' mean and divide by their deviation"] = True
    scale: Annotated[
        str, "Without standardise, a net from scratch sees unit (0 to 1), bytes, or twice (0 to 1/255)"
    ] = "unit"

    def __post_init__(self) -> None:
        for name in ("height", "width"):
            _within(name, getattr(self, name), 0, 4096)
        if bool(self.height) != bool(self.width):
            raise ValueError(
                "`height` and `width` must both be given or both be 0. "
                f"Received height={self.height}, width={self.width}."
            )
        _one_of("fit", self.fit, FITS)
        _one_of("interpolation", self.interpolation, INTERPOLATIONS)
        _one_of("colour", self.colour, ("auto", *COLOURS))
        _one_of("scale", self.scale, SCALES)
        if self.scale != "unit" and self.standardise:
            raise ValueError(
                f'`scale` must be "unit" where inputs are standardised. Received scale="{self.scale}", '
                "standardise=true. Set input.standardise=false."
            )


@dataclass(frozen=True, kw_only=True)
class ProbeSettings:
    """Heads on frozen features.

    Example:
        >>> ProbeSettings(heads=("logistic",)).views
        'auto'
    """

    views: Annotated[
        int | str,
        "Augmented views of each training image, besides the plain one; auto gives them to few images",
    ] = "auto"
    heads: Annotated[tuple[str, ...], "Kinds of head to try: logistic, rbf (support vectors), net"] = HEADS
    concat: Annotated[bool, "Try concatenated features of several backbones too"] = True
    folds: Annotated[int, "Parts of the training images for cross-validation"] = 5
    rbf_gamma: Annotated[
        float, "rbf: how fast likeness fades, per median squared distance; 0 lets cross-validation choose"
    ] = 0.0
    rbf_l2: Annotated[
        float, "rbf: L2 regularisation (ridge) of the kernel head; 0 lets cross-validation choose"
    ] = 0.0
    logistic_l2: Annotated[float, "logistic: L2 regularisation; 0 lets cross-validation choose"] = 0.0
    prefer: Annotated[
        str,
        "Which of several backbones to keep: the most accurate (accuracy), or the cheapest that is shown to "
        "lose at most 0.5 points (balance) or 2 (speed)",
    ] = "balance"
    net_units: Annotated[int, "net: units of its hidden layer"] = 64
    net_dropout: Annotated[float, "net: dropout behind its hidden layer"] = 0.5

    def __post_init__(self) -> None:
        if self.views != "auto":
            if not isinstance(self.views, int) or isinstance(self.views, bool):
                raise ValueError(
                    f'`views` must be "auto" or a number of views. Received views={self.views!r}.'
                )
            _within("views", self.views, 0, 100)
        _within("folds", self.folds, 2, 100)
        _one_of("prefer", self.prefer, tuple(PREFERENCES))
        for name in ("rbf_gamma", "rbf_l2", "logistic_l2"):
            _within(name, getattr(self, name), 0, 1e6)
        _within("net_units", self.net_units, 1, 4096)
        _within("net_dropout", self.net_dropout, 0, 0.95)
        if not self.heads:
            raise ValueError(f"`heads` must name at least one of {', '.join(HEADS)}. Received none.")
        for head in self.heads:
            _one_of("heads", head, HEADS)


@dataclass(frozen=True, kw_only=True)
class AugmentSettings:
    """Random changes of training images; everything is off by default.

    Example:
        >>> AugmentSettings(flip="horizontal", rotate=0.1).rotate
        0.1
    """

    flip: Annotated[
        str, "Mirror half of the images: none, horizontal, vertical, both; auto is horizontal for colour"
    ] = "none"
    rotate: Annotated[float, "Turn by up to this share of a full turn either way; 0.1 is 36 degrees"] = 0.0
    zoom: Annotated[float, "Scale by up to this share in or out"] = 0.0
    shift: Annotated[float, "Move by up to this share of the height and of the width"] = 0.0
    crop: Annotated[float, "Smallest share of the area that a random crop keeps; 1 switches cropping off"] = (
        1.0
    )
    ratio: Annotated[
        float, "Largest over smallest aspect ratio of a random crop; 16/9 is torchvision's (3/4, 4/3)"
    ] = 16 / 9
    fill: Annotated[str, "What lies beyond the edge: reflect, edge or black"] = "reflect"
    brightness: Annotated[float, "Add up to this share of full white, or take it away"] = 0.0
    contrast: Annotated[float, "Stretch or squeeze around the image's mean by up to this share"] = 0.0
    saturation: Annotated[float, "Strengthen or weaken colours by up to this share"] = 0.0
    random_erasing: Annotated[
        float, "Random erasing: probability that a rectangle of an image is painted over"
    ] = 0.0
    mixup: Annotated[float, "Alpha of mixup, which blends two images and their labels; 0 is off"] = 0.0
    cutmix: Annotated[float, "Alpha of cutmix, which pastes a part of one image into another; 0 is off"] = 0.0

    def __post_init__(self) -> None:
        _one_of("flip", self.flip, FLIPS)
        _one_of("fill", self.fill, FILLS)
        _within("rotate", self.rotate, 0, 0.5)
        _within("zoom", self.zoom, 0, 0.9)
        _within("shift", self.shift, 0, 0.5)
        _within("crop", self.crop, 0.05, 1)
        _within("ratio", self.ratio, 1, 4)
        for name in ("brightness", "contrast", "saturation", "random_erasing"):
            _within(name, getattr(self, name), 0, 1)
        for name in ("mixup", "cutmix"):
            _within(name, getattr(self, name), 0, 10)


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """The loop: how long, how fast, with which optimizer, and what is kept.

    Example:
        >>> TrainSettings(epochs=5, learning_rate=3e-4).optimizer
        'adamw'
    """

    epochs: Annotated[int, "How often every training image is seen"] = 30
    batch_size: Annotated[int, "Images in a step"] = 32
    shuffle: Annotated[bool, "Draw the images in a new order each epoch; false keeps that of the data"] = True
    grad_accum_steps: Annotated[
        int, "Gradient accumulation: steps whose gradients are summed before an update"
    ] = 1
    optimizer: Annotated[str, "adamw, adam, sgd or rmsprop"] = "adamw"
    learning_rate: Annotated[float, "Highest learning rate, reached after the warm-up (max_lr)"] = 1e-3
    momentum: Annotated[float, "Momentum of sgd; beta 1 of adam and adamw"] = 0.9
    beta2: Annotated[float, "Memory of squared gradients: beta 2 of adam and adamw, rho of rmsprop"] = 0.999
    weight_decay: Annotated[float, "Decoupled weight decay; norms and biases are exempt"] = 0.0
    clip_grad_norm: Annotated[float, "Largest norm of the gradients; 0 does not clip"] = 0.0
    schedule: Annotated[str, "How the rate falls: cosine, one-cycle, step, plateau or constant"] = "cosine"
    warmup_fraction: Annotated[
        float, "Share of all steps in which the learning rate rises linearly to its highest"
    ] = 0.05
    min_lr_ratio: Annotated[
        float, "Learning rate at the end of cosine and one-cycle, as a share of the highest"
    ] = 0.01
    step_size: Annotated[int, "step: epochs between two drops of the learning rate"] = 5
    lr_patience: Annotated[int, "plateau: epochs without progress before a drop of the learning rate"] = 5
    gamma: Annotated[float, "step and plateau: factor of the learning rate at a drop"] = 0.5
    progressive_fraction: Annotated[
        float, "Progressive resizing: share of the epochs, at the beginning, with smaller images; 0 is off"
    ] = 0.0
    progressive_scale: Annotated[
        float, "Progressive resizing: side of the smaller images as a share of the full side"
    ] = 0.55
    layer_decay: Annotated[
        float, "finetune: rate of each stage as a share of that of the next one towards the head"
    ] = 1.0
    lr_scale_fan_in: Annotated[
        int, "Fan-in above which a dense layer's learning rate is scaled by this over its fan-in; 0 is off"
    ] = 0
    label_smoothing: Annotated[float, "Share of each label that is spread over all classes"] = 0.0
    l1: Annotated[float, "Penalty on the sum of absolute weights"] = 0.0
    l2: Annotated[float, "Penalty on the sum of squared weights, inside the loss (see weight_decay)"] = 0.0
    balance: Annotated[
        str,
        "Rare classes: none, weights (in the loss), sampling (drawn more often), smote (heads: features made "
        "up between those of real images) or auto (what macro-F1 says)",
    ] = "none"
    oversample: Annotated[
        float, "Oversample minority classes, with stronger augmentation; 0 is off, 1 balances the classes"
    ] = 0.0
    focal_gamma: Annotated[
        float, "Gamma of the focal loss, which down-weights easy samples; 0 is off, 2 is usual"
    ] = 0.0
    thresholds: Annotated[
        bool, "Name the class by a threshold for each, fitted for macro-F1 on images not learned from"
    ] = False
    weight_averaging: Annotated[
        str, "Weights that are evaluated and kept: none, ema or last (mean of the last epochs, as in SWA)"
    ] = "none"
    ema_decay: Annotated[float, "ema: share of the old average that each step keeps"] = 0.998
    average_epochs: Annotated[int, "last: how many epochs at the end are averaged"] = 5
    monitor: Annotated[str, "Metric that says which epoch is best: val_loss or val_accuracy"] = "val_loss"
    restore_best: Annotated[bool, "End with the best epoch's weights rather than the last one's"] = True
    patience: Annotated[int, "Stop after this many epochs without progress; 0 never stops early"] = 0
    precision: Annotated[str, "auto, float32 or bfloat16; auto is bfloat16 on CUDA cards that have it"] = (
        "auto"
    )
    memory_format: Annotated[str, "Memory format of feature maps: auto, channels-last or contiguous"] = "auto"

    def __post_init__(self) -> None:
        for name in (
            "epochs",
            "batch_size",
            "grad_accum_steps",
            "step_size",
            "lr_patience",
            "average_epochs",
        ):
            _within(name, getattr(self, name), 1, 1_000_000)
        for name, allowed in (
            ("optimizer", OPTIMIZERS),
            ("schedule", SCHEDULES),
            ("balance", BALANCES),
            ("weight_averaging", AVERAGES),
            ("monitor", WATCHED),
            ("precision", PRECISIONS),
            ("memory_format", LAYOUTS),
        ):
            _one_of(name, getattr(self, name), allowed)
        _within("learning_rate", self.learning_rate, 1e-8, 100)
        for name in ("momentum", "beta2", "ema_decay", "warmup_fraction", "label_smoothing"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"`{name}` must lie in [0, 1). Received {name}={getattr(self, name)!r}.")
        _within("progressive_scale", self.progressive_scale, 0.1, 1)
        _within("oversample", self.oversample, 0, 1)
        _within("focal_gamma", self.focal_gamma, 0, 10)
        for name in ("progressive_fraction", "min_lr_ratio", "gamma", "layer_decay"):
            _within(name, getattr(self, name), 0, 1)
        for name in ("weight_decay", "clip_grad_norm", "l1", "l2"):
            _within(name, getattr(self, name), 0, 1000)
        for name in ("patience", "lr_scale_fan_in"):
            _within(name, getattr(self, name), 0, 1_000_000)


@dataclass(frozen=True, kw_only=True)
class TableSettings:
    """A table: how it is judged, which models are tried, and how the nets among them are built and trained.

    Example:
        >>> TableSettings(models=("nets",), hidden_layer_sizes=(512, 256)).scale
        'columns'
    """

    models: Annotated[
        tuple[str, ...], "Models to try and to answer with; all of them where none is named"
    ] = ()
    folds: Annotated[int, "Parts of the cross-validation"] = 5
    repeats: Annotated[int, "Under 2,000 rows: how often all is repeated, with other folds"] = 3
    hidden_layer_sizes: Annotated[tuple[int, ...], "nets: units of the hidden layers"] = (128, 64)
    ensemble_size: Annotated[
        int, "nets: how many, from different seeds, are averaged; 0 goes by the number of rows"
    ] = 0
    epochs: Annotated[int, "nets: how often every row is seen; 0 goes by the number of rows"] = 0
    batch_size: Annotated[int, "nets: rows in a step; 0 goes by the number of rows"] = 0
    optimizer: Annotated[str, "nets: adamw, adam, sgd or rmsprop"] = "adamw"
    learning_rate: Annotated[float, "nets: highest learning rate"] = 1e-2
    momentum: Annotated[float, "nets: momentum of sgd; beta 1 of adam and adamw"] = 0.9
    beta2: Annotated[float, "nets: memory of squared gradients: beta 2 of adam and adamw, rho of rmsprop"] = (
        0.99
    )
    schedule: Annotated[str, "nets: one-cycle, where the rate rises and falls, or constant"] = "one-cycle"
    weight_decay: Annotated[float, "nets: weight decay; biases and embeddings are exempt"] = 0.02
    dropout: Annotated[float, "nets: share of hidden units dropped at random"] = 0.0
    loss: Annotated[str, "nets: of a target that is a number: huber or squared"] = "huber"
    huber_delta: Annotated[
        float, "nets: delta of the Huber loss, where it turns from squared to absolute"
    ] = 0.5
    scale: Annotated[
        str,
        "nets: what they are given: columns (each standardised), rows (each divided by its length, which "
        "mixes units) or none (numbers as they are)",
    ] = "columns"
    scale_target: Annotated[bool, "nets: learn a number with mean 0 and deviation 1"] = True
    forest_min_samples_leaf: Annotated[
        int, "forests: smallest number of rows in a leaf; 0 goes by the number of rows"
    ] = 0
    forest_max_features: Annotated[
        float, "forests: share of the columns considered at a split; 0 takes the usual"
    ] = 0.0
    boosting_learning_rate: Annotated[float, "boosting: learning rate; 0 takes what suits the library"] = 0.0
    boosting_num_leaves: Annotated[int, "boosting: leaves of a tree; 0 goes by the number of rows"] = 0
    boosting_rounds: Annotated[
        int, "boosting: how many trees a score has; 0 takes what suits the library"
    ] = 0
    svm_C: Annotated[
        float, "SVM: C, the inverse of its regularisation; 0 takes 10 for regression, 3 for classes"
    ] = 0.0
    svm_gamma: Annotated[float, "SVM: how fast likeness fades, as a multiple of scikit-learn's scale"] = 1.0

    def __post_init__(self) -> None:
        _within("forest_min_samples_leaf", self.forest_min_samples_leaf, 0, 1_000_000)
        for name in ("forest_max_features", "boosting_learning_rate"):
            _within(name, getattr(self, name), 0, 1)
        for name in ("boosting_num_leaves", "boosting_rounds"):
            _within(name, getattr(self, name), 0, 100_000)
        _within("svm_C", self.svm_C, 0, 1e9)
        _within("svm_gamma", self.svm_gamma, 1e-9, 1e9)
        _within("folds", self.folds, 2, 100)
        _within("repeats", self.repeats, 1, 100)
        for name in ("ensemble_size", "epochs", "batch_size"):
            _within(name, getattr(self, name), 0, 1_000_000)
        for width in self.hidden_layer_sizes:
            _within("hidden_layer_sizes", width, 1, 65_536)
        for name, allowed in (
            ("optimizer", OPTIMIZERS),
            ("schedule", TABLE_SCHEDULES),
            ("loss", TABLE_LOSSES),
            ("scale", TABLE_SCALES),
        ):
            _one_of(name, getattr(self, name), allowed)
        _within("learning_rate", self.learning_rate, 1e-8, 100)
        _within("weight_decay", self.weight_decay, 0, 1000)
        _within("huber_delta", self.huber_delta, 1e-6, 1e9)
        for name in ("momentum", "beta2", "dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"`{name}` must lie in [0, 1). Received {name}={getattr(self, name)!r}.")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole way of training; what is not about its kind of data is at its default.

    Example:
        >>> Recipe(strategy="scratch", train=TrainSettings(epochs=5)).train.epochs
        5
    """

    about: Annotated[str, "What the recipe is for, in a sentence"] = ""
    strategy: Annotated[str, "auto, probe, inline, finetune or scratch; table for a table"] = "auto"
    model: ModelSettings = field(default_factory=ModelSettings)
    input: InputSettings = field(default_factory=InputSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    probe: ProbeSettings = field(default_factory=ProbeSettings)
    table: TableSettings = field(default_factory=TableSettings)

    def __post_init__(self) -> None:
        _one_of("strategy", self.strategy, (*STRATEGIES, TABLE))
        for section, record in SECTIONS.items():
            if not _speaks(section, self.strategy):
                _require_default(section, getattr(self, section), record(), self.strategy)


def _speaks(section: str, strategy: str) -> bool:
    """Whether a section is about the data that the strategy is for: tables, or images."""
    return (section == TABLE) == (strategy == TABLE)


def _require_default(section: str, settings: Any, plain: Any, strategy: str) -> None:
    for own in fields(plain):
        value = getattr(settings, own.name)
        if value != getattr(plain, own.name):
            theirs, ours = ("tables", "images") if section == TABLE else ("images", "tables")
            raise ValueError(
                f"`{section}.{own.name}` must be left out: it is about {theirs}, and the strategy "
                f'"{strategy}" is for {ours}. Received {section}.{own.name}={value!r}.'
            )


# ---- from and to plain values -----------------------------------------------------------------------------


def read_recipe(name_or_path: str | PathLike[str]) -> Recipe:
    """A recipe by its name (`mindle recipes` lists them) or from a TOML file.

    Args:
        name_or_path: A name such as "scratch"; whatever ends in ".toml" or holds a slash is a file.

    Raises:
        ValueError: If no recipe has that name, or a setting in it is unknown or out of range.
        DataError: If the file is missing or is not TOML.

    Example:
        >>> read_recipe("probe").strategy
        'probe'
    """
    text = str(name_or_path)
    is_file = text.endswith(".toml") or Path(text).name != text
    if not is_file and text not in recipe_names():
        raise ValueError(
            f"`recipe` must be a name or a TOML file. Received {text!r}."
            f"{_did_you_mean(text, recipe_names())} Recipes by name: {', '.join(recipe_names())}."
        )
    document = read_toml(
        lambda: Path(text).read_text("utf-8") if is_file else recipe_text(text),
        f"The recipe {text}",
        " `mindle recipes scratch` shows one.",
    )
    try:
        return from_dict(document)
    except (TypeError, ValueError) as error:
        raise ValueError(f"Recipe {text}: {error}") from error


def list_recipes() -> list[dict[str, Any]]:
    """Name, strategy and purpose of every named recipe.

    Example:
        >>> [row["strategy"] for row in list_recipes() if row["name"] == "probe"]
        ['probe']
    """
    found = [(name, read_recipe(name)) for name in recipe_names()]
    return [{"name": name, "strategy": recipe.strategy, "summary": recipe.about} for name, recipe in found]


def show_recipe(name: str | PathLike[str]) -> dict[str, Any]:
    """One recipe: every setting with its defaults filled in, and the text of its file.

    Example:
        >>> show_recipe("probe")["settings"]["probe"]["folds"]
        5
    """
    recipe = read_recipe(name)
    text = recipe_text(str(name)) if str(name) in recipe_names() else Path(name).read_text("utf-8")
    return {"settings": as_dict(recipe), "text": text}


def as_dict(recipe: Recipe) -> dict[str, Any]:
    """Every setting that means something to the strategy, nested by concern, as JSON would hold it.

    Example:
        >>> from_dict(as_dict(Recipe())) == Recipe()
        True
    """
    document: dict[str, Any] = json.loads(json.dumps(asdict(recipe)))
    return {
        name: value
        for name, value in document.items()
        if name not in SECTIONS or _speaks(name, recipe.strategy)
    }


def as_toml(recipe: Recipe) -> str:
    """The recipe as a file: every setting that is not at its default.

    Example:
        >>> print(as_toml(Recipe(strategy="scratch", train=TrainSettings(epochs=5))), end="")
        strategy = "scratch"
        <BLANKLINE>
        [train]
        epochs = 5
    """
    document, plain = as_dict(recipe), as_dict(Recipe(strategy=recipe.strategy))
    lines = [f"{name} = {_toml(document[name])}" for name in ("about", "strategy") if document[name]]
    for section in (name for name in SECTIONS if name in document):
        changed = {k: v for k, v in document[section].items() if v != plain[section][k]}
        if changed:
            lines += ["", f"[{section}]", *(f"{name} = {_toml(value)}" for name, value in changed.items())]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    """A value as TOML writes it; JSON's strings, numbers and lists are TOML's too."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(k)} = {_toml(v)}" for k, v in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    # DEL is the one character that TOML wants escaped and JSON does not.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(name: str) -> str:
    return name if re.fullmatch(r"[\w-]+", name, re.ASCII) else json.dumps(name, ensure_ascii=False)


def from_dict(document: Mapping[str, Any]) -> Recipe:
    """A recipe from nested settings; what is absent keeps its default.

    Raises:
        ValueError: If a setting is unknown, of another type or out of its range.

    Example:
        >>> from_dict({"strategy": "scratch", "train": {"epochs": 3}}).train.epochs
        3
    """
    return _changed(Recipe(), dict(_flat(document)))


def with_settings(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """The recipe with some settings changed.

    Args:
        recipe: To begin with.
        settings: Dotted names to values, or to text that is read by the setting's type.

    Raises:
        ValueError: If a setting is unknown, of another type or out of its range.

    Example:
        >>> with_settings(Recipe(), {"train.learning_rate": "3e-4"}).train.learning_rate
        0.0003
    """
    types = _types()
    parsed: dict[str, Any] = {}
    for name, value in settings.items():
        _require_known(name, types)
        parsed[name] = _parse(name, value, types[name]) if isinstance(value, str) else value
    return _changed(recipe, parsed)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting as the manual lists it."""

    name: str
    type: str
    default: Any
    help: str


def setting_table() -> list[Setting]:
    """Every setting of a recipe, in order.

    Example:
        >>> [setting.name for setting in setting_table()][:3]
        ['about', 'strategy', 'model.name']
    """
    defaults = dict(_flat(asdict(Recipe())))
    helps = _helps()
    return [
        Setting(name=name, type=_type_name(kind), default=defaults[name], help=helps[name])
        for name, kind in _types().items()
    ]


# ---- types, words and messages ----------------------------------------------------------------------------

SECTIONS: dict[str, type[Any]] = {
    "model": ModelSettings,
    "input": InputSettings,
    "train": TrainSettings,
    "augment": AugmentSettings,
    "probe": ProbeSettings,
    TABLE: TableSettings,
}


def _annotations() -> Iterable[tuple[str, Any]]:
    """(dotted name, annotated type) of every setting."""
    hints = get_type_hints(Recipe, include_extras=True)
    for own in fields(Recipe):
        if own.name not in SECTIONS:
            yield own.name, hints[own.name]
    for section, record in SECTIONS.items():
        inner = get_type_hints(record, include_extras=True)
        for own in fields(record):
            yield f"{section}.{own.name}", inner[own.name]


def _types() -> dict[str, Any]:
    return {name: get_args(annotated)[0] for name, annotated in _annotations()}


def _helps() -> dict[str, str]:
    return {name: get_args(annotated)[1] for name, annotated in _annotations()}


def _flat(document: Mapping[str, Any]) -> Iterable[tuple[str, Any]]:
    """Nested settings as dotted names."""
    for name, value in document.items():
        if name in SECTIONS and isinstance(value, Mapping):
            for inner, setting in value.items():
                yield f"{name}.{inner}", setting
        else:
            yield name, value


def _changed(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """The recipe with these dotted names set, each checked against its type."""
    types = _types()
    changes: dict[str, dict[str, Any]] = {section: {} for section in ("", *SECTIONS)}
    for name, value in settings.items():
        _require_known(name, types)
        section, _, own = name.rpartition(".")
        changes[section][own] = _checked(name, value, types[name])
    records = {
        section: replace(getattr(recipe, section), **changes[section])
        for section in SECTIONS
        if changes[section]
    }
    return replace(recipe, **changes[""], **records)


def _require_known(name: str, types: Mapping[str, Any]) -> None:
    if name in types:
        return
    if name in SECTIONS:
        raise ValueError(
            f"`{name}` must be a table of settings. Write [{name}] in a file, or --set {name}.NAME=VALUE."
        )
    new = [today for today in names_of_today(name) if today != name]
    if new:
        raise ValueError(
            f"The setting '{name}' is now called {' and '.join(map(repr, new))}. Write that instead."
        )
    # Of two that end alike the first is meant: train.learning_rate rather than table.learning_rate.
    bare = {known.rpartition(".")[2]: known for known in reversed(list(types))}
    hint = f" Did you mean '{bare[name]}'?" if name in bare else _did_you_mean(name, types)
    raise ValueError(f"Unknown setting '{name}'.{hint} docs/training.md lists all {len(types)}.")


def _did_you_mean(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word, list(known), n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


def _type_name(kind: Any) -> str:
    names = {int: "whole number", float: "number", bool: "true or false", str: "word"}
    if kind in names:
        return names[kind]
    if get_origin(kind) is tuple:
        members = {str: "list of words", int: "list of whole numbers"}
        return members.get(get_args(kind)[0], "list of layers")
    return "whole number or word"


def _parse(name: str, text: str, kind: Any) -> Any:
    """A setting from what was typed."""
    text = text.strip()
    if kind is str:
        return text
    if kind is bool and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if get_origin(kind) is tuple:
        if get_args(kind)[0] in (str, int):
            words = tuple(word.strip() for word in text.split(",") if word.strip())
            digits = get_args(kind)[0] is int and all(word.isdigit() for word in words)
            return tuple(map(int, words)) if digits else words
        raise ValueError(
            f"`{name}` must stand in a recipe file, as [[{name}]] tables. It cannot be set in one line."
        )
    if isinstance(kind, UnionType):
        return int(text) if text.lstrip("-").isdigit() else text
    try:
        return {int: int, float: float}[kind](text)
    except (KeyError, ValueError):
        raise ValueError(f"`{name}` must be a {_type_name(kind)}. Received {text!r}.") from None


def _checked(name: str, value: Any, kind: Any) -> Any:
    """The value in its field's type; whole numbers pass for numbers, lists for tuples."""
    if isinstance(value, str):
        value = KERAS_WORDS.get(name, {}).get(value, value)
    is_bool = isinstance(value, bool)
    if kind is float and isinstance(value, (int, float)) and not is_bool:
        return float(value)
    if get_origin(kind) is tuple and isinstance(value, (list, tuple)):
        member = Mapping if get_origin(get_args(kind)[0]) else get_args(kind)[0]
        if all(isinstance(item, member) and not isinstance(item, bool) for item in value):
            return tuple(copy.deepcopy(item) for item in value)
    elif get_origin(kind) is not tuple and isinstance(value, kind) and (is_bool == (kind is bool)):
        return value
    raise ValueError(f"`{name}` must be a {_type_name(kind)}. Received {value!r}.")
