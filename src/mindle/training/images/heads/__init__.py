"""Heads on frozen features: fitted in seconds, evaluated by cross-validation, blended where that helps.

Another kind of head is a module here, a line in `HEADS`, and its name in `settings.HEADS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from mindle.training.images.heads.candidates import ClassCandidate
from mindle.training.images.heads.data import MOST_DIRECTIONS, ClassHeadData, ConcatFeatures
from mindle.training.images.heads.kernel import fit_rbf
from mindle.training.images.heads.logistic import fit_logistic, logistic_flops
from mindle.training.images.heads.net import estimate_net_seconds, fit_net
from mindle.training.settings import ProbeSettings


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast this machine is now.

    Attributes:
        flop_seconds: Roughly what one multiplication and addition takes.
        rank_seconds: What the head takes that backbones are compared by.
    """

    flop_seconds: float
    rank_seconds: float


class Fit(Protocol):
    """Fits and cross-validates a kind of head; its usual settings will do where it is not to `search`."""

    def __call__(
        self, data: ClassHeadData, features: ConcatFeatures, settings: ProbeSettings, *, search: bool = True
    ) -> ClassCandidate:
        """The best candidate of that kind."""


@dataclass(frozen=True, kw_only=True)
class HeadKind:
    """A kind of head; the candidate that it fits builds the head on everything.

    Attributes:
        fit: Fits and cross-validates it.
        seconds: Roughly what searching its settings takes, of data and so many features.
        options: The settings that it goes by; a fit with the same ones gives the same.
        is_fixed: Whether there is nothing to search, so that a quick fit is the best one.
        focal: Whether it can minimise the focal loss.
    """

    fit: Fit
    seconds: Callable[[ClassHeadData, int, ProbeSettings, Pace], float]
    options: Callable[[ProbeSettings], tuple[Any, ...]]
    is_fixed: Callable[[ProbeSettings], bool] = lambda settings: True
    focal: bool = True


def _rbf_options(settings: ProbeSettings) -> tuple[float, float]:
    return (settings.rbf_gamma, settings.rbf_l2)


def _fit_rbf(
    data: ClassHeadData, features: ConcatFeatures, settings: ProbeSettings, *, search: bool = True
) -> ClassCandidate:
    return fit_rbf(data, features, search=search, fixed=_rbf_options(settings))


def _rbf_seconds(data: ClassHeadData, width: int, settings: ProbeSettings, pace: Pace) -> float:
    """A search fits about seven pairs of settings."""
    return 7 * pace.rank_seconds


def _fit_logistic(
    data: ClassHeadData, features: ConcatFeatures, settings: ProbeSettings, *, search: bool = True
) -> ClassCandidate:
    return fit_logistic(data, features, fixed=settings.logistic_l2)


def _logistic_seconds(data: ClassHeadData, width: int, settings: ProbeSettings, pace: Pace) -> float:
    return logistic_flops(data, width) * pace.flop_seconds


def _fit_net(
    data: ClassHeadData, features: ConcatFeatures, settings: ProbeSettings, *, search: bool = True
) -> ClassCandidate:
    seed, units, dropout = features.seed, settings.net_units, settings.net_dropout
    return fit_net(data, features, seed=seed, units=units, dropout=dropout)


def _net_seconds(data: ClassHeadData, width: int, settings: ProbeSettings, pace: Pace) -> float:
    """By a few of its steps, and the operations of turning the features."""
    directions = min(data.rows, width, MOST_DIRECTIONS)
    turning = 12.0 * float(directions) ** 3 * pace.flop_seconds
    return estimate_net_seconds(data, directions, units=settings.net_units) + turning


# By their names in `probe.heads`.
HEADS: dict[str, HeadKind] = {
    "rbf": HeadKind(
        fit=_fit_rbf,
        seconds=_rbf_seconds,
        options=_rbf_options,
        is_fixed=lambda settings: all(_rbf_options(settings)),
        focal=False,  # least squares have no focal form
    ),
    "logistic": HeadKind(
        fit=_fit_logistic,
        seconds=_logistic_seconds,
        options=lambda settings: (settings.logistic_l2,),
    ),
    "net": HeadKind(
        fit=_fit_net,
        seconds=_net_seconds,
        options=lambda settings: (settings.net_units, settings.net_dropout),
    ),
}
