from __future__ import annotations

import numpy as np

from mindle.explanation.torch.layers import feature_maps, filters, spaced
from tests.explanation.nets import SPEC, small_net


def test_every_convolution_has_feature_maps() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, SPEC.shape).astype(np.uint8)
    found = feature_maps(small_net(), pixels)
    assert [maps.shape for maps in found.values()] == [(8, 22, 30), (6, 9, 13)]


def test_filters_of_the_first_layer_are_in_colour() -> None:
    net = small_net()
    first, second = filters(net).values()
    assert first.shape == (8, 3, 3, 3)
    np.testing.assert_allclose(first[0, :, :, 1], net.bodies[0][0].conv.weight[0, 1].detach().numpy())
    assert second.shape == (6, 3, 3)


def test_few_layers_are_all_shown() -> None:
    assert spaced(["a", "b"], 8) == ["a", "b"]
