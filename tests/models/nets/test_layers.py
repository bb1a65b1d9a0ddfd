"""Layers: what lists of dictionaries become, and what is said of wrong ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from mindle.models.nets.layers import (
    KINDS,
    GlobalPool,
    Residual,
    Whiten,
    build_layers,
    count_parameters,
)

DENSE = {"kind": "dense", "units": "classes"}


def test_one_module_stands_where_its_layer_stands() -> None:
    layers = [{"kind": "conv", "channels": 4, "kernel": 2, "padding": "same"}, {"kind": "global_pool"}, DENSE]
    net = build_layers(layers, shape=(3, 8, 8), classes=5)
    assert len(net) == 3
    assert isinstance(net[1], GlobalPool)
    assert "0.conv.weight" in net.state_dict()
    assert "2.linear.weight" in net.state_dict()


@pytest.mark.parametrize("size", [5, 6, 7, 8])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (2, 2), (4, 3), ([1, 3], 2)])
def test_same_padding_is_ceil_of_size_by_stride(size: int, kernel: int | list[int], stride: int) -> None:
    layer = {"kind": "conv", "channels": 2, "kernel": kernel, "stride": stride, "padding": "same"}
    net = build_layers([layer], shape=(3, size, size), classes=2)
    expected = (2, -(-size // stride), -(-size // stride))
    assert tuple(net(torch.zeros(1, 3, size, size)).shape[1:]) == expected


def test_same_average_counts_only_what_lies_inside() -> None:
    layer = {"kind": "avg_pool", "size": 2, "padding": "same"}
    net = build_layers([layer], shape=(1, 3, 3), classes=2)
    image = torch.arange(9.0).reshape(1, 1, 3, 3)
    assert net(image).flatten().tolist() == [2.0, 3.5, 6.5, 8.0]
    assert net.state_dict() == {}


def test_smaller_images_pass_a_net_whose_windows_reach_over_the_edge() -> None:
    """As in a training that begins with smaller images: the mean of ones is one at any size."""
    layer = {"kind": "avg_pool", "size": 2, "padding": "same"}
    net = build_layers([layer], shape=(1, 9, 9), classes=2)
    for size in (9, 10, 7, 5):  # 10 also comes to 5, with other windows
        side = (size + 1) // 2
        assert torch.equal(net(torch.ones(1, 1, size, size)), torch.ones(1, 1, side, side))


def test_same_maximum_is_not_won_by_padding() -> None:
    net = build_layers([{"kind": "max_pool", "padding": "same"}], shape=(1, 3, 3), classes=2)
    assert net(torch.full((1, 1, 3, 3), -5.0)).max().item() == -5.0


def test_shapes_agree_with_modules_for_every_kind() -> None:
    layers = [
        {"kind": "whiten", "activation": "gelu"},
        {"kind": "conv", "channels": 6, "groups": 3, "activation": "silu"},
        {"kind": "depthwise", "stride": 2},
        {"kind": "batch_norm", "activation": "relu"},
        {"kind": "max_pool", "size": 3, "stride": 1, "padding": "same"},
        {"kind": "avg_pool"},
        {"kind": "activation", "activation": "gelu"},
        {"kind": "residual", "layers": [{"kind": "conv", "channels": 6, "padding": "same"}]},
        {"kind": "flatten"},
        {"kind": "dense", "units": 7, "activation": "tanh"},
        {"kind": "dropout", "rate": 0.5},
        {"kind": "multiply", "factor": 0.5},
    ]
    assert {layer["kind"] for layer in layers} | {"global_pool"} == set(KINDS)
    net = build_layers(layers, shape=(3, 16, 18), classes=4)
    assert tuple(net(torch.zeros(2, 3, 16, 18)).shape) == (2, 7)


def test_an_identity_convolution_starts_by_passing_on_what_comes_in() -> None:
    layer = {"kind": "conv", "channels": 5, "padding": "same", "identity": True}
    net = build_layers([layer], shape=(3, 6, 6), classes=2, seed=0)
    image = torch.rand(1, 3, 6, 6)
    outgoing = net(image)
    torch.testing.assert_close(outgoing[:, :3], image)
    assert outgoing[:, 3:].abs().min() > 0


def test_whitened_patches_have_no_correlations_and_the_kernel_does_not_learn() -> None:
    net = build_layers([{"kind": "whiten", "epsilon": 1e-12}], shape=(2, 12, 12), classes=2, seed=0)
    layer = net.get_submodule("0.conv")
    assert isinstance(layer, Whiten)
    smooth = torch.nn.functional.avg_pool2d(torch.randn(200, 2, 14, 14), 3, 1)
    layer.fit(smooth)
    rows = net(smooth).transpose(0, 1).flatten(1)[:8].double()  # one sign of each axis
    torch.testing.assert_close(rows @ rows.T / rows.shape[1], torch.eye(8).double(), atol=1e-3, rtol=0)
    assert [name for name, p in net.named_parameters() if p.requires_grad] == ["0.conv.bias"]


def test_a_batch_norm_without_a_scale_learns_its_bias_alone() -> None:
    net = build_layers([{"kind": "batch_norm", "scale": False}], shape=(3, 4, 4), classes=2)
    assert [name for name, p in net.named_parameters() if p.requires_grad] == ["0.norm.bias"]


def test_a_residual_without_branch_weights_adds_its_input() -> None:
    block = {"kind": "residual", "layers": [{"kind": "batch_norm"}]}
    net = build_layers([block], shape=(2, 3, 3), classes=2).eval()
    image = torch.randn(1, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    assert isinstance(net[0], Residual)
    torch.testing.assert_close(net(image), image)  # the branch starts as zero


def test_seed_decides_the_weights_and_leaves_the_global_generator() -> None:
    layers = [{"kind": "flatten"}, DENSE]
    first = build_layers(layers, shape=(1, 4, 4), classes=3, seed=7)
    second = build_layers(layers, shape=(1, 4, 4), classes=3, seed=7)
    other = build_layers(layers, shape=(1, 4, 4), classes=3, seed=8)
    assert torch.equal(first[1].linear.weight, second[1].linear.weight)  # type: ignore[union-attr,arg-type]
    assert not torch.equal(first[1].linear.weight, other[1].linear.weight)  # type: ignore[union-attr,arg-type]


def test_first_weights_are_glorot_uniform() -> None:
    net = build_layers(
        [{"kind": "flatten"}, {"kind": "dense", "units": 50}], shape=(1, 10, 10), classes=2, seed=0
    )
    weight = dict(net.named_parameters())["1.linear.weight"].detach().numpy()
    limit = (6 / (100 + 50)) ** 0.5
    assert np.abs(weight).max() <= limit
    assert weight.std() == pytest.approx(limit / 3**0.5, rel=0.05)


def test_counts_only_what_trains_when_asked() -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    net[0].requires_grad_(False)
    assert (count_parameters(net), count_parameters(net, trainable=True)) == (11, 3)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([], "at least one layer"),
        (["conv"], "dictionary with a `kind`"),
        ([{"kind": "convv"}], r"Layer 1 \(convv\).*Did you mean 'conv'"),
        ([{"kind": "conv", "channels": 4, "kernal": 3}], "unknown option `kernal`.*Did you mean 'kernel'"),
        ([{"kind": "conv"}], "`channels` must be given"),
        ([{"kind": "conv", "channels": 0}], "`channels` must be a whole number of 1 or more"),
        ([{"kind": "conv", "channels": 4, "groups": 3}], "`groups` must divide"),
        ([{"kind": "conv", "channels": 4, "padding": "full"}], "`padding` must be one of same, valid"),
        ([{"kind": "conv", "channels": 4, "bias": "no"}], "`bias` must be true or false"),
        ([{"kind": "conv", "channels": 4, "activation": "rellu"}], "Did you mean 'relu'"),
        ([{"kind": "conv", "channels": 4, "kernel": [1, 2, 3]}], r"one number or \(height, width\)"),
        ([DENSE], "flatten or global_pool layer before it"),
        ([{"kind": "flatten"}, {"kind": "max_pool"}], r"Layer 2 \(max_pool\).*flat"),
        ([{"kind": "max_pool"}] * 4, r"Layer 4 \(max_pool\): a window of 2x2 does not fit on the map of 1x1"),
        ([{"kind": "dropout", "rate": 1.0}], r"`rate` must lie in \[0, 1\)"),
        ([{"kind": "batch_norm", "momentum": 2}], r"`momentum` must lie in \(0, 1\]"),
        ([{"kind": "global_pool", "pool": "mean"}], "`pool` must be one of avg, max, both"),
        (
            [{"kind": "residual", "layers": [{"kind": "conv", "channels": 8, "padding": "same"}]}],
            "The layers give 8x8x8, the shortcut 3x8x8",
        ),
        ([{"kind": "residual", "layers": [{"kind": "nope"}]}], r"Layer 1, layer 1 \(nope\)"),
    ],
)
def test_wrong_layers_are_named_by_place(layers: list[object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_layers(layers, shape=(3, 8, 8), classes=2)  # type: ignore[arg-type]


def test_a_seeded_net_leaves_the_global_generator_alone() -> None:
    layers = [{"kind": "flatten"}, {"kind": "dense", "units": "classes"}]
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    build_layers(layers, shape=(1, 4, 4), classes=2, seed=0)
    assert torch.equal(torch.rand(3), expected)
