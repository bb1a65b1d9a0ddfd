"""Pretrained networks without their top: normalised images in, features out.

Any network of timm by its name, and those of torchvision that keep their map in `features`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mindle.errors import ModelError
from mindle.models.nets.layers import GlobalPool
from mindle.models.pretrained.cards import POOLINGS, WeightCard
from mindle.models.pretrained.torchvision_shim import import_timm, import_torchvision
from mindle.models.pretrained.weights import read_weights

Norms = (nn.modules.batchnorm._BatchNorm,)  # every batch norm of torch, and timm's, derive from it


class Backbone(nn.Module):
    """A network, cut where `pooling` or `head` say.

    What comes out of (image, 3, height, width), normalised as the card says:

    - `head`: the scores of the ImageNet classes.
    - "none": the last map (image, channel, height, width); a transformer's patches, laid out as a map.
    - "avg": features (image, feature) as the network itself pools them: the mean of the map in nearly
      all, the class token in transformers that were trained with one.
    - "max": the maximum of each channel of the map.
    - "both": the mean and the maximum of each channel, side by side.

    Batch norms without statistics (a card's "folded") stay in eval mode for good, and frozen
    ones do too: in train mode they would rescale every channel by what the batch happens to hold.
    """

    def __init__(self, net: nn.Module, card: WeightCard, *, pooling: str, head: bool) -> None:
        super().__init__()
        self.net = net
        self.card = card
        self.pooling = pooling
        self.pool = nn.Identity() if pooling == "none" else GlobalPool(pooling)
        self.head = head

    def forward(self, x: Tensor) -> Tensor:
        """Run the network."""
        output: Tensor
        if self.head:
            output = self.net(x)
        elif self.card.library == "torchvision":
            output = self.pool(self.net.get_submodule("features")(x))
        elif self.pooling == "avg":
            output = self._call("forward_head", self._call("forward_features", x), pre_logits=True)
        else:
            output = self.pool(self._as_map(self._call("forward_features", x)))
        return output

    def _call(self, method: str, x: Tensor, **options: Any) -> Tensor:
        answer: Tensor = getattr(self.net, method)(x, **options)
        return answer

    def _as_map(self, x: Tensor) -> Tensor:
        if x.ndim == 3:  # (image, token, channel), class and register tokens first
            patches = x[:, getattr(self.net, "num_prefix_tokens", 0) :]
            height, width = self._grid(patches.shape[1])
            return patches.transpose(1, 2).reshape(-1, x.shape[2], height, width)
        if getattr(self.net, "output_fmt", "NCHW") == "NHWC":
            return x.permute(0, 3, 1, 2)
        return x

    def _grid(self, tokens: int) -> tuple[int, int]:
        """Rows and columns of patches: as many as the tokens, in the proportion of the input."""
        height, width = self.card.spec.height, self.card.spec.width
        rows = round((tokens * height / width) ** 0.5)
        return rows, tokens // rows

    def train(self, mode: bool = True) -> Backbone:
        """Switch to training, except for what must not: folded and frozen batch norms, and a frozen whole."""
        super().train(mode)
        if mode and not any(p.requires_grad for p in self.parameters()):
            super().train(False)
        for module in self.modules():
            if isinstance(module, Norms) and (self.card.batch_norm == "folded" or _frozen(module)):
                module.eval()
        return self

    def groups(self) -> list[list[nn.Parameter]]:
        """Parameters by stage, from the input on, for layer-wise rates and for thawing the last few.

        timm says which parameters make a stage; elsewhere every top-level part is one. A lone norm counts
        to the stage before it.
        """
        parameters = dict(self.net.named_parameters())
        groups: list[list[nn.Parameter]] = []
        for names in _stages(self.net):
            stage = [parameters[name] for name in names]
            if groups and all(p.ndim == 1 for p in stage):
                groups[-1] += stage
            else:
                groups.append(stage)
        return groups

    def set_trainable(self, last: int | Literal["all"]) -> None:
        """Freeze everything but the last stages.

        Args:
            last: How many stages of `groups()` learn: "all", or a number, 0 for none.

        Raises:
            ValueError: If `last` is neither.
        """
        groups = self.groups()
        if last != "all" and (isinstance(last, bool) or not isinstance(last, int) or last < 0):
            raise ValueError(f'`last` must be "all" or 0 to {len(groups)} stages. Received last={last!r}.')
        thawed = len(groups) if last == "all" else min(last, len(groups))
        for index, group in enumerate(groups):
            for parameter in group:
                parameter.requires_grad_(index >= len(groups) - thawed)
        self.train(self.training)

    def output_shape(self) -> tuple[int, ...]:
        """Shape of one image's output, found by a forward pass of one black image."""
        height, width = self.card.spec.height, self.card.spec.width
        training = self.training
        self.eval()
        with torch.no_grad():
            shape = self(torch.zeros(1, 3, height, width)).shape
        self.train(training)
        return tuple(shape[1:])


def build_backbone(card: WeightCard, *, pooling: str = "avg", head: bool = False) -> Backbone:
    """Build a network and load its weights, in eval mode.

    Args:
        card: From `find_weights` or `resolve`; one without a path gives random weights.
        pooling: "none", "avg", "max" or "both"; see `Backbone`.
        head: Keep the ImageNet classifier; `pooling` then means nothing.

    Raises:
        ValueError: If `pooling` is none of these.
        ModelError: If the network cannot be built as the card says, or the weights do not fit it.

    Example:
        >>> from mindle.models.pretrained.weights import random_card
        >>> net = build_backbone(random_card("resnet18"), pooling="both")
        >>> net(torch.zeros(1, 3, 64, 64)).shape
        torch.Size([1, 1024])
    """
    if pooling not in POOLINGS:
        raise ValueError(f"`pooling` must be one of {', '.join(POOLINGS)}. Received pooling={pooling!r}.")
    if head and card.path is not None and not card.head:
        raise ModelError(
            f"{card.name} was published without its ImageNet classifier, so it cannot name what it sees. "
            "Train on its features, or choose a model with `head: true` in its card."
        )
    # Fresh weights that are overwritten at once must not shift the numbers a seeded run draws later.
    with torch.random.fork_rng(devices=[], enabled=card.path is not None):
        net = _create(card)
    for name in card.identity:
        _make_identity(net, name, card)
    whole = set(net.state_dict())
    if not head:
        _cut_top(net, card)
    backbone = Backbone(net, card, pooling=pooling, head=head)
    if card.path is not None:
        _load(net, whole, read_weights(card), card)
    return backbone.eval()


def _create(card: WeightCard) -> nn.Module:
    arguments = dict(card.arguments)
    try:
        if card.library == "torchvision":
            import_torchvision()
            from torchvision import models

            net: nn.Module = models.get_model(card.model, weights=None, **arguments)
            return net
        timm = import_timm()
        default = timm.get_pretrained_cfg(card.model)
        size = (card.spec.height, card.spec.width)
        if default is not None and default.fixed_input_size and size != tuple(default.input_size[1:]):
            # Transformers have one position a patch; this lets them interpolate theirs to another size.
            arguments.setdefault("dynamic_img_size", True)
        created: nn.Module = timm.create_model(card.model, pretrained=False, **arguments)
        return created
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        raise ModelError(
            f"{card.library} cannot build {card.model!r} with {arguments or 'its defaults'}: {error}. "
            "Check `model` and `arguments` in its card."
        ) from error


def _make_identity(net: nn.Module, name: str, card: WeightCard) -> None:
    parent, _, child = name.rpartition(".")
    try:
        net.get_submodule(name)
        setattr(net.get_submodule(parent), child, nn.Identity())
    except AttributeError as error:
        raise ModelError(
            f"`identity` in the card {card.name} must name modules of {card.model}. Received {name!r}."
        ) from error


def _cut_top(net: nn.Module, card: WeightCard) -> None:
    if card.library == "torchvision":
        if not isinstance(getattr(net, "features", None), nn.Module):
            raise ModelError(
                f"torchvision's {card.model} keeps no `features` and cannot be used without its top. "
                "Take the same network from timm."
            )
        for name, _ in list(net.named_children()):
            if name != "features":
                setattr(net, name, nn.Identity())
        return
    reset = getattr(net, "reset_classifier", None)
    if reset is None:
        raise ModelError(f"timm's {card.model} cannot be cut before its top. Choose another model.")
    reset(0)
    if any(True for _ in net.children()) and isinstance(getattr(net, "pre_logits", None), nn.Module):
        # VGG's two dense layers of 4,096 belong to its top, as include_top=False of Keras has it.
        net.pre_logits = nn.Identity()


def _load(net: nn.Module, whole: set[str], tensors: Mapping[str, Tensor], card: WeightCard) -> None:
    """Load strictly: every tensor belongs to the network, and nothing of it (counters aside) is missing."""
    wanted = set(net.state_dict())
    strange = sorted(set(tensors) - whole - wanted)
    missing = sorted(name for name in wanted - set(tensors) if not name.endswith("num_batches_tracked"))
    for what, names in (("has tensors that are not in", strange), ("lacks tensors of", missing)):
        if names:
            raise ModelError(
                f"The weight file {card.path} {what} {card.library}'s {card.model}: {', '.join(names[:3])}"
                f"{' …' if len(names) > 3 else ''} ({len(names)} in all). "
                "Check `model` in its card, or --model."
            )
    state = {
        name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()
    }
    try:
        net.load_state_dict({name: state[name] for name in wanted & set(state)}, strict=False)
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise ModelError(
            f"The weight file {card.path} does not fit {card.library}'s {card.model}: {reason}. "
            "Check `arguments` in its card."
        ) from error


def _frozen(module: nn.Module) -> bool:
    parameters = list(module.parameters(recurse=False))
    return bool(parameters) and not any(p.requires_grad for p in parameters)


def _stages(net: nn.Module) -> list[list[str]]:
    names = [name for name, _ in net.named_parameters()]
    matcher = getattr(net, "group_matcher", None)
    if matcher is not None:
        from timm.models import group_parameters

        found = group_parameters(net, matcher(coarse=True))
        staged = [list(found[stage]) for stage in sorted(found)]
        if sorted(name for stage in staged for name in stage) == sorted(names):
            return staged
    depth = 2 if all(name.startswith("features.") for name in names) else 1
    parts: dict[str, list[str]] = {}
    for name in names:
        parts.setdefault(".".join(name.split(".")[:depth]), []).append(name)
    return list(parts.values())
