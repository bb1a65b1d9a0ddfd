"""Nets as lists of plain dictionaries, so that a recipe can write them and another framework rebuild them.

    layers = [
        {"kind": "conv", "channels": 32, "activation": "relu"},
        {"kind": "max_pool"},
        {"kind": "flatten"},
        {"kind": "dense", "units": "classes"},
    ]

Every dictionary becomes exactly one module, in the same position: `net[2]` is `layers[2]`. The last layer
gives raw scores (logits); sigmoid and softmax belong to whoever reads them.

What the options mean, for those who rebuild a net elsewhere: images are (channel, height, width) and
`flatten` keeps that order; "same" pads so that the output is ceil(input / stride), the odd pixel at the
bottom and right, as TensorFlow does; "valid" pads nothing; pooling rounds down.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mindle.errors import did_you_mean

Layer = Mapping[str, Any]
Shape = tuple[int, ...]
Built = tuple[nn.Module, Shape]
Stack = tuple[list[nn.Module], Shape]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "none": nn.Identity,
    "relu": nn.ReLU,
    "relu6": nn.ReLU6,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "hard_swish": nn.Hardswish,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}


def build_layers(
    layers: Sequence[Layer], *, shape: Shape, classes: int, seed: int | None = None
) -> nn.Sequential:
    """Make the module that a list of layers describes, with fresh weights.

    Weights start as Glorot uniform and biases as zero, which is what the course's Keras nets had; a net
    with a batch norm gets He normal weights instead, and each residual branch starts as zero. A convolution
    of `identity` starts with as many channels as come in passed on, and a `whiten` layer is fitted later.

    Args:
        layers: One dictionary a layer: its `kind` and that kind's options; see `docs/models.md`.
        shape: What goes in, without the batch: (channel, height, width) or (feature,).
        classes: What `"units": "classes"` stands for.
        seed: Draws the weights; without it they come from torch's global generator.

    Returns:
        A sequence with one module a layer.

    Raises:
        ValueError: If a layer is unknown, lacks or does not know an option, or does not fit the shape
            that reaches it. The message names the layer by its position, counted from 1.

    Source:
        Glorot & Bengio 2010, eq. 16; He et al. 2015, https://arxiv.org/abs/1502.01852, eq. 10; the last
        batch norm of a branch at zero: Goyal et al. 2017, https://arxiv.org/abs/1706.02677, section 5.1.

    Example:
        >>> net = build_layers([{"kind": "flatten"}, {"kind": "dense", "units": "classes"}],
        ...                    shape=(1, 8, 8), classes=10)
        >>> count_parameters(net)
        650
    """
    if not layers:
        raise ValueError("`layers` must hold at least one layer. Received an empty list.")
    # Torch draws weights that are overwritten at once; a seed must leave its generator alone.
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        modules, _ = _stack(layers, tuple(shape), classes, "")
    net = nn.Sequential(*modules)
    _initialise(net, None if seed is None else torch.Generator().manual_seed(seed))
    return net


def count_parameters(module: nn.Module, *, trainable: bool = False) -> int:
    """Numbers that training could change (or, with `trainable`, will change); running statistics are none.

    Example:
        >>> count_parameters(nn.Linear(3, 2))
        8
    """
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trainable)


def _stack(layers: Sequence[Layer], shape: Shape, classes: int, where: str) -> Stack:
    modules: list[nn.Module] = []
    for number, layer in enumerate(layers, 1):
        name = f"{where}layer {number}"
        try:
            module, shape = _build(layer, shape, classes, name)
        except _LayerError:
            raise
        except ValueError as error:
            kind = layer.get("kind") if isinstance(layer, Mapping) else layer
            raise _LayerError(f"{name[0].upper()}{name[1:]} ({kind}): {error}") from None
        modules.append(module)
    return modules, shape


class _LayerError(ValueError):
    """A ValueError whose message already says at which layer."""


def _build(layer: Layer, shape: Shape, classes: int, name: str) -> Built:
    if not isinstance(layer, Mapping) or "kind" not in layer:
        raise ValueError(f"a layer must be a dictionary with a `kind`. Received {layer!r}.")
    kind = KINDS.get(layer["kind"])
    if kind is None:
        raise ValueError(f"`kind` must be one of {', '.join(KINDS)}.{did_you_mean(layer['kind'], KINDS)}")
    options = _options(kind, layer, classes)
    if len(shape) not in kind.axes:
        raise ValueError(
            f"it takes a flat vector, and what reaches it has the shape {_times(shape)}. "
            "Put a flatten or global_pool layer before it."
            if kind.axes == VECTOR
            else f"it takes maps of (channel, height, width), and what reaches it is flat: {_times(shape)}."
        )
    for option, where in (("layers", f"{name}, "), ("shortcut", f"{name}, shortcut ")):
        if option in options:
            options[option] = _stack(options[option], shape, classes, where)
    return kind.build(shape, **options)


def _options(kind: Kind, layer: Layer, classes: int) -> dict[str, Any]:
    """What a layer says, checked, and the defaults of what it does not say."""
    options = dict(kind.options)
    for option, value in layer.items():
        if option in options:
            options[option] = classes if (option, value) == ("units", "classes") else value
            _check(option, options[option])
        elif option != "kind":
            known = ", ".join(options) or "none"
            raise ValueError(
                f"unknown option `{option}`; its options: {known}.{did_you_mean(option, options)}"
            )
    for option, value in options.items():
        if value is REQUIRED:
            raise ValueError(f"`{option}` must be given.")
    return options


# ---- what makes each kind: what goes in -> the module and what comes out ----------------------------------


class IdentityConv(nn.Conv2d):
    """A convolution that starts with the channels that come in passed on, and with random ones behind them.

    Source:
        Zagoruyko & Komodakis 2017, https://arxiv.org/abs/1706.00388.
    """


def _conv(shape: Shape, channels: int, groups: int, identity: bool, activation: str, **window: Any) -> Built:
    if shape[0] % groups or channels % groups:
        raise ValueError(
            f"`groups` must divide the channels that come in ({shape[0]}) and go out ({channels}). "
            f"Received groups={groups}."
        )
    bias = window.pop("bias")
    pads, outgoing = _window(shape, **window)
    left, right, top, bottom = pads
    symmetric = top == bottom and left == right
    convolution = (IdentityConv if identity else nn.Conv2d)(
        shape[0],
        channels,
        _pair(window["kernel"]),
        window["stride"],
        padding=(top, left) if symmetric else 0,
        groups=groups,
        bias=bias,
    )
    pad = {} if symmetric else {"pad": nn.ZeroPad2d(pads)}
    return _named(**pad, conv=convolution, activation=ACTIVATIONS[activation]()), (channels, *outgoing)


def _depthwise(shape: Shape, **options: Any) -> Built:
    return _conv(shape, channels=shape[0], groups=shape[0], identity=False, **options)


class Whiten(nn.Conv2d):
    """Patches along the axes in which those of the training images vary, each divided by its deviation.

    Every axis comes with both signs, so that an activation behind it loses none. The kernel is fitted once
    and does not learn; the bias does.

    Source:
        Page 2018, "How to train your ResNet"; Jordan 2024, https://arxiv.org/abs/2404.00498.

    Example:
        >>> layer = Whiten(3, kernel=2, epsilon=0.0)
        >>> layer.fit(torch.rand(50, 3, 8, 8, generator=torch.Generator().manual_seed(0)))
        >>> round(layer(torch.rand(50, 3, 8, 8)).square().mean().item(), 1)
        1.0
    """

    def __init__(self, channels: int, kernel: int, epsilon: float) -> None:
        super().__init__(channels, 2 * channels * kernel**2, kernel)
        self.weight.requires_grad_(False)
        self.epsilon = epsilon

    @torch.no_grad()
    def fit(self, maps: Tensor) -> None:
        """Find the axes of these maps (image, channel, height, width)."""
        patches = F.unfold(maps, self.kernel_size).transpose(1, 2).flatten(0, 1)  # (patch, number)
        variance, axes = torch.linalg.eigh((patches.T @ patches / len(patches)).double())
        axes = axes.T / (variance.clamp_min(0) + self.epsilon).sqrt()[:, None]  # (axis, number)
        self.weight.copy_(torch.cat([axes, -axes]).view_as(self.weight))


def _whiten(shape: Shape, kernel: int, epsilon: float, activation: str) -> Built:
    _, outgoing = _window(shape, kernel, 1, "valid")
    layer = Whiten(shape[0], kernel, epsilon)
    return _named(conv=layer, activation=ACTIVATIONS[activation]()), (layer.out_channels, *outgoing)


def _batch_norm(shape: Shape, momentum: float, epsilon: float, scale: bool, activation: str) -> Built:
    norm = (nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d)(shape[0], epsilon, momentum)
    norm.weight.requires_grad_(scale)
    return _named(norm=norm, activation=ACTIVATIONS[activation]()), shape


def _max_pool(shape: Shape, size: int, stride: int | None, padding: str) -> Built:
    pads, outgoing = _window(shape, size, stride or size, padding)
    pool = nn.MaxPool2d(size, stride)
    if any(pads):  # padding never wins a maximum
        return _named(pad=nn.ConstantPad2d(pads, float("-inf")), pool=pool), (shape[0], *outgoing)
    return pool, (shape[0], *outgoing)


def _avg_pool(shape: Shape, size: int, stride: int | None, padding: str) -> Built:
    pads, outgoing = _window(shape, size, stride or size, padding)
    pool = nn.AvgPool2d(size, stride)
    return (_AvgPoolInside(pool, pads, shape[-2:]) if any(pads) else pool), (shape[0], *outgoing)


class _AvgPoolInside(nn.Module):
    """The mean of windows that reach over the edge, of what lies inside."""

    inside: Tensor

    def __init__(self, pool: nn.AvgPool2d, pads: tuple[int, int, int, int], size: Sequence[int]) -> None:
        super().__init__()
        self.pool, self.pad, self.size = pool, nn.ZeroPad2d(pads), tuple(size)
        # It follows from the size, and so is no part of the state.
        self.register_buffer("inside", self._share(torch.ones(1, 1, *size)), persistent=False)

    def _share(self, ones: Tensor) -> Tensor:
        """The share of each window that is no padding."""
        share: Tensor = self.pool(self.pad(ones))
        return share

    def forward(self, x: Tensor) -> Tensor:
        means: Tensor = self.pool(self.pad(x))
        if tuple(x.shape[-2:]) == self.size:
            return means / self.inside
        return means / self._share(torch.ones_like(x[:1, :1]))  # smaller images, early in a training


class GlobalPool(nn.Module):
    """(image, channel, height, width) -> (image, channel): the mean, the maximum, or both side by side.

    Example:
        >>> GlobalPool("both")(torch.zeros(1, 4, 2, 2)).shape
        torch.Size([1, 8])
    """

    def __init__(self, pool: str) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, maps: Tensor) -> Tensor:
        """Pool each channel over the whole map."""
        pooled = []
        if self.pool != "max":
            pooled.append(maps.mean((2, 3)))
        if self.pool != "avg":
            pooled.append(maps.amax((2, 3)))
        return torch.cat(pooled, dim=1)  # (image, channel) or (image, 2 x channel)


def _global_pool(shape: Shape, pool: str) -> Built:
    return GlobalPool(pool), (2 * shape[0] if pool == "both" else shape[0],)


def _flatten(shape: Shape) -> Built:
    return nn.Flatten(), (math.prod(shape),)


def _dense(shape: Shape, units: int, activation: str, bias: bool) -> Built:
    linear = nn.Linear(shape[0], units, bias=bias)
    return _named(linear=linear, activation=ACTIVATIONS[activation]()), (units,)


def _dropout(shape: Shape, rate: float) -> Built:
    return nn.Dropout(rate), shape


class Multiply(nn.Module):
    """All numbers times one that does not learn.

    Example:
        >>> Multiply(0.5)(torch.ones(2)).tolist()
        [0.5, 0.5]
    """

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Multiply."""
        return x * self.factor


