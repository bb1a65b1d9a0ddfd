"""Heads of frozen backbones: raw concatenated features (image, feature) -> scores (image, class).

Standardisation (and a root, where one is wanted) is inside, so that a head takes what the backbones give.
All numbers a head learned are plain tensors of its state; `describe_head` says what to build and
`build_head` builds it, empty, so that a state dict can be loaded. `mindle.training.images.heads` fits these
in float64; they answer in float32.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mindle.models.nets.layers import Layer, build_layers

Numbers = NDArray[np.floating[Any]]


def two_logits(scores: Tensor) -> Tensor:
    """One score z of the second of two classes becomes the logits (0, z): softmax of these is sigmoid(z).

    Example:
        >>> two_logits(torch.tensor([[3.0]]))
        tensor([[0., 3.]])
    """
    return torch.cat([torch.zeros_like(scores), scores], dim=1) if scores.shape[1] == 1 else scores


# Keeps the slope of the root finite at 0, where most features of a ReLU are.
ROOT_FLOOR = 1e-6


def signed_root(x: Tensor) -> Tensor:
    """The square root that keeps the sign; near 0 it bends into a line, so that its slope stays finite.

    Example:
        >>> signed_root(torch.tensor([-4.0, 0.0, 9.0])).round(decimals=4).tolist()
        [-2.0, 0.0, 3.0]
    """
    return x / (x.abs() + ROOT_FLOOR).sqrt()


class Standardise(nn.Module):
    """(x - mean) / scale, feature by feature; a scale of 0 (a feature that never varied) counts as 1.

    Args:
        mean: Of each feature.
        scale: What each feature is divided by.
        root: Take `signed_root` of the features first.

    Example:
        >>> Standardise(np.array([1.0]), np.array([2.0]))(torch.tensor([[5.0]]))
        tensor([[2.]])
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Numbers, scale: Numbers, *, root: bool = False) -> None:
        super().__init__()
        self.root = root
        if np.ndim(mean) != 1 or np.shape(mean) != np.shape(scale):
            raise ValueError(
                "`mean` and `scale` must be vectors of one length. "
                f"Received {np.shape(mean)} and {np.shape(scale)}."
            )
        self.register_buffer("mean", _tensor(mean))
        self.register_buffer("scale", _tensor(np.where(np.asarray(scale) == 0, 1.0, scale)))

    @classmethod
    def identity(cls, features: int, *, root: bool = False) -> Standardise:
        """One that leaves so many features as they are, or takes their root alone."""
        return cls(np.zeros(features), np.ones(features), root=root)

    @property
    def features(self) -> int:
        """How many features it takes."""
        return int(self.mean.shape[0])

    def forward(self, x: Tensor) -> Tensor:
        """Standardise a batch."""
        return ((signed_root(x) if self.root else x) - self.mean) / self.scale


class LinearHead(nn.Module):
    """Scores = standardised features @ weightᵀ + bias: a logistic regression, or anything linear.

    Shapes: weight (class, feature), or (1, feature) for two classes; bias (class,).

    Example:
        >>> head = LinearHead(Standardise.identity(2), np.eye(2), np.zeros(2))
        >>> head(torch.tensor([[1.0, 2.0]])).tolist()
        [[1.0, 2.0]]
    """

    def __init__(self, standardise: Standardise, weight: Numbers, bias: Numbers) -> None:
        super().__init__()
        self.standardise = standardise
        _require("weight", weight, (None, standardise.features))
        _require("bias", bias, (np.shape(weight)[0],))
        # Parameters, unlike the other heads' numbers: fine-tuning may go on from a fitted probe.
        self.weight = nn.Parameter(_tensor(weight))
        self.bias = nn.Parameter(_tensor(bias))

    def forward(self, x: Tensor) -> Tensor:
        """Score a batch."""
        return two_logits(nn.functional.linear(self.standardise(x), self.weight, self.bias))


