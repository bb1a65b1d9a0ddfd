"""The two default nets at every size they are for."""

from __future__ import annotations

import pytest
import torch

from mindle.models.nets.layers import build_layers
from mindle.models.nets.resnets import Layers, photo_resnet, small_resnet


def output_shape(layers: Layers, height: int, width: int) -> tuple[int, ...]:
    net = build_layers(layers, shape=(3, height, width), classes=7).eval()
    with torch.no_grad():
        return tuple(net(torch.zeros(1, 3, height, width)).shape[1:])


@pytest.mark.parametrize(
    ("height", "width"), [(8, 8), (9, 13), (28, 28), (32, 32), (48, 48), (49, 33), (96, 96)]
)
def test_small_resnet_fits_its_sizes(height: int, width: int) -> None:
    layers = small_resnet(height, width)
    assert output_shape(layers, height, width) == (7,)


@pytest.mark.parametrize(("height", "width"), [(128, 128), (150, 150), (180, 180), (131, 207), (224, 224)])
def test_photo_resnet_fits_its_sizes(height: int, width: int) -> None:
    layers = photo_resnet(height, width)
    assert output_shape(layers, height, width) == (7,)


def test_a_larger_stem_stride_keeps_the_map_small() -> None:
    maps = [output_shape(small_resnet(s, s)[:-2], s, s)[1] for s in (48, 96)]
    assert maps == [12, 12]
