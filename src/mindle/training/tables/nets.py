"""Deep nets of tables, done well: several of them trained side by side in one batched computation.

Nets of one table are small, and a step costs more in calls than in arithmetic. So all nets, of all seeds
and of all folds, are one stack of matrices, and a step moves all of them. What a net learns does not depend
on its neighbours: losses are added up, and every gradient is a net's own.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from mindle.models.tables.scorers import DenseNets
from mindle.training.loop.batches import draw
from mindle.training.loop.optimizer import Optimizer
from mindle.training.settings import NET_EPOCHS, TableSettings

Floats = NDArray[np.float64]
Blocks = Sequence[tuple[int, int]]

# So many steps tell how long one takes; all of them are some hundreds to thousands.
FORESEEN_STEPS = 5


@dataclass(frozen=True, kw_only=True)
class NetRows:
    """One training set: x (row, column) of the linear view, y (row,), numbers or those of classes."""

    x: Floats
    y: NDArray[np.float64] | NDArray[np.int64]
    blocks: Blocks


def one_cycle(step: int, steps: int) -> float:
    """Share of the highest rate: up along half a cosine for three tenths of the steps, then down along one.

    Source:
        Smith & Topin 2017, https://arxiv.org/abs/1708.07120, with the numbers of PyTorch's OneCycleLR.

    Example:
        >>> [round(one_cycle(step, 9), 2) for step in (0, 2, 9)]
        [0.04, 1.0, 0.0]
    """
    peak = 0.3 * (steps + 1) - 1
    if step <= peak:
        begins, ends, done = 1 / 25, 1.0, step / peak
    else:
        begins, ends, done = 1.0, 1 / 250_000, (step - peak) / (steps - peak)
    return ends + (begins - ends) / 2 * (1 + math.cos(math.pi * done))


def settings_for(rows: int, settings: TableSettings) -> TableSettings:
    """The settings with what goes by the number of rows filled in.

    Larger batches and fewer passes where rows are many: about as many steps, whatever the table.

    Example:
        >>> found = settings_for(500, TableSettings(epochs=20))
        >>> found.epochs, found.batch_size, found.ensemble_size
        (20, 32, 4)
    """
    nets, epochs, batch = 4, NET_EPOCHS, 32
    if rows > 2000:
        batch = min(512, 32 * 2 ** round(math.log2(rows / 1000)))
        nets, epochs = 3, max(8, min(40, round(40 * (16_000 / rows) ** 0.5)))
    return replace(
        settings,
        ensemble_size=settings.ensemble_size or nets,
        epochs=settings.epochs or epochs,
        batch_size=settings.batch_size or batch,
    )


def train_nets(
    sets: Sequence[NetRows], *, outputs: int, settings: TableSettings, seed: int
) -> list[DenseNets]:
    """Nets of each training set, trained together.

    Args:
        sets: Training sets, of one table's columns; their one-hot blocks may differ.
        outputs: Classes, or 1 for a standardised number.
        settings: How; what they leave open goes by the number of rows.
        seed: Governs the first weights, the order of rows and the dropout.

    Returns:
        For each set, the mean of `settings.ensemble_size` nets.
    """
    stack = _Stack(sets, outputs, settings, draw(seed, 77))
    stack.train()
    return stack.nets()


def foresee_nets(sets: Sequence[NetRows], *, outputs: int, settings: TableSettings) -> float:
    """About how many seconds `train_nets` would take, from a few steps of nets that are then thrown away."""
    stack = _Stack(sets, outputs, settings, 0)
    stack.train(most_steps=1)  # the first step pays for memory that the others find
    began = time.perf_counter()
    stack.train(most_steps=FORESEEN_STEPS)
    return (time.perf_counter() - began) / FORESEEN_STEPS * stack.settings.epochs * stack.steps


class _Stack:
    """All nets of all sets as one stack of matrices, and how they learn."""

    def __init__(self, sets: Sequence[NetRows], outputs: int, settings: TableSettings, seed: int) -> None:
        settings = settings_for(max(len(one.x) for one in sets), settings)
        self.sets, self.settings, self.generator = sets, settings, torch.Generator().manual_seed(seed)
        self.each = settings.ensemble_size
        count, most = len(sets) * self.each, max(len(s.x) for s in sets)
        columns = max(s.x.shape[1] for s in sets)
        self.classes = outputs > 1
        kind = torch.int64 if self.classes else torch.float32
        padding = [(most - len(s.x), columns - s.x.shape[1]) for s in sets]
        # (set, row, column) and (set, row)
        self.x = torch.stack(
            [
                F.pad(torch.from_numpy(s.x).float(), (0, c, 0, r))
                for s, (r, c) in zip(sets, padding, strict=True)
            ]
        )
        self.y = torch.stack(
            [F.pad(torch.from_numpy(s.y).to(kind), (0, r)) for s, (r, _) in zip(sets, padding, strict=True)]
        )
        self.set_of = torch.arange(len(sets)).repeat_interleave(self.each)  # (net,)
        self.embedding, width = self._embeddings(count, columns)
        sizes = [width, *settings.hidden_layer_sizes, outputs]
        self.weights: list[Tensor] = []
        self.offsets: list[Tensor] = []
        for before, after in zip(sizes[:-1], sizes[1:], strict=True):
            # He's spread for rectifiers; the last layer begins near the mean answer.
            spread = math.sqrt(2 / before) if after != outputs or len(self.weights) < len(sizes) - 2 else 0.01
            drawn = torch.randn(count, before, after, generator=self.generator)
            self.weights.append((drawn * spread).requires_grad_())
            self.offsets.append(torch.zeros(count, 1, after).requires_grad_())

    def _embeddings(self, count: int, columns: int) -> tuple[Tensor | None, int]:
        """A product that takes each one-hot block to a few numbers, and leaves numbers as they are.

        It has one width for all sets, so that their nets are one stack.
        """
        # (categorical column,) the widest block of any set, and how many numbers it is embedded in.
        widest = [
            max(blocks) for blocks in zip(*([w for _, w in one.blocks] for one in self.sets), strict=True)
        ]
        sizes = [min(16, math.ceil(1.6 * block**0.56)) if block > 2 else 0 for block in widest]
        if not any(sizes):
            return None, columns
        ends, width = columns + np.cumsum(sizes), columns + sum(sizes)
        passed_on = torch.eye(columns, width).repeat(len(self.sets), 1, 1)  # and not learned
        mask = torch.zeros(len(self.sets), columns, width)
        for number, one in enumerate(self.sets):
            for (start, block), size, end in zip(one.blocks, sizes, ends.tolist(), strict=True):
                if size:
                    passed_on[number, start : start + block] = 0.0
                    mask[number, start : start + block, end - size : end] = 1.0
        passed_on, mask = passed_on[self.set_of], mask[self.set_of]
        first = passed_on + mask * torch.randn(count, columns, width, generator=self.generator) * 0.3
        first.requires_grad_().register_hook(lambda gradient: gradient * mask)  # type: ignore[no-untyped-call]
        return first, width

    def forward(self, x: Tensor) -> Tensor:
        """(net, row, column) to (net, row, output)."""
        h = x if self.embedding is None else torch.bmm(x, self.embedding)
        last = len(self.weights) - 1
        for layer, (weight, offset) in enumerate(zip(self.weights, self.offsets, strict=True)):
            h = torch.baddbmm(offset, h, weight)
            if layer < last:
                h = F.relu(h)
                if self.settings.dropout:
                    mask = torch.rand(h.shape, generator=self.generator) >= self.settings.dropout
                    h = h * mask / (1 - self.settings.dropout)
        return h

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return max(1, round(max(len(one.x) for one in self.sets) / self.settings.batch_size))

    def train(self, most_steps: int | None = None) -> None:
        """All epochs of all nets, or at most so many steps of them."""
        settings, steps = self.settings, self.steps
        rows = [len(self.sets[index].x) for index in self.set_of.tolist()]
        undecayed = [*self.offsets, *([] if self.embedding is None else [self.embedding])]
        groups = [
            {"params": self.weights, "weight_decay": settings.weight_decay},
            {"params": undecayed, "weight_decay": 0.0},
        ]
        optimizer = Optimizer(groups, settings)
        batches = (chosen for _ in range(settings.epochs) for chosen in self._order(rows, steps))
        for step, chosen in enumerate(islice(batches, most_steps)):  # (net, batch)
            if settings.schedule == "one-cycle":
                for group in optimizer.param_groups:
                    group["lr"] = settings.learning_rate * one_cycle(step, settings.epochs * steps)
            answers = self.forward(self.x[self.set_of[:, None], chosen])
            loss = self._loss(answers, self.y[self.set_of[:, None], chosen])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

    def _order(self, rows: Sequence[int], steps: int) -> Sequence[Tensor]:
        """Rows of each step for every net: its own shuffle, begun again where its rows are fewer."""
        size = math.ceil(max(rows) / steps)
        orders = []
        for count in rows:
            shuffled = torch.randperm(count, generator=self.generator)
            orders.append(shuffled.repeat(math.ceil(size * steps / count))[: size * steps])
        return torch.split(torch.stack(orders), size, dim=1)

    def _loss(self, answers: Tensor, truth: Tensor) -> Tensor:
        """Summed over nets, so that each net's gradient is what it would be alone."""
        if self.classes:
            flat = F.cross_entropy(answers.flatten(0, 1), truth.flatten(), reduction="none")
            return flat.view(truth.shape).mean(dim=1).sum()
        if self.settings.loss == "squared":
            losses = F.mse_loss(answers[..., 0], truth, reduction="none")
        else:
            losses = F.huber_loss(answers[..., 0], truth, delta=self.settings.huber_delta, reduction="none")
        return losses.mean(dim=1).sum()

    @torch.no_grad()
    def nets(self) -> list[DenseNets]:
        """What was learned, a record a set, embeddings multiplied into the first layer."""
        first = self.weights[0]
        if self.embedding is not None:
            first = torch.bmm(self.embedding.double(), first.double())
        weights = [first, *self.weights[1:]]
        found = []
        for index, one in enumerate(self.sets):
            nets = slice(index * self.each, (index + 1) * self.each)
            arrays = [weight[nets].double().numpy() for weight in weights]
            arrays[0] = np.ascontiguousarray(arrays[0][:, : one.x.shape[1]])
            offsets = [offset[nets, 0].double().numpy().copy() for offset in self.offsets]
            found.append(DenseNets(weights=tuple(a.copy() for a in arrays), offsets=tuple(offsets)))
        return found
