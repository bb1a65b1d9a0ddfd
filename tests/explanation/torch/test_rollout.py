from __future__ import annotations

import numpy as np
import pytest
import torch

from mindle.explanation.torch.rollout import attends, rollout
from tests.explanation.nets import patches, small_net


def test_only_transformers_of_patches_attend() -> None:
    assert not attends(small_net())


@pytest.mark.slow
def test_attention_reaches_the_class_token_from_every_patch() -> None:
    net = patches()
    assert attends(net)
    pixels = np.random.default_rng(0).integers(0, 256, net.spec.shape).astype(np.uint8)
    before = net(torch.from_numpy(pixels[None]))
    fused = [block.attn.fused_attn for block in net.bodies[0].net.blocks]
    found = rollout(net, pixels)
    assert found.shape == net.spec.shape[:2]
    assert (found > 0).all()
    assert found.mean() * 196 < 1  # with the class token's own share it would be 1
    assert found.mean() * 196 > 0.5
    assert [block.attn.fused_attn for block in net.bodies[0].net.blocks] == fused
    torch.testing.assert_close(net(torch.from_numpy(pixels[None])), before)


@pytest.mark.slow
def test_a_patch_that_all_attend_to_stands_out() -> None:
    """Where the values of queries and keys are made to favour one patch, the map shows that patch."""
    net = patches()
    for block in net.bodies[0].net.blocks:
        block.attn.attn_drop = _Favour(60)
    pixels = np.zeros(net.spec.shape, np.uint8)
    found = rollout(net, pixels)
    row, column = np.unravel_index(found.argmax(), found.shape)
    assert (row // 16, column // 16) == divmod(60 - 1, 14)


class _Favour(torch.nn.Module):
    """Lets a token have most of the attention."""

    def __init__(self, token: int) -> None:
        super().__init__()
        self.token = token
        self.register_forward_pre_hook(self._favoured)

    def _favoured(self, module: torch.nn.Module, given: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        (attention,) = given
        weighted = attention * 0.1
        weighted[..., self.token] += 0.9
        return (weighted,)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x