def _multiply(shape: Shape, factor: float) -> Built:
    return Multiply(factor), shape


def _activate(shape: Shape, activation: str) -> Built:
    return ACTIVATIONS[activation](), shape


class Residual(nn.Module):
    """activation(branch(x) + shortcut(x)).

    Source:
        He et al. 2016, https://arxiv.org/abs/1512.03385, eq. 1 and 2.

    Example:
        >>> double = Residual(nn.Identity(), nn.Identity(), nn.Identity())
        >>> double(torch.ones(1)).item()
        2.0
    """

    def __init__(self, branch: nn.Module, shortcut: nn.Module, activation: nn.Module) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut
        self.activation = activation

    def forward(self, x: Tensor) -> Tensor:
        """Add both ways."""
        added: Tensor = self.activation(self.branch(x) + self.shortcut(x))
        return added


def _residual(shape: Shape, layers: Stack, shortcut: Stack, activation: str) -> Built:
    (branch, after_branch), (way, after_shortcut) = layers, shortcut
    if after_branch != after_shortcut:
        raise ValueError(
            f"both ways must end in one shape. The layers give {_times(after_branch)}, the shortcut "
            f"{_times(after_shortcut)}: give `shortcut` a 1x1 conv of the same channels and stride."
        )
    block = Residual(nn.Sequential(*branch), nn.Sequential(*way), ACTIVATIONS[activation]())
    return block, after_branch


