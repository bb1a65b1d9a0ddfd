"""Heads on frozen features: fitted in seconds, evaluated by cross-validation, blended where that helps.

Another kind of head is a module here, a line in `HEADS`, and its name in `recipe.HEADS`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from mindle.training.images.heads.candidates import ClassCandidate
from mindle.training.images.heads.data import MOST_DIRECTIONS, ClassHeadData, ConcatFeatures
from mindle.training.images.heads.kernel import fit_rbf
from mindle.training.images.heads.logistic import fit_logistic, logistic_flops
from mindle.training.images.heads.net import estimate_net_seconds, fit_net
from mindle.training.recipe import ProbeSettings


@dataclass(frozen=True, kw_only=True)
class Pace:
    """How fast this machine is now.

    Attributes:
        flop_seconds: Roughly what one multiplication and addition takes.
        rank_seconds: What the head takes that backbones are compared by.
    """

    flop_seconds: float
    rank_seconds: float


class HeadKind(Protocol):
    """A kind of head; the candidate that it fits builds the head on everything."""

    @property
    def focal(self) -> bool:
        """Whether it can minimise the focal loss."""

    def options(self, settings: ProbeSettings) -> tuple[Any, ...]:
        """The settings that it goes by; a fit with the same ones gives the same."""

    def is_fixed(self, settings: ProbeSettings) -> bool:
        """Whether there is nothing to search, so that a quick fit is the best one."""

    def fit(
        self, data: ClassHeadData, features: ConcatFeatures, settings: ProbeSettings, *, search: bool = True
    ) -> ClassCandidate:
        """Fit and cross-validate it; its usual settings will do where it is not to `search`."""

    def seconds(self, data: ClassHeadData, width: int, settings: ProbeSettings, pace: Pace) -> float:
        """Roughly what searching its settings takes on so many features."""


class Rbf:
    """An LS-SVM with a Gaussian kernel; least squares have no focal form."""

    focal = False

    def options(self, settings: ProbeSettings) -> tuple[Any, ...]:
        """Gamma and penalty."""
        return (settings.rbf_gamma, settings.rbf_penalty)

    def is_fixed(self, settings: ProbeSettings) -> bool:
        """Whether both are given."""
        return bool(settings.rbf_gamma and settings.rbf_penalty)

    def fit(
        self, data: ClassHeadData, features: ConcatFeatures, settings: ProbeSettings, *, search: bool = True
    ) -> ClassCandidate:
        """See `fit_rbf`."""
        fixed = (settings.rbf_gamma, settings.rbf_penalty)
        return fit_rbf(data, features, search=search, fixed=fixed)

    def seconds(self, data: ClassHeadData, width: int, settings: ProbeSettings, pace: Pace) -> float:
        """A search fits about seven pairs of settings."""
        return 7 * pace.rank_seconds


class Logistic:
    """Multinomial logistic regression."""

    focal = True

    def options(self, settings: ProbeSettings) -> tuple[Any, ...]:
        """The penalty."""
        return (settings.logistic_penalty,)

    def is_fixed(self, settings: ProbeSettings) -> bool:
        """Its fit always is the best one."""
        return True

    def fit(
        self, data: ClassHeadData, features: ConcatFeatures, settings: ProbeSettings, *, search: bool = True
    ) -> ClassCandidate:
        """See `fit_logistic`."""
        return fit_logistic(data, features, fixed=settings.logistic_penalty)

    def seconds(self, data: ClassHeadData, width: int, settings: ProbeSettings, pace: Pace) -> float:
        """By its operations."""
        return logistic_flops(data, width) * pace.flop_seconds


class Net:
    """A small hidden layer."""

    focal = True

    def options(self, settings: ProbeSettings) -> tuple[Any, ...]:
        """Its width and dropout."""
        return (settings.net_units, settings.net_dropout)

    def is_fixed(self, settings: ProbeSettings) -> bool:
        """Its fit always is the best one."""
        return True

    def fit(
        self, data: ClassHeadData, features: ConcatFeatures, settings: ProbeSettings, *, search: bool = True
    ) -> ClassCandidate:
        """See `fit_net`."""
        units, dropout = self.options(settings)
        return fit_net(data, features, seed=features.seed, units=units, dropout=dropout)

    def seconds(self, data: ClassHeadData, width: int, settings: ProbeSettings, pace: Pace) -> float:
        """By a few of its steps, and the operations of turning the features."""
        directions = min(data.rows, width, MOST_DIRECTIONS)
        turning = 12.0 * float(directions) ** 3 * pace.flop_seconds
        return estimate_net_seconds(data, directions, units=settings.net_units) + turning


# By their names in `probe.heads`.
HEADS: dict[str, HeadKind] = {"rbf": Rbf(), "logistic": Logistic(), "net": Net()}