class KernelHead(nn.Module):
    """Support vectors with a Gaussian kernel, decisions, then a linear map to logits.

    kernel[i, s] = exp(-gamma |x_i - support_s|²); decisions = kernel @ coefficients + intercept;
    logits = decisions @ mappingᵀ + offset. The mapping is what calibration learns.

    There is one decision a pair of classes, or one a class.

    Shapes: support (vector, feature), standardised; coefficients (vector, pair); intercept (pair,);
    mapping (class, pair), or (1, pair); offset (class,). With one decision a class, "pair" reads "class".

    Source:
        Chang & Lin 2011, LIBSVM, sections 2.1 and 7, https://www.csie.ntu.edu.tw/~cjlin/papers/libsvm.pdf.

    Example:
        >>> head = KernelHead(Standardise.identity(1), np.zeros((1, 1)), 0.5, np.ones((1, 1)), np.zeros(1),
        ...                   np.array([[-1.0], [1.0]]), np.zeros(2))
        >>> head(torch.zeros(1, 1))
        tensor([[-1.,  1.]])
    """

    support: Tensor
    gamma: Tensor
    coefficients: Tensor
    intercept: Tensor
    mapping: Tensor
    offset: Tensor
    lengths: Tensor

    def __init__(
        self,
        standardise: Standardise,
        support: Numbers,
        gamma: float,
        coefficients: Numbers,
        intercept: Numbers,
        mapping: Numbers,
        offset: Numbers,
    ) -> None:
        super().__init__()
        self.standardise = standardise
        vectors, pairs, outputs = np.shape(support)[0], np.shape(coefficients)[-1], np.shape(mapping)[0]
        for name, numbers, shape in (
            ("support", support, (None, standardise.features)),
            ("gamma", np.asarray(gamma), ()),
            ("coefficients", coefficients, (vectors, pairs)),
            ("intercept", intercept, (pairs,)),
            ("mapping", mapping, (None, pairs)),
            ("offset", offset, (outputs,)),
        ):
            _require(name, numbers, shape)
            self.register_buffer(name, _tensor(numbers))
        self.register_buffer("lengths", torch.empty(0), persistent=False)
        self.register_load_state_dict_post_hook(lambda head, _: head._measure())  # type: ignore[no-untyped-call]
        self._measure()

    def _measure(self) -> None:
        """Store the squared lengths of the support vectors, or a graph would carry the vectors twice."""
        self.lengths = self.support.double().square().sum(1)  # (vector,)

    def forward(self, x: Tensor) -> Tensor:
        """Score a batch."""
        # Large coefficients of both signs cancel: in float32 that costs probabilities up to 1e-4, in float64
        # 1e-6, against which a backbone takes a hundred times the time. Apple's MPS knows no float64.
        wide = torch.float32 if x.device.type == "mps" else torch.float64
        x, support = self.standardise(x.to(wide)), self.support.to(wide)
        # |a - b|² = |a|² - 2ab + |b|² needs no (image, vector, feature) array; rounding may dip below zero.
        squares = x.square().sum(1, keepdim=True) + self.lengths.to(wide)
        distances = (squares - 2 * x @ support.T).clamp(min=0)  # (image, vector)
        kernel = torch.exp(-self.gamma * distances)
        decisions = kernel @ self.coefficients.to(wide) + self.intercept  # (image, pair)
        return two_logits(decisions @ self.mapping.to(wide).T + self.offset).float()


class NetHead(nn.Module):
    """Standardise, then a small net given as a list of layers.

    Example:
        >>> head = NetHead(Standardise.identity(4), [{"kind": "dense", "units": "classes"}], classes=3)
        >>> head(torch.zeros(2, 4)).shape
        torch.Size([2, 3])
    """

    def __init__(
        self, standardise: Standardise, layers: Sequence[Layer], *, classes: int, seed: int | None = None
    ) -> None:
        super().__init__()
        self.standardise = standardise
        self.layers = [dict(layer) for layer in layers]
        self.classes = classes
        self.net = build_layers(layers, shape=(standardise.features,), classes=classes, seed=seed)

    def forward(self, x: Tensor) -> Tensor:
        """Score a batch."""
        return two_logits(self.net(self.standardise(x)))


