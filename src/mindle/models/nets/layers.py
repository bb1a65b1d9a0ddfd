"""Nets as lists of plain dictionaries, so that a recipe can write them and another framework rebuild them.

    layers = [
        {"kind": "conv", "channels": 32, "activation": "relu"},
        {"kind": "max_pool"},
        {"kind": "flatten"},
        {"kind": "dense", "units": "classes"},
    ]

Every dictionary becomes exactly one module, in the same place: `net[2]` is `layers[2]`. The last layer
gives raw scores (logits); sigmoid and softmax belong to whoever reads them.

What the words mean, for those who rebuild a net elsewhere: images are (channel, height, width) and
`flatten` keeps that order; "same" pads so that the output is ceil(input / stride), the odd pixel at the
bottom and right, as TensorFlow does; "valid" pads nothing; pooling rounds down.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mindle.errors import did_you_mean

Layer = Mapping[str, Any]
Shape = tuple[int, ...]

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
    with a batch norm gets He normal weights instead, and each residual branch starts as zero.

    Args:
        layers: One dictionary a layer: its `kind` and that kind's options; see `docs/models.md`.
        shape: What goes in, without the batch: (channel, height, width) or (feature,).
        classes: What `"units": "classes"` stands for.
        seed: Draws the weights; without it they come from torch's global generator.

    Returns:
        A sequence with one module a layer.

    Raises:
        ValueError: If a layer is unknown, lacks or does not know an option, or does not fit the shape
            that reaches it. The message names the layer by its place, counted from 1.

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
    # Torch draws weights of its own, which are overwritten at once; a seed must leave its generator alone.
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        modules, _ = _stack(layers, tuple(shape), classes, "")
    net = nn.Sequential(*modules)
    _initialise(net, None if seed is None else torch.Generator().manual_seed(seed))
    return net


def output_shape(layers: Sequence[Layer], *, shape: Shape, classes: int) -> Shape:
    """Shape of one image after the last layer, found without allocating any weights.

    Raises:
        ValueError: As `build_layers`.

    Example:
        >>> output_shape([{"kind": "conv", "channels": 4}], shape=(3, 180, 180), classes=2)
        (4, 178, 178)
    """
    with torch.device("meta"):
        return _stack(layers, tuple(shape), classes, "")[1]


def count_parameters(module: nn.Module, *, trainable: bool = False) -> int:
    """Numbers that training could change (or, with `trainable`, will change); running statistics are none.

    Example:
        >>> count_parameters(nn.Linear(3, 2))
        8
    """
    return sum(p.numel() for p in module.parameters() if p.requires_grad or not trainable)


def _stack(layers: Sequence[Layer], shape: Shape, classes: int, where: str) -> tuple[list[nn.Module], Shape]:
    modules: list[nn.Module] = []
    for place, layer in enumerate(layers, 1):
        name = f"{where}layer {place}"
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


def _build(layer: Layer, shape: Shape, classes: int, name: str) -> tuple[nn.Module, Shape]:
    if not isinstance(layer, Mapping) or "kind" not in layer:
        raise ValueError(f"a layer must be a dictionary with a `kind`. Received {layer!r}.")
    options = {key: value for key, value in layer.items() if key != "kind"}
    builder = KINDS.get(layer["kind"])
    if builder is None:
        raise ValueError(f"`kind` must be one of {', '.join(KINDS)}.{did_you_mean(layer['kind'], KINDS)}")
    _check_options(builder, options)
    if options.get("units") == "classes":
        options["units"] = classes
    if builder is _residual:
        options |= {"classes": classes, "where": f"{name}, "}
    return builder(shape, **options)


def _check_options(builder: Callable[..., Any], options: Mapping[str, Any]) -> None:
    parameters = list(inspect.signature(builder).parameters.values())[1:]
    known = [p.name for p in parameters if p.name not in ("classes", "where")]
    for option in options:
        if option not in known:
            allowed = ", ".join(known) or "none"
            raise ValueError(
                f"unknown option `{option}`; its options: {allowed}.{did_you_mean(option, known)}"
            )
    for parameter in parameters:
        if parameter.name in known and parameter.default is parameter.empty and parameter.name not in options:
            raise ValueError(f"`{parameter.name}` must be given.")


# ---- one function a kind: what goes in -> the module and what comes out ----------------------------------


def _conv(
    shape: Shape,
    *,
    channels: int,
    kernel: int | Sequence[int] = 3,
    stride: int = 1,
    padding: str = "valid",
    groups: int = 1,
    activation: str = "none",
    bias: bool = True,
) -> tuple[nn.Module, Shape]:
    incoming, height, width = _image(shape)
    window = _pair("kernel", kernel)
    for name, value in (("channels", channels), ("stride", stride), ("groups", groups)):
        _positive(name, value)
    if incoming % groups or channels % groups:
        raise ValueError(
            f"`groups` must divide the channels that come in ({incoming}) and go out ({channels}). "
            f"Received groups={groups}."
        )
    pads, outgoing = _window((height, width), window, stride, padding)
    top, bottom, left, right = pads
    symmetric = top == bottom and left == right
    convolution = nn.Conv2d(
        incoming,
        channels,
        window,
        stride,
        padding=(top, left) if symmetric else 0,
        groups=groups,
        bias=_flag("bias", bias),
    )
    parts: list[tuple[str, nn.Module]] = (
        [] if symmetric else [("pad", nn.ZeroPad2d((left, right, top, bottom)))]
    )
    parts += [("conv", convolution), ("activation", _activation(activation))]
    return _named(parts), (channels, *outgoing)


def _depthwise(
    shape: Shape,
    *,
    kernel: int | Sequence[int] = 3,
    stride: int = 1,
    padding: str = "same",
    activation: str = "none",
    bias: bool = True,
) -> tuple[nn.Module, Shape]:
    channels = _image(shape)[0]
    return _conv(
        shape,
        channels=channels,
        kernel=kernel,
        stride=stride,
        padding=padding,
        groups=channels,
        activation=activation,
        bias=bias,
    )


def _batch_norm(
    shape: Shape, *, momentum: float = 0.1, epsilon: float = 1e-5, activation: str = "none"
) -> tuple[nn.Module, Shape]:
    norm_class = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
    norm = norm_class(shape[0], eps=_share("epsilon", epsilon), momentum=_share("momentum", momentum))
    return _named([("norm", norm), ("activation", _activation(activation))]), shape


def _max_pool(
    shape: Shape, *, size: int = 2, stride: int | None = None, padding: str = "valid"
) -> tuple[nn.Module, Shape]:
    pads, outgoing = _pooled(shape, size, stride, padding)
    pool = nn.MaxPool2d(size, stride)
    if not any(pads):
        return pool, outgoing
    # Padding never wins a maximum.
    return _named([("pad", nn.ConstantPad2d(pads, float("-inf"))), ("pool", pool)]), outgoing


def _avg_pool(
    shape: Shape, *, size: int = 2, stride: int | None = None, padding: str = "valid"
) -> tuple[nn.Module, Shape]:
    pads, outgoing = _pooled(shape, size, stride, padding)
    pool = nn.AvgPool2d(size, stride)
    return (_AvgPoolInside(pool, pads, shape[-2:]) if any(pads) else pool), outgoing


def _pooled(
    shape: Shape, size: int, stride: int | None, padding: str
) -> tuple[tuple[int, int, int, int], Shape]:
    """What is added left, right, above and below, and the shape after pooling."""
    channels, height, width = _image(shape)
    _positive("size", size)
    stride = size if stride is None else stride
    _positive("stride", stride)
    (top, bottom, left, right), outgoing = _window((height, width), (size, size), stride, padding)
    return (left, right, top, bottom), (channels, *outgoing)


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
        if pool not in ("avg", "max", "both"):
            raise ValueError(f"`pool` must be one of avg, max, both. Received pool={pool!r}.")
        self.pool = pool

    def forward(self, maps: Tensor) -> Tensor:
        """Pool each channel over the whole map."""
        pooled = []
        if self.pool != "max":
            pooled.append(maps.mean((2, 3)))
        if self.pool != "avg":
            pooled.append(maps.amax((2, 3)))
        return torch.cat(pooled, dim=1)  # (image, channel) or (image, 2 x channel)

    def extra_repr(self) -> str:
        """What `print` shows."""
        return self.pool


def _global_pool(shape: Shape, *, pool: str = "avg") -> tuple[nn.Module, Shape]:
    channels = _image(shape)[0]
    return GlobalPool(pool), (2 * channels if pool == "both" else channels,)


def _flatten(shape: Shape) -> tuple[nn.Module, Shape]:
    return nn.Flatten(), (math.prod(shape),)


def _dense(
    shape: Shape, *, units: int, activation: str = "none", bias: bool = True
) -> tuple[nn.Module, Shape]:
    if len(shape) != 1:
        raise ValueError(
            f"it takes a flat vector, and what reaches it has the shape {_times(shape)}. "
            "Put a flatten or global_pool layer before it."
        )
    _positive("units", units)
    linear = nn.Linear(shape[0], units, bias=_flag("bias", bias))
    return _named([("linear", linear), ("activation", _activation(activation))]), (units,)


def _dropout(shape: Shape, *, rate: float) -> tuple[nn.Module, Shape]:
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 <= rate < 1:
        raise ValueError(f"`rate` must lie in [0, 1). Received rate={rate!r}.")
    return nn.Dropout(rate), shape


def _activate(shape: Shape, *, activation: str) -> tuple[nn.Module, Shape]:
    return _activation(activation), shape


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


def _residual(
    shape: Shape,
    *,
    layers: Sequence[Layer],
    shortcut: Sequence[Layer] = (),
    activation: str = "none",
    classes: int,
    where: str,
) -> tuple[nn.Module, Shape]:
    branch, after_branch = _stack(layers, shape, classes, where)
    way, after_shortcut = _stack(shortcut, shape, classes, f"{where}shortcut ")
    if after_branch != after_shortcut:
        raise ValueError(
            f"both ways must end in one shape. The layers give {_times(after_branch)}, the shortcut "
            f"{_times(after_shortcut)}: give `shortcut` a 1x1 conv of the same channels and stride."
        )
    return Residual(nn.Sequential(*branch), nn.Sequential(*way), _activation(activation)), after_branch


KINDS: dict[str, Callable[..., tuple[nn.Module, Shape]]] = {
    "conv": _conv,
    "depthwise": _depthwise,
    "batch_norm": _batch_norm,
    "max_pool": _max_pool,
    "avg_pool": _avg_pool,
    "global_pool": _global_pool,
    "flatten": _flatten,
    "dense": _dense,
    "dropout": _dropout,
    "activation": _activate,
    "residual": _residual,
}


# ---- shapes and checks ------------------------------------------------------------------------------------


def _window(
    size: tuple[int, int], kernel: tuple[int, int], stride: int, padding: str
) -> tuple[tuple[int, int, int, int], tuple[int, int]]:
    """Padding (top, bottom, left, right) and the size (height, width) after a sliding window."""
    if padding not in ("same", "valid"):
        raise ValueError(f"`padding` must be same or valid. Received padding={padding!r}.")
    pads: list[int] = []
    outgoing: list[int] = []
    for length, window in zip(size, kernel, strict=True):
        after = math.ceil(length / stride) if padding == "same" else (length - window) // stride + 1
        total = max((after - 1) * stride + window - length, 0) if padding == "same" else 0
        pads += [total // 2, total - total // 2]
        outgoing.append(after)
    if min(outgoing) < 1:
        raise ValueError(
            f"a window of {_times(kernel)} does not fit on the map of {_times(size)} pixels that reaches it. "
            "Use larger images, fewer pooling layers or padding='same'."
        )
    return (pads[0], pads[1], pads[2], pads[3]), (outgoing[0], outgoing[1])


def _image(shape: Shape) -> tuple[int, int, int]:
    if len(shape) != 3:
        raise ValueError(
            f"it takes maps of (channel, height, width), and what reaches it is flat: {_times(shape)}."
        )
    return shape[0], shape[1], shape[2]


def _pair(name: str, value: int | Sequence[int]) -> tuple[int, int]:
    pair = (value, value) if isinstance(value, int) else tuple(value)
    if len(pair) != 2:
        raise ValueError(f"`{name}` must be one number or (height, width). Received {name}={value!r}.")
    for side in pair:
        _positive(name, side)
    return pair[0], pair[1]


def _positive(name: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ValueError(f"`{name}` must be a whole number of 1 or more. Received {name}={value!r}.")


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"`{name}` must be true or false. Received {name}={value!r}.")
    return value


def _share(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value <= 1:
        raise ValueError(f"`{name}` must lie in (0, 1]. Received {name}={value!r}.")
    return float(value)


def _activation(name: str) -> nn.Module:
    if name not in ACTIVATIONS:
        raise ValueError(
            f"`activation` must be one of {', '.join(ACTIVATIONS)}. Received activation={name!r}."
            f"{did_you_mean(name, ACTIVATIONS)}"
        )
    return ACTIVATIONS[name]()


def _named(parts: Sequence[tuple[str, nn.Module]]) -> nn.Sequential:
    """Parts by name, so that a weight is `0.conv.weight` whether or not there is padding before it."""
    whole = nn.Sequential()
    for name, part in parts:
        whole.add_module(name, part)
    return whole


def _times(shape: Sequence[int]) -> str:
    return "x".join(str(side) for side in shape)


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
    if normed:
        _calm_last_layer(modules, generator)
    for module in modules:
        if isinstance(module, Residual):
            norms = [m for m in module.branch.modules() if isinstance(m, nn.BatchNorm2d)]
            if norms:
                nn.init.zeros_(norms[-1].weight)


def _calm_last_layer(modules: Sequence[nn.Module], generator: torch.Generator | None) -> None:
    """Give the classifier small weights: fan-out He would start a few classes at a loss of tens."""
    linears = [m for m in modules if isinstance(m, nn.Linear)]
    if linears:
        nn.init.normal_(linears[-1].weight, std=0.01, generator=generator)