@dataclass(frozen=True)
class Kind:
    """A kind of layer.

    Attributes:
        build: Makes its module of the shape that reaches it and its options, and says what comes out.
        axes: How many axes, the batch aside, what reaches it may have.
        options: Its options with their defaults; REQUIRED where one must be given.
    """

    build: Callable[..., Built]
    axes: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


REQUIRED = object()
VECTOR, MAP, ANY = (1,), (3,), (1, 2, 3)
_CONV = {"kernel": 3, "stride": 1, "padding": "valid", "activation": "none", "bias": True}
_POOL = {"size": 2, "stride": None, "padding": "valid"}

KINDS: dict[str, Kind] = {
    "whiten": Kind(_whiten, MAP, {"kernel": 2, "epsilon": 5e-4, "activation": "none"}),
    "conv": Kind(_conv, MAP, {"channels": REQUIRED, "groups": 1, **_CONV, "identity": False}),
    "depthwise": Kind(_depthwise, MAP, {**_CONV, "padding": "same"}),
    "batch_norm": Kind(
        _batch_norm, ANY, {"momentum": 0.1, "epsilon": 1e-5, "scale": True, "activation": "none"}
    ),
    "max_pool": Kind(_max_pool, MAP, _POOL),
    "avg_pool": Kind(_avg_pool, MAP, _POOL),
    "global_pool": Kind(_global_pool, MAP, {"pool": "avg"}),
    "flatten": Kind(_flatten, ANY),
    "dense": Kind(_dense, VECTOR, {"units": REQUIRED, "activation": "none", "bias": True}),
    "dropout": Kind(_dropout, ANY, {"rate": REQUIRED}),
    "multiply": Kind(_multiply, ANY, {"factor": REQUIRED}),
    "activation": Kind(_activate, ANY, {"activation": REQUIRED}),
    "residual": Kind(_residual, ANY, {"layers": REQUIRED, "shortcut": (), "activation": "none"}),
}


