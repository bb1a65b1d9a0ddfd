"""Heads on frozen features: fitted in seconds, evaluated by cross-validation, blended where that helps.

Another kind of head is a module here, a line in `HEADS`, and its name in `settings.HEADS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from mindle.training.images.heads.candidates import ClassCandidate, ClassHeadData, Pace
from mindle.training.images.heads.features import ConcatFeatures
from mindle.training.images.heads.kernel import fit_rbf, rbf_seconds
from mindle.training.images.heads.logistic import fit_logistic, logistic_seconds
from mindle.training.images.heads.net import fit_net, net_seconds
from mindle.training.settings import ProbeSettings


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
        options: Settings of a recipe's `probe` that it goes by; a fit with the same ones gives the same.
        searched: Whether a quick fit leaves options out that a search looks for; 0 lets it look.
        focal: Whether it can minimise the focal loss.
    """

    fit: Fit
    seconds: Callable[[ClassHeadData, int, ProbeSettings, Pace], float]
    options: tuple[str, ...] = ()
    searched: bool = False
    focal: bool = True

    def values(self, settings: ProbeSettings) -> tuple[Any, ...]:
        """Its options as a recipe has them."""
        return tuple(getattr(settings, name) for name in self.options)

    def is_fixed(self, settings: ProbeSettings) -> bool:
        """Whether there is nothing to search, so that a quick fit is the best one."""
        return not self.searched or all(self.values(settings))


# By their names in `probe.heads`; least squares have no focal form.
HEADS: dict[str, HeadKind] = {
    "rbf": HeadKind(
        fit=fit_rbf, seconds=rbf_seconds, options=("rbf_gamma", "rbf_l2"), searched=True, focal=False
    ),
    "logistic": HeadKind(fit=fit_logistic, seconds=logistic_seconds, options=("logistic_l2",)),
    "net": HeadKind(fit=fit_net, seconds=net_seconds, options=("net_units", "net_dropout")),
}
