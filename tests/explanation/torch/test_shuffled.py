from __future__ import annotations

import torch

from mindle.explanation.torch.shuffled import shuffled_model
from tests.explanation.nets import SPEC, small_net


def test_a_copy_is_shuffled_from_the_answer_on() -> None:
    net = small_net()
    whole, last = shuffled_model(net), shuffled_model(net, 0.01)
    pixels = torch.randint(
        0, 256, (2, *SPEC.shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    assert not torch.allclose(net(pixels), whole(pixels))
    first = next(iter(net.state_dict()))
    assert torch.equal(last.state_dict()[first], net.state_dict()[first])
    assert not torch.equal(whole.state_dict()[first], net.state_dict()[first])
    assert torch.equal(
        whole.state_dict()[first].flatten().sort().values, net.state_dict()[first].flatten().sort().values
    )
