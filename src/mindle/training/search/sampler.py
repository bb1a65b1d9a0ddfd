"""What each trial samples: every setting with another seed, so that a trial is the same whoever runs it.

Source:
    Tree-structured Parzen estimator: Bergstra et al. 2011, "Algorithms for hyper-parameter optimization".
"""

from __future__ import annotations

import math
import zlib
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.trial import FrozenTrial

from mindle.training.loop.batches import draw
from mindle.training.search.space import Dimension, Space, label_of

SAMPLERS = ("tpe", "random", "grid")
# So many trials are sampled at random before the estimator has something to go by.
RANDOM_TRIALS = 10


def require_sampler(sampler: str) -> None:
    """Refuse an unknown sampler.

    Raises:
        ValueError: If it is none of `SAMPLERS`.
    """
    if sampler not in SAMPLERS:
        raise ValueError(f"`sampler` must be one of {', '.join(SAMPLERS)}. Received {sampler!r}.")


class SeededSampler(optuna.samplers.BaseSampler):
    """Samples each setting with a seed made from the search's, the trial's number and the setting's name.

    The first trial takes the space's first point; trial n of a grid takes its nth point.

    Args:
        kind: "tpe", "random" or "grid".
        space: What is varied.
        seed: Of the search.
    """

    def __init__(self, kind: str, space: Space, seed: int) -> None:
        self.kind = kind
        self._seed = seed
        self._points = space.grid() if kind == "grid" else [space.first()]

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """None: settings are sampled one by one, for some depend on others."""
        return {}

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Nothing, as no setting is sampled together with others."""
        return {}

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Sample one setting."""
        given = self._points[trial.number] if trial.number < len(self._points) else {}
        if param_name in given:
            return label_of(given[param_name])
        seed = draw(self._seed, trial.number, zlib.crc32(param_name.encode())) % (1 << 32)
        inner: optuna.samplers.BaseSampler = optuna.samplers.RandomSampler(seed=seed)
        if self.kind == "tpe":
            inner = optuna.samplers.TPESampler(n_startup_trials=RANDOM_TRIALS, n_ei_candidates=24, seed=seed)
        return inner.sample_independent(study, trial, param_name, param_distribution)


def sampled_point(trial: optuna.Trial, space: Space) -> dict[str, Any]:
    """The point of a trial; settings that it has sampled before stay as they are."""
    point: dict[str, Any] = {}
    for dimension in space.dimensions:
        if dimension.applies(point):
            point[dimension.name] = _suggested(trial, dimension)
    return point


def _suggested(trial: optuna.Trial, dimension: Dimension) -> Any:
    name, low, high = dimension.name, dimension.low, dimension.high
    if dimension.choices:
        return dimension.choice(
            trial.suggest_categorical(name, [label_of(each) for each in dimension.choices])
        )
    if dimension.step:
        high = low + dimension.step * math.floor((high - low) / dimension.step + 1e-9)
    if dimension.whole:
        step = int(dimension.step) or 1
        return trial.suggest_int(name, int(low), int(high), step=step, log=dimension.log)
    return trial.suggest_float(name, low, high, step=dimension.step or None, log=dimension.log)
