"""The two default nets at every size they are for."""

from __future__ import annotations

import pytest

from mindle.models.nets.layers import output_shape
from mindle.models.nets.resnets import photo_resnet, small_resnet


@pytest.mark.parametrize(
    ("height", "width"), [(8, 8), (9, 13), (28, 28), (32, 32), (48, 48), (49, 33), (96, 96)]
)
def test_small_resnet_fits_its_sizes(height: int, width: int) -> None:
    layers = small_resnet(height, width)
    assert output_shape(layers, shape=(3, height, width), classes=7) == (7,)


@pytest.mark.parametrize(("height", "width"), [(128, 128), (150, 150), (180, 180), (131, 207), (224, 224)])
def test_photo_resnet_fits_its_sizes(height: int, width: int) -> None:
    layers = photo_resnet(height, width)
    assert output_shape(layers, shape=(3, height, width), classes=7) == (7,)


def test_a_larger_stem_stride_keeps_the_map_small() -> None:
    maps = [output_shape(small_resnet(s, s)[:-2], shape=(3, s, s), classes=2)[1] for s in (48, 96)]
    assert maps == [12, 12]