# ---- options and shapes -----------------------------------------------------------------------------------


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_share(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1


def _is_window(value: object) -> bool:
    return _is_count(value) or (
        isinstance(value, (list, tuple)) and len(value) == 2 and all(map(_is_count, value))
    )


_CHOICES = {"padding": ("same", "valid"), "pool": ("avg", "max", "both"), "activation": tuple(ACTIVATIONS)}
# What holds for the value of an option, whichever layer has it, and how that is said.
_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(
        ("channels", "groups", "stride", "size", "units"), (_is_count, "be a whole number of 1 or more")
    ),
    **dict.fromkeys(("momentum", "epsilon"), (lambda value: _is_share(value) and value > 0, "lie in (0, 1]")),
    "rate": (lambda value: _is_share(value) and value < 1, "lie in [0, 1)"),
    **dict.fromkeys(
        ("bias", "identity", "scale"), (lambda value: isinstance(value, bool), "be true or false")
    ),
    "factor": (lambda value: _is_share(value) and value > 0, "lie in (0, 1]"),
    "kernel": (_is_window, "be one number or (height, width), each 1 or more"),
    **{option: (names.__contains__, f"be one of {', '.join(names)}") for option, names in _CHOICES.items()},
}


def _check(option: str, value: Any) -> None:
    """Refuse what an option cannot be; layers inside a layer are checked where they are built."""
    holds, requirement = _RULES.get(option, (lambda value: True, ""))
    if not holds(value):
        hint = did_you_mean(value, _CHOICES.get(option, ()))
        raise ValueError(f"`{option}` must {requirement}. Received {option}={value!r}.{hint}")


