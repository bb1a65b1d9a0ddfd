"""Integrated gradients as Captum computes them, on pixels as mindle takes them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mindle.explanation.fading import blurred
from mindle.explanation.torch.cam import centred
from mindle.explanation.torch.integrated import integrated_gradients
from tests.explanation.nets import SPEC, small_net

pytest.importorskip("captum")


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_map_adds_up_to_what_the_blurred_picture_lacks(mirrored: bool) -> None:
    net = small_net()
    if mirrored:
        net.average_mirrored()
    pixels = np.random.default_rng(0).integers(0, 256, SPEC.shape).astype(np.uint8)
    found = integrated_gradients(net, pixels, 1, steps=64)
    assert found.shape == SPEC.shape[:2]
    with torch.no_grad():
        both = torch.from_numpy(np.stack([pixels, blurred(pixels)]))
        score, without = centred(net(both))[:, 1].tolist()
    assert found.sum() == pytest.approx(score - without, rel=0.05, abs=1e-3)
