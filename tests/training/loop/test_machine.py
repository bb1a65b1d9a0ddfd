"""What the loop changes for its own time is equivalent, and is set back."""

from __future__ import annotations

import signal
from copy import deepcopy

import numpy as np
import pytest
import torch
from threadpoolctl import threadpool_info
from torch import nn

from mindle.training.loop.machine import (
    _glibc,
    flatten_any_size,
    interruptible,
    memory_kept,
    pool_before_relu,
    products_for,
    trimmed,
)
from tests.training.nets import net


def grads(model: nn.Module, images: torch.Tensor) -> list[torch.Tensor]:
    model.zero_grad()
    model(images).square().sum().backward()
    return [p.grad.clone() for p in model.parameters() if p.grad is not None]


def test_pooling_before_the_relu_is_the_same_function_with_the_same_gradients() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 5, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
    )
    images = torch.randn(4, 3, 20, 20)
    names = list(model.state_dict())
    plain, plain_grads = model(images), grads(model, images)
    with pool_before_relu(model):
        assert list(model.state_dict()) == names
        assert sum(isinstance(m, nn.Identity) for m in model.modules()) == 2
        assert torch.allclose(model(images), plain, rtol=1e-4, atol=1e-5)
        for got, wanted in zip(grads(model, images), plain_grads, strict=True):
            assert torch.allclose(got, wanted, rtol=1e-4, atol=1e-5)
    assert not any(isinstance(m, nn.Identity) for m in model.modules())


def test_the_bias_is_added_once_and_by_a_copy_too() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.MaxPool2d(2))
    images = torch.randn(4, 3, 20, 20)
    nn.init.normal_(model[0].bias)
    plain = model(images)
    with pool_before_relu(model):
        copy = deepcopy(model)
        model[0].bias.data.zero_()
        assert torch.allclose(copy(images), plain, atol=1e-5)
        assert not torch.allclose(model(images), plain, atol=1e-5)
        assert len(list(copy.parameters())) == 2
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert copy(images).dtype == torch.bfloat16
    assert type(model[0]) is nn.Conv2d


def test_other_activations_and_pools_stay_where_they_are() -> None:
    model = nn.Sequential(nn.GELU(), nn.MaxPool2d(2), nn.ReLU(), nn.AvgPool2d(2))
    with pool_before_relu(model):
        assert not any(isinstance(m, nn.Identity) for m in model.modules())


def test_a_dense_net_reads_smaller_images_inside_the_block_only() -> None:
    model = net().eval()
    full, small = torch.rand(2, 1, 12, 12), torch.rand(2, 1, 8, 8)
    with flatten_any_size(model):
        model.logits_from_floats(full)
        assert model.logits_from_floats(small).shape == (2, 3)
    with pytest.raises(RuntimeError):
        model.logits_from_floats(small)


def break_inside(model: nn.Module) -> None:
    with trimmed(model, torch.device("cpu")):
        torch.rand(1)
        raise OSError("gone")


def test_everything_is_set_back_when_something_goes_wrong() -> None:
    model, before = net(), torch.get_rng_state()
    kinds = [type(module) for module in model.modules()]
    with pytest.raises(OSError, match="gone"):
        break_inside(model)
    assert torch.equal(torch.get_rng_state(), before)
    assert [type(module) for module in model.modules()] == kinds


def press_ctrl_c() -> None:
    signal.raise_signal(signal.SIGINT)


def test_the_first_ctrl_c_waits_and_the_second_does_not() -> None:
    with interruptible() as event:
        press_ctrl_c()
        assert event.is_set()
        with pytest.raises(KeyboardInterrupt):
            press_ctrl_c()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.skipif(_glibc() is None, reason="only glibc has the option")
def test_freed_memory_is_kept_inside_and_given_back_after() -> None:
    import resource

    def faults() -> int:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(20):
            np.ones(8 << 20, np.uint8)
        return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

    with memory_kept():
        faults()  # the first block is new
        with memory_kept():
            pass
        inside = faults()
    assert inside < 20 * (8 << 20) / 4096 / 10  # of 2,048 pages each


def test_products_of_few_rows_run_on_one_thread_in_every_blas() -> None:
    def threads() -> list[int]:
        return [each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"]

    with products_for(10**6):
        before = threads()
    with products_for(100):
        assert set(threads()) == {1}
    assert threads() == before
