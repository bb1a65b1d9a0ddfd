"""Two residual nets that are the defaults from scratch, as lists of layers for the size of the images."""

from __future__ import annotations

from typing import Any

Layers = list[dict[str, Any]]


def conv_norm(channels: int, *, kernel: int = 3, stride: int = 1, activation: str = "relu") -> Layers:
    """A convolution without bias, its batch norm and its activation.

    Example:
        >>> [layer["kind"] for layer in conv_norm(16)]
        ['conv', 'batch_norm']
    """
    convolution = {
        "kind": "conv",
        "channels": channels,
        "kernel": kernel,
        "stride": stride,
        "padding": "same",
        "bias": False,
    }
    return [convolution, {"kind": "batch_norm", "activation": activation}]


def residual_block(channels: int, *, stride: int = 1, widen: bool = False) -> Layers:
    """Two 3x3 convolutions beside a shortcut; where the shape changes the shortcut is an average and a 1x1.

    Source:
        He et al. 2016, https://arxiv.org/abs/1512.03385, figure 2; the averaging shortcut, which throws no
        pixel away, is ResNet-D of He et al. 2019, https://arxiv.org/abs/1812.01187, figure 2c.

    Example:
        >>> residual_block(16)[0]["shortcut"]
        []
    """
    shortcut = conv_norm(channels, kernel=1, activation="none") if widen else []
    if stride > 1:
        shortcut = [{"kind": "avg_pool", "size": stride, "padding": "same"}, *shortcut]
    branch = [*conv_norm(channels, stride=stride), *conv_norm(channels, activation="none")]
    return [{"kind": "residual", "layers": branch, "shortcut": shortcut, "activation": "relu"}]


def small_resnet(height: int, width: int) -> Layers:
    """The default from scratch for images of 8 to 96 px: seven convolutions deep, residual, batch norm.

    Above 48 px the stem halves the map, so that a 96 px image costs little more than one of 48 px.
    """
    return [
        *conv_norm(32, stride=2 if max(height, width) > 48 else 1),
        *residual_block(32),
        *residual_block(64, stride=2, widen=True),
        *residual_block(128, stride=2, widen=True),
        {"kind": "global_pool"},
        {"kind": "dense", "units": "classes"},
    ]


def photo_resnet(height: int, width: int) -> Layers:
    """The default from scratch for photos of 128 to 224 px: the stem quarters the map before any block.

    Its widths are what two CPU cores can train: 0.34 billion multiplications a forward pass at 180 px, where
    the course's net of three plain convolutions has 0.20 and ResNet-18 1.2.
    """
    return [
        *conv_norm(24, stride=2),
        *conv_norm(40, stride=2),
        *residual_block(40),
        *residual_block(80, stride=2, widen=True),
        *residual_block(80),
        *residual_block(160, stride=2, widen=True),
        *residual_block(160),
        *residual_block(224, stride=2, widen=True),
        {"kind": "global_pool"},
        {"kind": "dropout", "rate": 0.2},
        {"kind": "dense", "units": "classes"},
    ]
