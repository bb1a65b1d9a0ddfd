"""Backbones: cut, pooled, frozen and loaded as their cards say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from mindle.errors import ModelError
from mindle.models.pretrained.backbone import Backbone, build_backbone
from mindle.models.pretrained.cards import WeightCard, hash_file
from mindle.models.pretrained.weights import find_weights, random_card
from mindle.records import InputSpec

SMALL = InputSpec(height=64, width=96)


def small(model: str = "resnet10t", **changes: object) -> WeightCard:
    return replace(random_card(model), spec=SMALL, **changes)  # type: ignore[arg-type]


def image(seed: int = 0, height: int = 64, width: int = 96) -> torch.Tensor:
    return torch.randn(2, 3, height, width, generator=torch.Generator().manual_seed(seed))


def norms(net: nn.Module) -> list[nn.Module]:
    return [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]


def test_pooling_is_taken_from_the_map() -> None:
    torch.manual_seed(0)
    net = build_backbone(small(), pooling="none")
    with torch.no_grad():
        maps = net(image())
        assert maps.shape == (2, 512, 2, 3)
        pooled = {
            pooling: Backbone(net.net, net.card, pooling=pooling, head=False).eval()(image())
            for pooling in ("avg", "max", "both")
        }
    torch.testing.assert_close(pooled["avg"], maps.mean((2, 3)))
    torch.testing.assert_close(pooled["max"], maps.amax((2, 3)))
    torch.testing.assert_close(pooled["both"], torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1))


def test_a_transformers_patches_become_a_map_in_place() -> None:
    net = build_backbone(replace(random_card("vit_tiny_patch16_224"), spec=SMALL), pooling="none")
    with torch.no_grad():
        maps = net(image())
        tokens = net.net.forward_features(image())  # type: ignore[operator]
    assert maps.shape == (2, 192, 4, 6)
    torch.testing.assert_close(maps[:, :, 1, 2], tokens[:, 1 + 1 * 6 + 2])


def test_channels_last_networks_give_channels_first_maps() -> None:
    card = random_card("test_efficientnet")
    assert build_backbone(card, pooling="none").output_shape()[1:] == (5, 5)
    swin = build_backbone(random_card("swin_tiny_patch4_window7_224"), pooling="none")
    assert swin.output_shape() == (768, 7, 7)


def test_vgg_loses_its_dense_layers() -> None:
    net = build_backbone(replace(random_card("vgg11"), spec=InputSpec(height=64, width=64)), pooling="none")
    assert sum(p.numel() for p in net.parameters()) == 9_220_480
    assert net.output_shape() == (512, 2, 2)


def test_groups_hold_every_parameter_once_and_end_with_weights() -> None:
    for model in ("resnet10t", "densenet121", "convnext_atto", "tf_efficientnet_lite0"):
        net = build_backbone(small(model))
        groups = net.groups()
        assert len(groups) >= 5
        assert sorted(id(p) for g in groups for p in g) == sorted(id(p) for p in net.parameters())
        assert all(any(p.ndim > 1 for p in group) for group in groups)
    squeezenet = build_backbone(
        replace(random_card("resnet18"), library="torchvision", model="squeezenet1_1")
    )
    assert len(squeezenet.groups()) == 9


def test_only_the_last_stages_thaw() -> None:
    net = build_backbone(small())
    for last, thawed in ((0, 0), (2, 2), (99, 5), ("all", 5)):
        net.set_trainable(last)  # type: ignore[arg-type]
        flags = [all(p.requires_grad for p in group) for group in net.groups()]
        assert sum(flags) == thawed
        assert flags == sorted(flags)
    for wrong in (-1, True, "most"):
        with pytest.raises(ValueError, match="`last` must be"):
            net.set_trainable(wrong)  # type: ignore[arg-type]


def test_frozen_batch_norms_keep_their_statistics_in_training() -> None:
    net = build_backbone(small())
    net.set_trainable(1)
    net.train()
    before = {name: value.clone() for name, value in net.state_dict().items() if "running" in name}
    net(image())
    after = net.state_dict()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert changed
    assert all(name.startswith("net.layer4.") for name in changed)


def test_folded_batch_norms_never_train() -> None:
    net = build_backbone(small(batch_norm="folded"))
    net.train()
    assert net.training
    assert not any(module.training for module in norms(net))
    state = {name: value.clone() for name, value in net.state_dict().items()}
    net(image()).sum().backward()
    assert all(torch.equal(value, state[name]) for name, value in net.state_dict().items())


def test_a_wholly_frozen_backbone_stays_in_eval_mode() -> None:
    net = build_backbone(small())
    net.set_trainable(0)
    holder = nn.Sequential(net)
    holder.train()
    assert holder.training
    assert not any(module.training for module in net.modules())


def test_identities_are_put_in_place() -> None:
    card = small("mobilenet_edgetpu_100", identity=("blocks.0.0.bn1.act",))
    block = build_backbone(card).net.get_submodule("blocks.0.0.bn1")
    assert isinstance(block.act, nn.Identity)
    with pytest.raises(ModelError, match="must name modules of resnet10t. Received 'nope.bn1'"):
        build_backbone(small(identity=("nope.bn1",)))


def weighted(folder: Path, state: dict[str, torch.Tensor], **changes: object) -> WeightCard:
    path = folder / "weights.safetensors"
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    return small(path=path, sha256=hash_file(path), head=True, **changes)


def test_weights_come_back_with_and_without_the_top(tmp_path: Path) -> None:
    torch.manual_seed(1)
    whole = build_backbone(small(), head=True)
    half = {name: t.half() if t.is_floating_point() else t for name, t in whole.net.state_dict().items()}
    card = weighted(tmp_path, half)
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    again = build_backbone(card, head=True)
    assert torch.equal(torch.rand(1), expected)  # loading draws nothing
    assert again(image()).shape == (2, 1000)
    torch.testing.assert_close(again(image()), whole(image()), rtol=0.02, atol=0.02)
    assert build_backbone(card)(image()).shape == (2, 512)


def test_weights_that_do_not_fit_are_refused_with_names(tmp_path: Path) -> None:
    state = dict(build_backbone(small(), head=True).net.state_dict())
    with pytest.raises(ModelError, match=r"has tensors that are not in timm's resnet10t: odd \(1 in all\)"):
        build_backbone(weighted(tmp_path, state | {"odd": torch.zeros(1)}))
    short = {name: tensor for name, tensor in state.items() if not name.startswith("layer4")}
    with pytest.raises(ModelError, match=r"lacks tensors of timm's resnet10t: layer4.*… \("):
        build_backbone(weighted(tmp_path, short))
    narrow = state | {"layer4.0.conv1.weight": torch.zeros(1)}
    with pytest.raises(ModelError, match="does not fit timm's resnet10t"):
        build_backbone(weighted(tmp_path, narrow))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"arguments": {"depht": 3}}, "timm cannot build 'resnet10t'"),
        ({"model": "resnet10tt"}, "timm cannot build 'resnet10tt'"),
        ({"model": "resnet18", "library": "torchvision"}, "keeps no `features`"),
        ({"model": "resnet181", "library": "torchvision"}, "torchvision cannot build 'resnet181'"),
    ],
)
def test_networks_that_cannot_be_built(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        build_backbone(replace(small(), **changes))  # type: ignore[arg-type]


def test_a_top_that_was_not_published_is_refused(tmp_path: Path) -> None:
    card = replace(weighted(tmp_path, {"x": torch.zeros(1)}), head=False)
    with pytest.raises(ModelError, match="published without its ImageNet classifier"):
        build_backbone(card, head=True)


def test_pooling_has_four_names() -> None:
    with pytest.raises(ValueError, match="`pooling` must be one of none, avg, max, both"):
        build_backbone(small(), pooling="mean")


@pytest.mark.shared
def test_every_public_file_gives_its_width(shared: Path) -> None:
    for card in find_weights(shared / "weights"):
        if card.origin == "--weights":
            net = build_backbone(card)
            assert net.output_shape() == (card.features,), card.name
            assert isinstance(net.train(), Backbone)
            folded = json.loads(card.path.with_suffix(".json").read_text())["batch_norm"] == "folded"  # type: ignore[union-attr]
            assert not (folded and any(module.training for module in norms(net)))


@pytest.mark.shared
def test_they_know_a_daisy_when_they_see_one(shared: Path) -> None:
    from PIL import Image

    from mindle.models.classifier import imagenet_classifier

    files = sorted((shared / "data" / "flowers5" / "val" / "daisy").iterdir())[:8]
    pixels = torch.from_numpy(
        np.stack([np.asarray(Image.open(f).convert("RGB").resize((224, 224))) for f in files])
    )
    for card in find_weights(shared / "weights"):
        if card.origin == "--weights" and card.head:
            net = imagenet_classifier(card)
            with torch.no_grad():
                names = [net.classes[i] for i in net(pixels).argmax(1)]
            assert names.count("daisy") >= 5, (card.name, names)
