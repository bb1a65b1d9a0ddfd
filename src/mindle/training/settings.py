"""The settings of a recipe: type, rule and meaning of each stand together, and one check reads them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from functools import cache
from types import UnionType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from mindle.records import COLOURS, FITS, INTERPOLATIONS, PRECISIONS

POOLINGS = ("none", "avg", "max", "both")
FLIPS = ("none", "horizontal", "vertical", "both", "auto")
OPTIMIZERS = ("adamw", "adam", "sgd", "rmsprop")
SCHEDULES = ("cosine", "one-cycle", "step", "plateau", "constant")
TABLE_SCHEDULES = ("one-cycle", "constant")
BALANCES = ("none", "weights", "sampling", "smote", "auto")
AVERAGES = ("none", "ema", "last")
MONITORS = ("val_loss", "val_accuracy")
SETS = ("threshold", "raps")
AUTO_PRECISIONS = ("auto", *PRECISIONS)
MEMORY_FORMATS = ("auto", "channels-last", "contiguous")
# Kinds of head on frozen features: logistic regression, a least-squares SVM, a small net. Another kind is
# added to the list.
HEADS = ["logistic", "rbf", "net"]
# Points of accuracy that may be given up for a faster model; for regression, per cent of the error of the
# mean baseline.
PREFERENCES = {"accuracy": 0.0, "balance": 0.5, "speed": 2.0}
# How often a net of a small table sees every row unless it is set; less often where rows are many.
NET_EPOCHS = 60


# ---- rules ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, where `below` says that `high` itself is too much."""

    low: float
    high: float
    below: bool = False

    def __str__(self) -> str:
        return f"[{self.low:g}, {self.high:g})" if self.below else f"{self.low:g} to {self.high:g}"

    def check(self, name: str, value: Any) -> None:
        """Refuse what lies outside."""
        if not (self.low <= value < self.high if self.below else self.low <= value <= self.high):
            raise ValueError(f"`{name}` must lie in {self}. Received {name}={value!r}.")


@dataclass(frozen=True)
class Choice:
    """One of some strings."""

    allowed: Collection[str]

    def __str__(self) -> str:
        return ", ".join(self.allowed)

    def check(self, name: str, value: Any) -> None:
        """Refuse any other."""
        if value not in self.allowed:
            raise ValueError(f"`{name}` must be one of {self}. Received {name}={value!r}.")


@dataclass(frozen=True)
class CountOr:
    """A whole number from 0 to `high`, or one string."""

    string: str
    units: str
    high: int

    def __str__(self) -> str:
        return f"{self.string}, or {Range(0, self.high)}"

    def check(self, name: str, value: Any) -> None:
        """Refuse other strings and numbers."""
        if value == self.string:
            return
        if not isinstance(value, int) or isinstance(value, bool):
            raise ValueError(
                f'`{name}` must be "{self.string}" or a number of {self.units}. Received {name}={value!r}.'
            )
        Range(0, self.high).check(name, value)


Rule = Range | Choice | CountOr

