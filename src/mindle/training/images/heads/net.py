"""One small hidden layer with dropout, on the strongest 256 directions."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mindle.models.heads import Head, NetHead
from mindle.training.images.heads.candidates import ClassCandidate
from mindle.training.images.heads.data import ClassHeadData, ConcatFeatures, Directions, Floats
from mindle.training.loop.batches import draw
from mindle.training.loop.objectives import focal_loss

MOST_INPUTS, UNITS, BATCH, STEPS, DROPOUT = 256, 64, 64, 1500, 0.5
TIMED_STEPS = 5


def fit_net(
    data: ClassHeadData,
    features: ConcatFeatures,
    *,
    seed: int = 0,
    units: int = UNITS,
    dropout: float = DROPOUT,
) -> ClassCandidate:
    """One hidden layer with dropout on the strongest directions; all folds are trained at once."""
    folds, directions = np.unique(data.folds), features.directions
    kept = [np.flatnonzero(data.row_folds != fold) for fold in folds]
    z, stretch = _net_inputs(directions)
    nets = _train_nets(z, data, kept, seed, units, dropout)
    scores = np.empty((len(data), data.classes))
    for number, fold in enumerate(folds):
        out = np.flatnonzero(data.folds == fold)
        scores[out] = _net_answers(nets, number, z[out])

    def build(temperature: float) -> Head:
        whole = [np.arange(data.rows)]
        first, first_bias, last, last_bias = _train_nets(z, data, whole, seed, units, dropout)
        layers: list[dict[str, Any]] = [
            {"kind": "dense", "units": units, "activation": "relu"},
            {"kind": "dropout", "rate": dropout},
            {"kind": "dense", "units": "classes"},
        ]
        head = NetHead(features.mean, features.scale, layers, classes=data.classes, seed=seed, root=True)
        hidden, output = [module for module in head.modules() if isinstance(module, nn.Linear)]
        turn = torch.from_numpy(directions.turn[:, : z.shape[1]] * stretch).float()  # (feature, direction)
        with torch.no_grad():
            hidden.weight.copy_((turn @ first[0]).T)
            hidden.bias.copy_(first_bias[0, 0])
            output.weight.copy_(last[0].T / temperature)
            output.bias.copy_(last_bias[0, 0] / temperature)
        return head.eval()

    return ClassCandidate.of("net", scores, data.truth, build)


Nets = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def _net_inputs(directions: Directions) -> tuple[torch.Tensor, float]:
    """The strongest directions (row, direction), stretched to a mean square of 1, and by how much."""
    z = directions.z[:, :MOST_INPUTS]
    stretch = float(1 / max(np.sqrt(np.mean(z**2)), 1e-12))
    return torch.from_numpy(z * stretch).float(), stretch


def _train_nets(
    z: torch.Tensor,
    data: ClassHeadData,
    kept: Sequence[NDArray[np.int64]],
    seed: int,
    units: int,
    dropout: float,
    *,
    steps: int | None = None,
) -> Nets:
    """Train one net a part, all in the same matrix products: (part, in, unit), (part, unit, class)."""
    threads = torch.get_num_threads()
    # Products this small are slower on several threads, and very much so where other programs run too.
    torch.set_num_threads(1)
    try:
        return _trained_nets(z, data, kept, seed, units, dropout, steps or _net_steps(data))
    finally:
        torch.set_num_threads(threads)


def _trained_nets(
    z: torch.Tensor,
    data: ClassHeadData,
    kept: Sequence[NDArray[np.int64]],
    seed: int,
    units: int,
    dropout: float,
    steps: int,
) -> Nets:
    parts, width = len(kept), z.shape[1]
    generator = torch.Generator().manual_seed(draw(seed, parts, width))
    labels = torch.from_numpy(data.row_truth)
    rows = [torch.from_numpy(part) for part in kept]
    nets = (
        torch.randn(parts, width, units, generator=generator) * (2 / width) ** 0.5,
        torch.zeros(parts, 1, units),
        torch.randn(parts, units, data.classes, generator=generator) * units**-0.5,
        torch.zeros(parts, 1, data.classes),
    )
    for tensor in nets:
        tensor.requires_grad_(True)
    optimizer = torch.optim.AdamW(nets, lr=2e-3, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(steps):
        picks = torch.stack([part[torch.randint(len(part), (BATCH,), generator=generator)] for part in rows])
        hidden = torch.relu(torch.baddbmm(nets[1], z[picks], nets[0]))  # (part, row, unit)
        alive = torch.rand(hidden.shape, generator=generator) >= dropout
        logits = torch.baddbmm(nets[3], hidden * alive / (1 - dropout), nets[2])  # (part, row, class)
        loss = _net_loss(logits.flatten(0, 1), labels[picks].flatten(), data)
        optimizer.zero_grad()
        (loss * parts).backward()  # type: ignore[no-untyped-call]  # torch's stub
        optimizer.step()
        schedule.step()
    return tuple(tensor.detach() for tensor in nets)  # type: ignore[return-value]  # four of them


def estimate_net_seconds(data: ClassHeadData, directions: int, *, units: int = UNITS) -> float:
    """About how many seconds `fit_net` and its build would take, from a few steps that are thrown away."""
    z = torch.zeros(data.rows, min(directions, MOST_INPUTS))
    kept = [np.flatnonzero(data.row_folds != fold) for fold in np.unique(data.folds)]

    def seconds(steps: int) -> float:
        began = time.perf_counter()
        _train_nets(z, data, kept, 0, units, DROPOUT, steps=steps)
        return time.perf_counter() - began

    seconds(1)  # the first step pays for what the others find
    return seconds(TIMED_STEPS) / TIMED_STEPS * _net_steps(data) * (1 + 1 / len(kept))


def _net_steps(data: ClassHeadData) -> int:
    return min(STEPS, max(100, 40 * data.rows // BATCH))


def _net_loss(logits: torch.Tensor, labels: torch.Tensor, data: ClassHeadData) -> torch.Tensor:
    """Smoothed cross-entropy of (row, class); classes count as the data say."""
    weights = None if data.weights is None else torch.from_numpy(data.weights).float()
    if not data.focal:
        return nn.functional.cross_entropy(logits, labels, weights, label_smoothing=0.1)
    soft = nn.functional.one_hot(labels, data.classes).float().lerp(torch.tensor(1 / data.classes), 0.1)
    return focal_loss(logits, soft, data.focal, weights)


def _net_answers(nets: Nets, number: int, z: torch.Tensor) -> Floats:
    hidden = torch.relu(z @ nets[0][number] + nets[1][number])
    return np.asarray((hidden @ nets[2][number] + nets[3][number]).double().numpy())
