"""Rows made up between those of real images of a scarce class: SMOTE, on features, fold by fold.

A made-up row lies between two images of one fold and belongs to that fold. Whoever is judged by
cross-validation leaves it out together with them: no image that is judged ever shaped a row that was
learned from.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.errors import ModelError
from mindle.training.images.heads import BackboneFeatures, ConcatFeatures, HeadData
from mindle.training.loop.batches import draw

NEIGHBOURS = 5


def with_made_up_rows(
    pool: HeadData, joined: ConcatFeatures, *, seed: int = 0
) -> tuple[HeadData, ConcatFeatures]:
    """The pool and its features with as many rows of every class as the commonest has, in each fold.

    Of a class with a single image in a fold nothing can be made up there.

    Source:
        Chawla et al. 2002, https://arxiv.org/abs/1106.1813, as imbalanced-learn has it.

    Raises:
        ModelError: If imbalanced-learn is not installed.
    """
    images, width = len(pool), joined.x.shape[1]
    made: list[NDArray[np.float32]] = [np.zeros((0, width), np.float32)]
    labels: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    folds: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
    for fold in np.unique(pool.folds).tolist():
        rows = np.flatnonzero(pool.folds == fold)  # the plain views come first
        found = _made_up(joined.x[:images][rows], pool.labels[rows], pool.views, draw(seed, fold))
        made.append(found[0])
        labels.append(found[1])
        folds.append(np.full(len(found[1]), fold, np.int64))
    further = np.concatenate(made)
    grown = replace(
        pool,
        further_labels=np.concatenate([pool.further_labels, *labels]),
        further_folds=np.concatenate([pool.further_folds, *folds]),
    )
    return grown, _grown(joined, further)


def _made_up(
    x: NDArray[np.float32], labels: NDArray[np.int64], views: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Made-up rows of one fold and their classes; as many for each view as for the plain one."""
    counts = np.bincount(labels)
    most = int(counts.max())
    wanted = {
        int(label): int(count + (most - count) * (views + 1))
        for label, count in enumerate(counts)
        if 1 < count < most
    }
    if not wanted:
        return np.zeros((0, x.shape[1]), np.float32), np.zeros(0, np.int64)
    smallest = min(int(counts[label]) for label in wanted)
    resampled, answers = _smote()(
        sampling_strategy=wanted, k_neighbors=min(NEIGHBOURS, smallest - 1), random_state=seed % 2**32
    ).fit_resample(x, labels)
    # The first rows are the real ones, as they were.
    return np.asarray(resampled[len(x) :], np.float32), np.asarray(answers[len(x) :], np.int64)


def _smote() -> Any:
    """imbalanced-learn's class, which has no types."""
    try:
        from imblearn.over_sampling import SMOTE
    except ImportError as error:
        raise ModelError(
            "`smote` needs the package imbalanced-learn: `pip install 'mindle[imbalance]'`. Or take "
            "--imbalance weights."
        ) from error
    return SMOTE


def smote_is_there() -> bool:
    """Whether imbalanced-learn is installed.

    Example:
        >>> smote_is_there() in (True, False)
        True
    """
    from importlib.util import find_spec

    return find_spec("imblearn") is not None


def _grown(joined: ConcatFeatures, further: NDArray[np.float32]) -> ConcatFeatures:
    """The blocks with further rows below, cut from rows over all features."""
    blocks, start = [], 0
    for block in joined.blocks:
        width = block.x.shape[1]
        # `ConcatFeatures` divides every block by the root of their number; here that is undone.
        own = further[:, start : start + width] * np.float32(len(joined.blocks) ** 0.5)
        blocks.append(BackboneFeatures(x=np.concatenate([block.x, own]), mean=block.mean, scale=block.scale))
        start += width
    return ConcatFeatures(blocks)