class BlendHead(nn.Module):
    """The weighted mean of several heads' log-probabilities; each may look at a part of the features only.

    Args:
        heads: Heads with the same classes.
        weights: One a head, all of one sign; they are divided by their sum.
        columns: (start, stop) of the features each head takes; without it, all.

    Source:
        The logarithmic opinion pool: Genest & Zidek 1986, https://doi.org/10.1214/ss/1177013825, eq. 3.7.

    Example:
        >>> one = LinearHead(Standardise.identity(1), np.array([[0.0], [1.0]]), np.zeros(2))
        >>> blend = BlendHead([one, one], np.array([1.0, 3.0]), columns=[(0, 1), (1, 2)])
        >>> torch.softmax(blend(torch.zeros(1, 2)), 1).tolist()
        [[0.5, 0.5]]
    """

    weights: Tensor

    def __init__(
        self,
        heads: Sequence[nn.Module],
        weights: Numbers,
        *,
        columns: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        super().__init__()
        _require("weights", weights, (len(heads),))
        if not len(heads) or np.min(weights) < 0 or np.sum(weights) <= 0:
            raise ValueError(
                f"`weights` must be 0 or more, not all 0. Received {np.asarray(weights).tolist()}."
            )
        if columns is not None and len(columns) != len(heads):
            raise ValueError(f"`columns` must have {len(heads)} pairs, one a head. Received {len(columns)}.")
        self.heads = nn.ModuleList(heads)
        self.columns = None if columns is None else [(int(start), int(stop)) for start, stop in columns]
        self.register_buffer("weights", _tensor(np.asarray(weights) / np.sum(weights)))

    def forward(self, x: Tensor) -> Tensor:
        """Blend the heads' answers."""
        answers: list[Tensor] = []
        for index, head in enumerate(self.heads):
            taken = x if self.columns is None else x[:, slice(*self.columns[index])]
            answers.append(self.weights[index] * torch.log_softmax(head(taken), dim=1))
        return torch.stack(answers).sum(0)


class MeanHead(nn.Module):
    """The mean of several heads' scores, which are numbers to estimate rather than classes.

    Example:
        >>> one = LinearHead(Standardise.identity(1), np.ones((3, 1)), np.zeros(3))
        >>> two = LinearHead(Standardise.identity(1), 3 * np.ones((3, 1)), np.zeros(3))
        >>> MeanHead([one, two])(torch.ones(1, 1)).tolist()
        [[2.0, 2.0, 2.0]]
    """

    def __init__(self, heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.heads = nn.ModuleList(heads)

    def forward(self, x: Tensor) -> Tensor:
        """Average the heads' scores."""
        return torch.stack([head(x) for head in self.heads]).mean(0)


class ScaledHead(nn.Module):
    """Another head's scores, those of each class multiplied and shifted by numbers of its own.

    Shapes: factors, offsets (class,).

    Source:
        Vector scaling: Guo et al. 2017, section 4.2, https://arxiv.org/abs/1706.04599.

    Example:
        >>> one = LinearHead(Standardise.identity(2), np.eye(2), np.zeros(2))
        >>> ScaledHead(one, np.array([1.0, 2.0]), np.array([0.0, 0.5]))(torch.ones(1, 2)).tolist()
        [[1.0, 2.5]]
    """

    factors: Tensor
    offsets: Tensor

    def __init__(self, head: nn.Module, factors: Numbers, offsets: Numbers) -> None:
        super().__init__()
        _require("factors", factors, (None,))
        _require("offsets", offsets, np.shape(factors))
        self.scaled = head
        self.register_buffer("factors", _tensor(factors))
        self.register_buffer("offsets", _tensor(offsets))

    def forward(self, x: Tensor) -> Tensor:
        """Scale the head's scores."""
        scores: Tensor = self.scaled(x)
        return scores * self.factors + self.offsets


Head = LinearHead | KernelHead | NetHead | BlendHead | MeanHead | ScaledHead


def describe_head(head: nn.Module) -> dict[str, Any]:
    """What `build_head` needs, as plain data.

    Example:
        >>> describe_head(LinearHead(Standardise.identity(2), np.eye(2), np.zeros(2)))
        {'kind': 'linear', 'outputs': 2, 'features': 2, 'root': False}
    """
    if isinstance(head, BlendHead):
        parts = [describe_head(part) for part in head.heads]
        columns = None if head.columns is None else [list(pair) for pair in head.columns]
        return {"kind": "blend", "heads": parts, "columns": columns}
    if isinstance(head, ScaledHead):
        return {"kind": "scaled", "head": describe_head(head.scaled), "outputs": len(head.factors)}
    if isinstance(head, MeanHead):
        return {"kind": "mean", "heads": [describe_head(part) for part in head.heads]}
    if isinstance(head, LinearHead):
        described = {"kind": "linear", "outputs": head.weight.shape[0]}
    elif isinstance(head, KernelHead):
        described = {
            "kind": "kernel",
            "vectors": head.support.shape[0],
            "pairs": head.mapping.shape[1],
            "outputs": head.mapping.shape[0],
        }
    elif isinstance(head, NetHead):
        described = {"kind": "net", "classes": head.classes, "layers": head.layers}
    else:
        raise TypeError(
            f"`head` must be one of the heads of mindle.models.heads. Received {type(head).__name__}."
        )
    return described | {"features": head.standardise.features, "root": head.standardise.root}


def build_head(description: Mapping[str, Any]) -> Head:
    """The head that `describe_head` described, with placeholder numbers, ready for a state dict.

    Raises:
        ValueError: If the kind of head is unknown.

    Example:
        >>> build_head({"kind": "linear", "features": 4, "outputs": 3})(torch.zeros(1, 4)).shape
        torch.Size([1, 3])
    """
    kind = description.get("kind")
    if kind == "blend":
        heads = [build_head(part) for part in description["heads"]]
        return BlendHead(heads, np.ones(len(heads)), columns=description["columns"])
    if kind == "mean":
        return MeanHead([build_head(part) for part in description["heads"]])
    if kind == "scaled":
        outputs = description["outputs"]
        return ScaledHead(build_head(description["head"]), np.ones(outputs), np.zeros(outputs))
    if kind not in ("linear", "kernel", "net"):
        raise ValueError(
            f"a head's `kind` must be linear, kernel, net, blend, mean or scaled. Received {kind!r}."
        )
    features = description["features"]
    standardise = Standardise.identity(features, root=description.get("root", False))
    if kind == "net":
        return NetHead(standardise, description["layers"], classes=description["classes"])
    outputs, zeros = description["outputs"], np.zeros
    if kind == "linear":
        return LinearHead(standardise, zeros((outputs, features)), zeros(outputs))
    vectors, pairs = description["vectors"], description["pairs"]
    support, coefficients = zeros((vectors, features)), zeros((vectors, pairs))
    mapping, offset = zeros((outputs, pairs)), zeros(outputs)
    return KernelHead(standardise, support, 0.0, coefficients, zeros(pairs), mapping, offset)


def _tensor(numbers: Numbers) -> Tensor:
    return torch.from_numpy(np.array(numbers, dtype=np.float32, order="C"))


def _require(name: str, array: Numbers, shape: tuple[int | None, ...]) -> None:
    found = np.shape(array)
    if len(found) != len(shape) or any(
        want not in (None, got) for want, got in zip(shape, found, strict=False)
    ):
        wanted = ", ".join("any" if side is None else str(side) for side in shape)
        raise ValueError(f"`{name}` must have the shape ({wanted}). Received {found}.")