def _pair(kernel: int | Sequence[int]) -> tuple[int, int]:
    return (kernel, kernel) if isinstance(kernel, int) else (kernel[0], kernel[1])


def _window(
    shape: Shape, kernel: int | Sequence[int], stride: int, padding: str
) -> tuple[tuple[int, int, int, int], Shape]:
    """Padding (left, right, top, bottom) and the size (height, width) after a sliding window."""
    pads: list[int] = []
    outgoing: list[int] = []
    for length, window in zip(shape[1:], _pair(kernel), strict=True):
        after = math.ceil(length / stride) if padding == "same" else (length - window) // stride + 1
        total = max((after - 1) * stride + window - length, 0) if padding == "same" else 0
        pads += [total // 2, total - total // 2]
        outgoing.append(after)
    if min(outgoing) < 1:
        raise ValueError(
            f"a window of {_times(_pair(kernel))} does not fit on the map of {_times(shape[1:])} pixels that "
            "reaches it. Use larger images, fewer pooling layers or padding='same'."
        )
    return (pads[2], pads[3], pads[0], pads[1]), tuple(outgoing)


def _named(**parts: nn.Module) -> nn.Sequential:
    """Parts by name, so that a weight is `0.conv.weight` whether or not there is padding before it."""
    return nn.Sequential(OrderedDict(parts))


def _times(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


# ---- first weights ----------------------------------------------------------------------------------------


def _initialise(net: nn.Module, generator: torch.Generator | None) -> None:
    modules = list(net.modules())
    normed = any(isinstance(m, (nn.BatchNorm1d, nn.BatchNorm2d)) for m in modules)
    for module in modules:
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            if normed:
                nn.init.kaiming_normal_(
                    module.weight, mode="fan_out", nonlinearity="relu", generator=generator
                )
            else:
                nn.init.xavier_uniform_(module.weight, generator=generator)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        if isinstance(module, IdentityConv):
            nn.init.dirac_(module.weight.data[: module.in_channels], module.groups)
    if normed:
        _calm_last_layer(modules, generator)
    for module in modules:
        if isinstance(module, Residual):
            norms = [m for m in module.branch.modules() if isinstance(m, nn.BatchNorm2d)]
            if norms and norms[-1].weight.requires_grad:
                nn.init.zeros_(norms[-1].weight)


def _calm_last_layer(modules: Sequence[nn.Module], generator: torch.Generator | None) -> None:
    """Give the classifier small weights: fan-out He would start a few classes at a loss of tens."""
    linears = [m for m in modules if isinstance(m, nn.Linear)]
    if linears:
        nn.init.normal_(linears[-1].weight, std=0.01, generator=generator)
