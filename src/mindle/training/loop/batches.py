"""Which images a step sees, and what they look like by then."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mindle.training.device import place
from mindle.training.loop.augment import Augment, flips, mix, stronger
from mindle.training.loop.imbalance import rarity
from mindle.training.loop.job import Job, steps_in
from mindle.training.loop.objectives import Labels
from mindle.training.recipe import Recipe
from mindle.training.settings import AugmentSettings


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One step's images, float (image, channel, height, width) in [0, 1], and targets (image, output)."""

    images: Tensor
    targets: Tensor


def draw(seed: int, *position: int) -> int:
    """A seed for one position in a training run, such as (epoch, step): the same on every machine.

    Randomness that depends on the position alone is what lets an interrupted run go on exactly.

    Example:
        >>> draw(0, 3, 1) == draw(0, 3, 1), draw(0, 3, 1) == draw(0, 1, 3)
        (True, False)
    """
    text = ",".join(map(str, (seed, *position)))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def order(labels: Labels, recipe: Recipe, *, seed: int, epoch: int) -> list[NDArray[np.int64]]:
    """Rows of each step of one epoch; the steps' sizes differ by one at most, so that none is tiny.

    Example:
        >>> [len(rows) for rows in order(np.zeros(70, int), Recipe(), seed=0, epoch=0)]
        [24, 23, 23]
    """
    generator = torch.Generator().manual_seed(draw(seed, epoch))
    evenness = 1.0 if recipe.train.balance == "sampling" else recipe.train.oversample
    if evenness:
        counts = np.bincount(labels)
        chances = torch.from_numpy(1 / counts[labels] ** evenness)
        rows = torch.multinomial(chances, len(labels), replacement=True, generator=generator)
    elif not recipe.train.shuffle:
        rows = torch.arange(len(labels))
    else:
        rows = torch.randperm(len(labels), generator=generator)
    return [part.numpy() for part in rows.tensor_split(steps_in(len(labels), recipe.train.batch_size))]


def batches(job: Job, epoch: int, first: int, epochs: int) -> Iterator[Batch]:
    """The batches of one epoch of `epochs`, from step `first` on."""
    scale = job.scale(epoch, epochs)
    steps = enumerate(order(job.data.train_labels, job.recipe, seed=job.context.seed, epoch=epoch))
    prepared = (prepare(job, rows, (epoch, step), scale) for step, rows in steps if step >= first)
    # A CPU that trains has no core to spare for a thread that prepares, and a card that holds the images
    # prepares them itself.
    return prepared if job.context.device.type == "cpu" or id(job.data.train) in job.held else ahead(prepared)


def prepare(job: Job, rows: NDArray[np.int64], position: tuple[int, int], scale: float = 1.0) -> Batch:
    """Gather, augment, shrink to `scale` of each side, and mix the images of one step, (epoch, step)."""
    settings, oversample, seed = job.recipe.augment, job.settings.oversample, job.context.seed
    generator = torch.Generator().manual_seed(draw(seed, *position))
    raw = job.pixels(job.data.train, rows)  # (image, height, width, channel)
    images = raw.permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.contiguous_format).div_(255)
    labels = job.data.train_labels
    targets = place(job.objective.targets(labels[rows], job.outputs), job.context.device)
    if settings.flip_alternates:
        images, settings = alternated(images, job.coins[rows], position[0], settings)
    size = (max(1, round(images.shape[2] * scale)), max(1, round(images.shape[3] * scale)))
    changed = Augment(settings)(images, generator, size)
    if oversample:
        picking = torch.Generator().manual_seed(draw(seed, *position, 2))
        chances = torch.from_numpy(oversample * rarity(labels, job.outputs)[labels[rows]])
        picked = torch.rand(len(rows), generator=picking) < chances
        if picked.any():
            changed = changed.clone()
            changed[picked] = Augment(stronger(settings))(images[picked], picking, size)
    images, targets = mix(changed, targets, settings, generator)
    return Batch(images=images.contiguous(memory_format=job.layout), targets=targets)


def alternated(
    images: Tensor, coins: Tensor, epoch: int, settings: AugmentSettings
) -> tuple[Tensor, AugmentSettings]:
    """Images, those mirrored whose turn it is, and the settings without what was done.

    Shapes: coins (image, 2), true where an image is mirrored along x, and along y, in even epochs.

    Source:
        Jordan 2024, https://arxiv.org/abs/2404.00498, section 3.6: no image is seen alike in two epochs that
        follow each other.
    """
    for axis, allowed, coin in zip((3, 2), flips(settings.flip, images.shape[1]), coins.T, strict=True):
        if allowed:
            turn = place(coin ^ bool(epoch % 2), images.device)
            images = torch.where(turn[:, None, None, None], images.flip(axis), images)
    return images, replace(settings, flip="none")


def ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """Prepare the next batch in a thread while the caller uses this one.

    Each batch draws from another generator, so the thread changes no number. An exception in the
    thread passes to the caller.
    """
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(maxsize=1)
    stop = threading.Event()

    def work() -> None:
        try:
            for batch in batches:
                if not _offer(ready, batch, stop):
                    return
            _offer(ready, None, stop)
        except BaseException as error:
            _offer(ready, error, stop)

    thread = threading.Thread(target=work, name="mindle-batches", daemon=True)
    thread.start()
    try:
        while (batch := ready.get()) is not None:
            if isinstance(batch, BaseException):
                raise batch
            yield batch
    finally:
        stop.set()
        thread.join()


def _offer(
    ready: queue.Queue[Batch | BaseException | None],
    item: Batch | BaseException | None,
    stop: threading.Event,
) -> bool:
    """Put an item in as soon as there is room; False where nobody wants it any more."""
    while not stop.is_set():
        try:
            ready.put(item, timeout=0.1)
        except queue.Full:
            continue
        return True
    return False