# Types with the ranges that several settings share; 0 is off, or leaves the choice to mindle.
Count = Annotated[int, Range(1, 1_000_000)]
CountOrAuto = Annotated[int, Range(0, 1_000_000)]
Repeats = Annotated[int, Range(1, 100)]
Folds = Annotated[int, Range(2, 100)]
Pixels = Annotated[int, Range(0, 4096)]
Trees = Annotated[int, Range(0, 100_000)]
Half = Annotated[float, Range(0, 0.5)]
Fraction = Annotated[float, Range(0, 1)]
BelowOne = Annotated[float, Range(0, 1, below=True)]
Strength = Annotated[float, Range(0, 10)]
LearningRate = Annotated[float, Range(1e-8, 100)]
Penalty = Annotated[float, Range(0, 1000)]
HeadPenalty = Annotated[float, Range(0, 1e6)]
Positive = Annotated[float, Range(1e-9, 1e9)]
Optimizer = Annotated[str, Choice(OPTIMIZERS)]
VIEWS, STAGES = CountOr("auto", "views", 100), CountOr("all", "stages", 1_000_000)


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One setting, as the manual lists it.

    Attributes:
        name: With its section, such as "train.epochs"; without it inside a section.
        kind: Its type.
        rules: What its value, or each member of a list, must satisfy.
        default: Its value unless it is set.
        help: What it means.
    """

    name: str
    kind: Any
    rules: tuple[Rule, ...]
    default: Any
    help: str

    @property
    def member(self) -> Any:
        """The type of its members where it is a list, else None."""
        if get_origin(self.kind) is not tuple:
            return None
        member = get_args(self.kind)[0]
        return get_origin(member) or member

    @property
    def type(self) -> str:
        """Its type in words."""
        if self.member is not None:
            members = {str: "strings", int: "whole numbers", Mapping: "layers"}
            return f"list of {members[self.member]}"
        if isinstance(self.kind, UnionType):
            return "whole number or string"
        return {int: "whole number", float: "number", bool: "true or false", str: "string"}[self.kind]

    @property
    def allowed(self) -> str:
        """Its values in words; "" where its type says all."""
        return "; ".join(map(str, self.rules))


@cache
def settings_of(record: Any) -> tuple[Setting, ...]:
    """The settings of a record, in order.

    Example:
        >>> [(setting.name, setting.type) for setting in settings_of(InputSettings)][:2]
        [('height', 'whole number'), ('width', 'whole number')]
    """
    hints = get_type_hints(record, include_extras=True)
    annotated = [field for field in fields(record) if get_origin(hints[field.name]) is Annotated]
    found = []
    for field in annotated:
        kind, *rules, meaning = get_args(hints[field.name])
        found.append(
            Setting(name=field.name, kind=kind, rules=tuple(rules), default=field.default, help=meaning)
        )
    return tuple(found)


class Checked:
    """A record whose fields are checked against the rules that stand beside them."""

    def __post_init__(self) -> None:
        record: Any = type(self)
        for setting in settings_of(record):
            value = getattr(self, setting.name)
            for member in value if isinstance(value, tuple) else (value,):
                for rule in setting.rules:
                    rule.check(setting.name, member)


# ---- sections of a recipe ---------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class ModelSettings(Checked):
    """What is trained; empty fields leave the choice to mindle.

    Example:
        >>> ModelSettings(name="catsdogs-cnn").pooling
        'avg'
    """

    name: Annotated[
        str, "A net of mindle or a backbone; probe concatenates those named with +; empty lets mindle choose"
    ] = ""
    layers: Annotated[
        tuple[Mapping[str, Any], ...], "A net as a list of layers; of a backbone, its head"
    ] = ()
    pooling: Annotated[str, Choice(POOLINGS), "How a backbone's map becomes features"] = "avg"
    dropout: Annotated[BelowOne, "Dropout before the dense layer that is put behind a backbone"] = 0.2
    trainable: Annotated[int | str, STAGES, "finetune: how many of the last stages learn, or all"] = "all"
    test_time_flip: Annotated[
        bool, "Nets trained by epochs: answer the mean of an image and its mirror image, in twice the time"
    ] = False
    random_init: Annotated[bool, "Give a backbone random weights, to try a setup without its file"] = False


@dataclass(frozen=True, kw_only=True)
class InputSettings(Checked):
    """What the net is given; a backbone's card says this for strategies that use one.

    Example:
        >>> InputSettings(height=180, width=180).fit
        'squash'
    """

    height: Annotated[Pixels, "Height in pixels; 0 takes the backbone's, or what suits the data"] = 0
    width: Annotated[Pixels, "Width in pixels; 0 as for height"] = 0
    fit: Annotated[str, Choice(FITS), "How an image of another aspect ratio is fitted"] = "squash"
    interpolation: Annotated[str, Choice(INTERPOLATIONS), "How images are resized"] = "bilinear"
    colour: Annotated[str, Choice(("auto", *COLOURS)), "auto is gray for arrays of one channel"] = "auto"
    standardise: Annotated[bool, "Subtract the training images' mean and divide by their deviation"] = True
    scale: Annotated[
        str,
        Choice(("unit", "bytes", "twice")),
        "Without standardise, what a net from scratch sees: unit (0 to 1), bytes, or twice (0 to 1/255)",
    ] = "unit"

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.height) != bool(self.width):
            raise ValueError(
                "`height` and `width` must both be given or both be 0. "
                f"Received height={self.height}, width={self.width}."
            )
        if self.scale != "unit" and self.standardise:
            raise ValueError(
                f'`scale` must be "unit" where inputs are standardised. Received scale="{self.scale}", '
                "standardise=true. Set input.standardise=false."
            )


@dataclass(frozen=True, kw_only=True)
class ProbeSettings(Checked):
    """Heads on frozen features.

    Example:
        >>> ProbeSettings(heads=("logistic",)).views
        'auto'
    """

    views: Annotated[
        int | str, VIEWS, "Augmented views of each training image besides itself; auto: where images are few"
    ] = "auto"
    heads: Annotated[tuple[str, ...], Choice(HEADS), "Kinds of head to try"] = tuple(HEADS)
    concat: Annotated[bool, "Try concatenated features of several backbones too"] = True
    folds: Annotated[Folds, "Folds of the cross-validation on the training images"] = 5
    rbf_gamma: Annotated[HeadPenalty, "rbf: gamma, per median squared distance; 0 searches for it"] = 0.0
    rbf_l2: Annotated[HeadPenalty, "rbf: L2 regularisation of the kernel ridge; 0 searches for it"] = 0.0
    logistic_l2: Annotated[HeadPenalty, "logistic: L2 regularisation; 0 searches for it"] = 0.0
    prefer: Annotated[
        str,
        Choice(PREFERENCES),
        "Which of several backbones to keep: the most accurate (accuracy), or the fastest that is shown to "
        "lose at most 0.5 points (balance) or 2 (speed)",
    ] = "balance"
    precision: Annotated[
        str,
        Choice(AUTO_PRECISIONS),
        "What frozen backbones compute in: bfloat16 needs OpenVINO and a processor that has it; auto takes "
        "it where that pays and is shown to lose at most 0.5 points",
    ] = "float32"
    net_units: Annotated[int, Range(1, 4096), "net: units of its hidden layer"] = 64
    net_dropout: Annotated[float, Range(0, 0.95), "net: dropout behind its hidden layer"] = 0.5

    @property
    def first_precision(self) -> str:
        """What backbones are computed in until auto has proved another."""
        return "float32" if self.precision == "auto" else self.precision

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.heads:
            raise ValueError(f"`heads` must name at least one of {', '.join(HEADS)}. Received none.")


@dataclass(frozen=True, kw_only=True)
class AugmentSettings(Checked):
    """Random changes of training images; everything is off by default.

    Example:
        >>> AugmentSettings(flip="horizontal", rotate=0.1).rotate
        0.1
    """

    flip: Annotated[str, Choice(FLIPS), "Mirror half of the images; auto is horizontal for colour"] = "none"
    flip_alternates: Annotated[
        bool, "Mirror each image in every other epoch, half of them in the first, rather than by chance"
    ] = False
    rotate: Annotated[Half, "Turn by up to this share of a full turn either way; 0.1 is 36 degrees"] = 0.0
    zoom: Annotated[float, Range(0, 0.9), "Scale by up to this share in or out"] = 0.0
    shift: Annotated[Half, "Move by up to this share of the height and of the width"] = 0.0
    crop: Annotated[float, Range(0.05, 1), "Smallest share of the area in a random crop; 1 is off"] = 1.0
    ratio: Annotated[float, Range(1, 4), "Largest over smallest aspect ratio of a random crop"] = 16 / 9
    fill: Annotated[str, Choice(("reflect", "edge", "black")), "What lies beyond the edge"] = "reflect"
    brightness: Annotated[Fraction, "Add up to this share of full white, or take it away"] = 0.0
    contrast: Annotated[Fraction, "Stretch or squeeze around the image's mean by up to this share"] = 0.0
    saturation: Annotated[Fraction, "Strengthen or weaken colours by up to this share"] = 0.0
    random_erasing: Annotated[Fraction, "Probability that a rectangle of an image is erased"] = 0.0
    mixup: Annotated[Strength, "Alpha of mixup, which blends two images and their labels; 0 is off"] = 0.0
    cutmix: Annotated[Strength, "Alpha of cutmix, which pastes part of another image; 0 is off"] = 0.0


@dataclass(frozen=True, kw_only=True)
class TrainSettings(Checked):
    """The loop: how long, how fast, with which optimizer, and which weights it ends with.

    Example:
        >>> TrainSettings(epochs=5, learning_rate=3e-4).optimizer
        'adamw'
    """

    epochs: Annotated[Count, "Passes over the training images"] = 30
    batch_size: Annotated[Count, "Images in a step"] = 32
    shuffle: Annotated[bool, "Draw the images in a new order each epoch; false keeps that of the data"] = True
    grad_accum_steps: Annotated[Count, "Gradient accumulation: steps before each update of the weights"] = 1
    optimizer: Annotated[Optimizer, "Optimizer"] = "adamw"
    learning_rate: Annotated[LearningRate, "Highest learning rate, reached after the warm-up (max_lr)"] = 1e-3
    momentum: Annotated[BelowOne, "Momentum of sgd; beta 1 of adam and adamw"] = 0.9
    beta2: Annotated[BelowOne, "Beta 2 of adam and adamw, rho of rmsprop"] = 0.999
    weight_decay: Annotated[Penalty, "Decoupled weight decay; norms and biases are exempt"] = 0.0
    clip_grad_norm: Annotated[Penalty, "Largest norm of the gradients; 0 does not clip"] = 0.0
    schedule: Annotated[str, Choice(SCHEDULES), "Schedule of the learning rate"] = "cosine"
    warmup_fraction: Annotated[BelowOne, "Share of the steps in which the rate rises linearly"] = 0.05
    min_lr_ratio: Annotated[Fraction, "cosine and one-cycle: last learning rate over the highest"] = 0.01
    step_size: Annotated[Count, "step: epochs between two drops of the learning rate"] = 5
    lr_patience: Annotated[Count, "plateau: epochs without progress before a drop of the learning rate"] = 5
    gamma: Annotated[Fraction, "step and plateau: factor of the learning rate at a drop"] = 0.5
    progressive_fraction: Annotated[Fraction, "Progressive resizing: share of the epochs; 0 is off"] = 0.0
    progressive_scale: Annotated[
        float, Range(0.1, 1), "Progressive resizing: side of the smaller images as a share of the full side"
    ] = 0.55
    layer_decay: Annotated[Fraction, "finetune: rate of a stage over that of the next to the head"] = 1.0
    lr_scale_fan_in: Annotated[
        CountOrAuto, "Fan-in above which a dense layer's rate is scaled by this over its fan-in; 0 is off"
    ] = 0
    norm_bias_lr_ratio: Annotated[
        float, Range(0.01, 1000), "Learning rate of the biases of batch norms over that of weights"
    ] = 1.0
    label_smoothing: Annotated[BelowOne, "Share of each label that is spread over all classes"] = 0.0
    l1: Annotated[Penalty, "Penalty on the sum of absolute weights"] = 0.0
    l2: Annotated[Penalty, "Penalty on the sum of squared weights, in the loss (see weight_decay)"] = 0.0
    balance: Annotated[
        str,
        Choice(BALANCES),
        "Class imbalance: none, weights (in the loss), sampling (minority classes drawn more often), smote "
        "(heads: synthetic samples between real ones) or auto (by macro F1)",
    ] = "none"
    oversample: Annotated[Fraction, "Oversample minority classes; 0 is off, 1 balances the classes"] = 0.0
    focal_gamma: Annotated[Strength, "Focal loss: gamma, by which easy samples count less; 0 is off"] = 0.0
    thresholds: Annotated[bool, "Fit a threshold for each class to macro F1 on held-out images"] = False
    weight_averaging: Annotated[str, Choice(AVERAGES), "last is the mean of the last epochs, as in SWA"] = (
        "none"
    )
    ema_decay: Annotated[BelowOne, "ema: share of the old average that each step keeps"] = 0.998
    average_epochs: Annotated[Count, "last: how many epochs at the end are averaged"] = 5
    monitor: Annotated[str, Choice(MONITORS), "Metric that says which epoch is best"] = "val_loss"
    restore_best: Annotated[bool, "End with the best epoch's weights rather than the last one's"] = True
    patience: Annotated[CountOrAuto, "Stop after this many epochs without progress; 0 never does"] = 0
    precision: Annotated[str, Choice(AUTO_PRECISIONS), "auto is bfloat16 on CUDA cards that have it"] = "auto"
    memory_format: Annotated[str, Choice(MEMORY_FORMATS), "Memory format of feature maps"] = "auto"


@dataclass(frozen=True, kw_only=True)
class TrustSettings(Checked):
    """What a model says of its own answers.

    Example:
        >>> TrustSettings(level=0.99).sets
        'threshold'
    """

    level: Annotated[
        float, Range(0.5, 0.999), "How often the truth should be in the label set of an answer"
    ] = 0.9
    per_class: Annotated[bool, "Promise that of each class, not only of all together"] = False
    sets: Annotated[
        str, Choice(SETS), "How label sets are made: threshold gives the smallest, raps adaptive ones"
    ] = "threshold"
    refuse: Annotated[
        Half, "Share of samples like the training data for which a model may abstain; 0 never abstains"
    ] = 0.05


@dataclass(frozen=True, kw_only=True)
class TableSettings(Checked):
    """A table: how models are compared, which are tried, and how the nets among them are built and trained.

    Example:
        >>> TableSettings(models=("nets",), hidden_layer_sizes=(512, 256)).scale
        'columns'
    """

    models: Annotated[tuple[str, ...], "Models to try and to predict with; all where none is named"] = ()
    folds: Annotated[Folds, "Folds of the cross-validation"] = 5
    repeats: Annotated[Repeats, "Repeats of the cross-validation under 2,000 rows, with other folds"] = 3
    hidden_layer_sizes: Annotated[tuple[int, ...], Range(1, 65_536), "nets: hidden units"] = (128, 64)
    ensemble_size: Annotated[CountOrAuto, "nets: how many are averaged; 0 goes by the rows"] = 0
    epochs: Annotated[CountOrAuto, "nets: passes over the rows; 0 goes by their number"] = 0
    batch_size: Annotated[CountOrAuto, "nets: rows in a step; 0 goes by the number of rows"] = 0
    optimizer: Annotated[Optimizer, "nets: optimizer"] = "adamw"
    learning_rate: Annotated[LearningRate, "nets: highest learning rate"] = 1e-2
    momentum: Annotated[BelowOne, "nets: momentum of sgd; beta 1 of adam and adamw"] = 0.9
    beta2: Annotated[BelowOne, "nets: beta 2 of adam and adamw, rho of rmsprop"] = 0.99
    schedule: Annotated[str, Choice(TABLE_SCHEDULES), "nets: schedule of the rate"] = "one-cycle"
    weight_decay: Annotated[Penalty, "nets: weight decay; biases and embeddings are exempt"] = 0.02
    dropout: Annotated[BelowOne, "nets: share of hidden units dropped at random"] = 0.0
    loss: Annotated[str, Choice(("huber", "squared")), "nets: loss of a regression"] = "huber"
    huber_delta: Annotated[Positive, "nets: error from which the Huber loss is linear"] = 0.5
    scale: Annotated[
        str,
        Choice(("columns", "rows", "none")),
        "nets: what they are given: columns (each standardised), rows (each divided by its norm, which mixes "
        "units) or none (numbers as they are)",
    ] = "columns"
    scale_target: Annotated[bool, "nets: standardise the target of a regression"] = True
    forest_min_samples_leaf: Annotated[CountOrAuto, "forests: least rows of a leaf; 0 goes by the rows"] = 0
    forest_max_features: Annotated[Fraction, "forests: columns tried at a split; 0 is usual"] = 0.0
    boosting_learning_rate: Annotated[Fraction, "boosting: learning rate; 0 is the library's"] = 0.0
    boosting_num_leaves: Annotated[Trees, "boosting: leaves of a tree; 0 goes by the number of rows"] = 0
    boosting_rounds: Annotated[Trees, "boosting: trees for each score; 0 is the library's"] = 0
    svm_C: Annotated[
        float, Range(0, 1e9), "SVM: C, the inverse of its regularisation; 0 takes 10 for regression, else 3"
    ] = 0.0
    svm_gamma: Annotated[Positive, "SVM: gamma, as a multiple of scikit-learn's gamma=scale"] = 1.0


@dataclass(frozen=True, kw_only=True)
class DoctorSettings(Checked):
    """How data are examined.

    Example:
        >>> DoctorSettings(precision=0.95).curve
        True
    """

    precision: Annotated[
        float, Range(0.5, 0.99), "Stated precision down to which --decisions suggested:RUN takes suggestions"
    ] = 0.9
    curve: Annotated[bool, "Learning curve: how much more data would help"] = True
