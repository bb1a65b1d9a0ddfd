"""Synthetic samples between real images of a minority class: SMOTE, on features, fold by fold.

A synthetic sample lies between two images of one fold and belongs to that fold. Cross-validation holds it
out together with them: no held-out image ever shaped a sample that was learned from.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mindle.errors import ModelError
from mindle.training.images.heads.candidates import ClassHeadData
from mindle.training.images.heads.features import BackboneFeatures, ConcatFeatures
from mindle.training.loop.batches import draw

NEIGHBOURS = 5


def with_synthetic_samples(
    data: ClassHeadData, features: ConcatFeatures
) -> tuple[ClassHeadData, ConcatFeatures]:
    """The data and its features with as many rows of every class as the largest has, in each fold.

    Of a class with a single image in a fold nothing can be synthesised there.

    Source:
        Chawla et al. 2002, https://arxiv.org/abs/1106.1813, as imbalanced-learn has it.

    Raises:
        ModelError: If imbalanced-learn is not installed.
    """
    images, folds = len(data), np.unique(data.folds)
    found = []
    for fold in folds.tolist():
        rows = np.flatnonzero(data.folds == fold)  # the plain views come first
        seed = draw(features.seed, fold)
        found.append(_synthetic(features.x[:images][rows], data.truth[rows], data.views, seed))
    labels = [some for _, some in found]
    extended = replace(
        data,
        further_truth=np.concatenate([data.further_truth, *labels]),
        further_folds=np.concatenate([data.further_folds, np.repeat(folds, [len(some) for some in labels])]),
    )
    return extended, _extended(features, np.concatenate([samples for samples, _ in found]))


def _synthetic(
    x: NDArray[np.float32], labels: NDArray[np.int64], views: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Synthetic samples of one fold and their classes; as many for each view as for the plain one."""
    try:
        from imblearn.over_sampling import SMOTE
    except ImportError as error:
        raise ModelError(
            "`smote` needs the package imbalanced-learn: `pip install 'mindle[imbalance]'`. Or take "
            "--imbalance weights."
        ) from error
    counts = np.bincount(labels)
    most = int(counts.max())
    wanted = {
        int(label): int(count + (most - count) * (views + 1))
        for label, count in enumerate(counts)
        if 1 < count < most
    }
    if not wanted:
        return x[:0], labels[:0]
    smallest = min(int(counts[label]) for label in wanted)
    neighbours = min(NEIGHBOURS, smallest - 1)
    smote = SMOTE(sampling_strategy=wanted, k_neighbors=neighbours, random_state=seed % 2**32)
    resampled, found = smote.fit_resample(x, labels)
    # The first rows are the real ones, as they were.
    return np.asarray(resampled[len(x) :], np.float32), np.asarray(found[len(x) :], np.int64)


def smote_is_there() -> bool:
    """Whether imbalanced-learn is installed.

    Example:
        >>> smote_is_there() in (True, False)
        True
    """
    from importlib.util import find_spec

    return find_spec("imblearn") is not None


def _extended(features: ConcatFeatures, further: NDArray[np.float32]) -> ConcatFeatures:
    """The blocks with further rows below, cut from rows over all features."""
    blocks, start = [], 0
    for block in features.blocks:
        width = block.x.shape[1]
        # `ConcatFeatures` divides every block by the root of their number; here that is undone.
        rows = further[:, start : start + width] * np.float32(len(features.blocks) ** 0.5)
        blocks.append(BackboneFeatures(x=np.concatenate([block.x, rows]), mean=block.mean, scale=block.scale))
        start += width
    return ConcatFeatures(blocks, features.seed)
