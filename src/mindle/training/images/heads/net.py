"""One small hidden layer with dropout, on the strongest 256 directions."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mindle.models.heads import Head, NetHead
from mindle.training.images.heads.candidates import ClassCandidate, ClassHeadData, Pace
from mindle.training.images.heads.features import MOST_DIRECTIONS, ConcatFeatures, Floats, Ints
from mindle.training.loop.batches import draw
from mindle.training.loop.objectives import focal_loss
from mindle.training.loop.optimizer import Optimizer, rate_factor
from mindle.training.settings import ProbeSettings, TrainSettings

MOST_INPUTS, BATCH, STEPS = 256, 64, 1500
TIMED_STEPS = 5


def fit_net(
    data: ClassHeadData, features: ConcatFeatures, settings: ProbeSettings, *, search: bool = True
) -> ClassCandidate:
    """One hidden layer with dropout on the strongest directions; all folds are trained at once."""
    folds, directions = np.unique(data.folds), features.directions
    z = directions.z[:, :MOST_INPUTS]
    stretch = float(1 / max(np.sqrt(np.mean(z**2)), 1e-12))  # to a mean square of 1
    nets = Nets(torch.from_numpy(z * stretch).float(), data, settings, features.seed)
    trained = nets.train([np.flatnonzero(data.row_folds != fold) for fold in folds])
    scores = np.empty((len(data), data.classes))
    for number, fold in enumerate(folds):
        out = np.flatnonzero(data.folds == fold)
        scores[out] = _scores([tensor[number] for tensor in trained], nets.z[out])

    def build(temperature: float) -> Head:
        first, first_bias, last, last_bias = nets.train([np.arange(data.rows)])
        layers: list[dict[str, Any]] = [
            {"kind": "dense", "units": settings.net_units, "activation": "relu"},
            {"kind": "dropout", "rate": settings.net_dropout},
            {"kind": "dense", "units": "classes"},
        ]
        head = NetHead(features.standardise(), layers, classes=data.classes, seed=features.seed)
        hidden, output = [module for module in head.modules() if isinstance(module, nn.Linear)]
        turn = torch.from_numpy(directions.turn[:, : z.shape[1]] * stretch).float()  # (feature, direction)
        with torch.no_grad():
            hidden.weight.copy_((turn @ first[0]).T)
            hidden.bias.copy_(first_bias[0, 0])
            output.weight.copy_(last[0].T / temperature)
            output.bias.copy_(last_bias[0, 0] / temperature)
        return head.eval()

    return data.candidate("net", scores, build)


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside the `with` block PyTorch uses one thread.

    Small products are slower on several, and very much so where other programs run too.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@dataclass(frozen=True)
class Nets:
    """Nets of one shape, trained on different rows in the same matrix products.

    Attributes:
        z: Strongest directions, stretched to a mean square of 1, (row, direction).
        data: Labels and what they count.
        settings: `net_units` and `net_dropout`.
        seed: Of weights, batches and dropout.
    """

    z: Tensor
    data: ClassHeadData
    settings: ProbeSettings
    seed: int

    @property
    def steps(self) -> int:
        """Of a training."""
        return min(STEPS, max(100, 40 * self.data.rows // BATCH))

    @one_thread()
    def train(self, learned: Sequence[Ints], *, steps: int | None = None) -> list[Tensor]:
        """One net for each set of rows: weights (net, in, unit), (net, unit, class), a bias after each."""
        count, width, units = len(learned), self.z.shape[1], self.settings.net_units
        dropout, classes, steps = self.settings.net_dropout, self.data.classes, steps or self.steps
        generator = torch.Generator().manual_seed(draw(self.seed, count, width))
        labels = torch.from_numpy(self.data.row_truth)
        rows = [torch.from_numpy(some) for some in learned]
        nets = [
            torch.randn(count, width, units, generator=generator) * (2 / width) ** 0.5,
            torch.zeros(count, 1, units),
            torch.randn(count, units, classes, generator=generator) * units**-0.5,
            torch.zeros(count, 1, classes),
        ]
        flat = torch.cat([tensor.flatten() for tensor in nets])  # one update for all of them
        flat.grad = torch.empty_like(flat)
        nets, slopes = _parts(flat, nets), _parts(flat.grad, nets)
        first, first_bias, last, last_bias = nets
        settings = TrainSettings(learning_rate=2e-3, warmup_fraction=0.0, min_lr_ratio=0.0)
        optimizer = Optimizer([{"params": [flat], "weight_decay": 0.05}], settings)
        for step in range(steps):
            factor = rate_factor(settings, step=step, steps=steps + 1, steps_per_epoch=steps)
            optimizer.param_groups[0]["lr"] = factor * settings.learning_rate
            picks = torch.stack(
                [some[torch.randint(len(some), (BATCH,), generator=generator)] for some in rows]
            )
            x = self.z[picks]  # (net, row, direction)
            hidden = torch.baddbmm(first_bias, x, first)  # (net, row, unit)
            alive = torch.rand(hidden.shape, generator=generator) >= dropout
            gate = alive.logical_and_(hidden > 0) / (1 - dropout)
            hidden *= gate
            logits = torch.baddbmm(last_bias, hidden, last).requires_grad_()  # (net, row, class)
            loss = _loss(logits.flatten(0, 1), labels[picks].flatten(), self.data)
            # Two products a layer written out cost less than what records them.
            (slope,) = torch.autograd.grad(loss * count, logits)
            back = (slope @ last.mT).mul_(gate)
            torch.bmm(x.mT, back, out=slopes[0])
            torch.sum(back, 1, keepdim=True, out=slopes[1])
            torch.bmm(hidden.mT, slope, out=slopes[2])
            torch.sum(slope, 1, keepdim=True, out=slopes[3])
            optimizer.step()
        return nets


def _parts(flat: Tensor, like: Sequence[Tensor]) -> list[Tensor]:
    """Views of one vector in the shapes of some tensors."""
    pieces = torch.split(flat, [tensor.numel() for tensor in like])
    return [piece.view(tensor.shape) for piece, tensor in zip(pieces, like, strict=True)]


def net_seconds(data: ClassHeadData, width: int, settings: ProbeSettings, pace: Pace) -> float:
    """About what `fit_net` and its build take: a few of its steps, and turning the features."""
    directions = min(data.rows, width, MOST_DIRECTIONS)
    nets = Nets(torch.zeros(data.rows, min(directions, MOST_INPUTS)), data, settings, seed=0)
    learned = [np.flatnonzero(data.row_folds != fold) for fold in np.unique(data.folds)]
    nets.train(learned, steps=1)  # the first step pays for what the others find
    began = time.perf_counter()
    nets.train(learned, steps=TIMED_STEPS)
    seconds = (time.perf_counter() - began) / TIMED_STEPS
    return seconds * nets.steps * (1 + 1 / len(learned)) + 12.0 * float(directions) ** 3 * pace.flop_seconds


def _loss(logits: Tensor, labels: Tensor, data: ClassHeadData) -> Tensor:
    """Smoothed cross-entropy of (row, class); classes count as the data say."""
    weights = None if data.weights is None else torch.from_numpy(data.weights).float()
    if not data.focal:
        return nn.functional.cross_entropy(logits, labels, weights, label_smoothing=0.1)
    soft = nn.functional.one_hot(labels, data.classes).float().lerp(torch.tensor(1 / data.classes), 0.1)
    return focal_loss(logits, soft, data.focal, weights)


def _scores(net: Sequence[Tensor], z: Tensor) -> Floats:
    first, first_bias, last, last_bias = net
    hidden = torch.relu(z @ first + first_bias)
    return np.asarray((hidden @ last + last_bias).double().numpy())
