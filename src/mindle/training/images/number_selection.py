"""Model selection for a number: ridge regression, a Gaussian kernel, and their mean.

Both kinds of head are tried on each usable backbone; then backbones are joined; and the best of these is
tried on augmented views. Of classes it is known that a mirrored picture stays what it is; of a number only
the errors can say, so that views come last, and stay only where they clearly help.

Heads are compared by their absolute errors out of fold, a head and a net by those on the val part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch

from mindle.data.common.regression import bands
from mindle.evaluation.conformal import calibrate
from mindle.messages import message
from mindle.models.classifier import StandardisedNumber, backbone_model
from mindle.training.images.answer_cost import error_share_lost
from mindle.training.images.attempts import error_attempt
from mindle.training.images.heads.candidates import NumberCandidate, average, clearly_better
from mindle.training.images.heads.data import ConcatFeatures, NumberHeadData
from mindle.training.images.heads.kernel import fit_kernel, fit_ridge, rbf_flops
from mindle.training.images.problem import Outcome
from mindle.training.images.regression import ImageRegression
from mindle.training.images.selection import (
    VIEWS_SHARE,
    ModelSelection,
    Part,
    Ranked,
    folds_of,
    layout_of,
    names_of,
    views_of,
)


class NumberSelection(ModelSelection[NumberCandidate]):
    """Model selection for a number; it is given what `ModelSelection` says."""

    fits_a_head = 12  # a search fits about so many pairs of settings
    data: NumberHeadData

    @cached_property
    def outputs(self) -> StandardisedNumber:
        """Centre and scale of the numbers; heads estimate them standardised."""
        return ImageRegression().outputs(self.problem)

    def baseline(self) -> dict[str, Any]:
        """What always estimating the mean would reach."""
        centre = self.outputs.centre
        errors = np.abs(self.problem.truth[self.problem.val] - centre)
        return error_attempt("mean", errors, 0.0, message("selection.note.mean", mean=centre))

    def attempt_of(self, name: str, candidate: NumberCandidate, seconds: float) -> dict[str, Any]:
        """Its mean absolute error on the val part, and on all images it was cross-validated on."""
        errors = candidate.losses * self.outputs.scale
        note = message("selection.note.number-head", error=float(errors.mean()), n=len(errors))
        return error_attempt(name, errors[self.trained :], seconds, note)

    def points_lost(self, best: NumberCandidate, other: NumberCandidate) -> float:
        """In per cent of the error of always answering the mean, out of fold."""
        plain = np.abs(self.data.truth - self.data.truth.mean()).mean()
        return error_share_lost(best.losses, other.losses, float(plain))

    def head_data(self) -> NumberHeadData:
        """Standardised numbers of the rows, and folds with as many small as large ones in each."""
        targets = self.problem.truth[self.rows]
        strata, folds = bands(targets), self.recipe.probe.folds
        found = folds_of(self.problem, self.rows, strata, folds=folds, seed=self.seed)
        return NumberHeadData(
            truth=(targets - self.outputs.centre) / self.outputs.scale,
            folds=np.unique(found, return_inverse=True)[1].astype(np.int64),  # fewer groups leave folds empty
        )

    # ---- heads ------------------------------------------------------------------------------------------

    def rank(self, parts: Sequence[Part], views: int = 0) -> Ranked[NumberCandidate]:
        """The better of ridge regression and kernel, or their mean where that is clearly closer."""
        name = names_of(parts) + (f", {views} views" if views else "")
        features = ConcatFeatures([part.block for part in parts], self.seed)
        data, settings, found = replace(self.data, views=views), self.recipe.probe, []
        if "rbf" in settings.heads:
            fixed = (settings.rbf_gamma, settings.rbf_l2)
            found.append(
                self.ranked(f"rbf head on {name}", parts, partial(fit_kernel, data, features, fixed=fixed))
            )
        if "logistic" in settings.heads or not found:
            found.append(self.fitted(f"ridge head on {name}", parts, partial(fit_ridge, data, features)))
        best = min(found, key=lambda each: each.candidate.loss)
        if len(found) == 2:
            fit = partial(average, found[0].candidate, found[1].candidate)
            best = _closer(self.fitted(f"mean of both heads on {name}", parts, fit), best)
        return best

    def joined(
        self, best: Ranked[NumberCandidate], singles: Sequence[Ranked[NumberCandidate]]
    ) -> Ranked[NumberCandidate]:
        """The best single backbone, with each further one that is clearly worth its cost."""
        for other in sorted(singles, key=lambda each: each.candidate.loss)[1:]:
            card = other.parts[0].card
            if layout_of(card.spec) != layout_of(best.parts[0].card.spec):
                continue
            cost = 2 * self.rank_seconds() + self.further_seconds(other.parts)
            decision = self.decisions.decide(f"join {card.name}", partial(self.time_for, cost))
            if decision["take"]:
                best = _closer(self.rank([*best.parts, *other.parts]), best)
            else:
                self.skip(f"{card.model} joined", decision["reason"], for_time=True)
        return best

    def finished(self, best: Ranked[NumberCandidate]) -> Ranked[NumberCandidate]:
        """The same on augmented views too, where images are few and views clearly help."""
        views = views_of(self.recipe, self.problem)
        if not views:
            return best
        decision = self.decisions.decide("views", partial(self._afford_views, best, views))
        if not decision["take"]:
            self.skip("augmented views", decision["reason"], for_time=True)
            return best
        parts, _ = self.timed(
            "embed",
            lambda: [self.part(self.engine(each.card), views, each.seconds_an_image) for each in best.parts],
        )
        return _closer(self.rank(parts, views), best)

    def _afford_views(self, best: Ranked[NumberCandidate], views: int) -> dict[str, Any]:
        each, left = sum(part.seconds_an_image for part in best.parts), self.deadline.remaining()
        heads = 2 * self.rank_seconds() * rbf_flops(len(self.rows) * (views + 1)) / rbf_flops(len(self.rows))
        cost = each * views * len(self.rows) + heads
        return self.time_for(cost, VIEWS_SHARE * left - each * self.tests)

    # ---- what came of it --------------------------------------------------------------------------------

    def net_wins(self, best: Ranked[NumberCandidate], net: Outcome) -> bool:
        """A smaller mean absolute error on the val part."""
        return bool(net.tried[0]["value"] < (best.attempt["value"] or np.inf))

    def built(self, best: Ranked[NumberCandidate]) -> Outcome:
        """The estimator on the best head."""
        candidate, data, trained = best.candidate, self.data, self.trained
        centre, scale = self.outputs.centre, self.outputs.scale
        cards = [part.card for part in best.parts]
        model = backbone_model(cards, candidate.build(1.0), self.outputs, pooling=self.pooling)
        model.eval()
        with torch.inference_mode():
            known = model.logits_from_features(torch.from_numpy(best.raw[:trained]))[:, 0].double().numpy()
        return Outcome(
            model=model,
            strategy="probe",
            val_answers=candidate.estimates[trained:, None] * scale + centre,
            calibration=calibrate((data.truth - candidate.estimates) * scale, data.folds),
            train_scores={
                "n": trained,
                "mae": float(np.abs(known - data.truth[:trained]).mean() * scale),
                "out_of_fold": {"mae": float(candidate.losses[:trained].mean() * scale)},
            },
            tried=(best.attempt,),
            stopped="",
            seconds={},
        )


def _closer(new: Ranked[NumberCandidate], old: Ranked[NumberCandidate]) -> Ranked[NumberCandidate]:
    """The new head where it is clearly closer, else the old one."""
    return new if clearly_better(new.candidate, old.candidate) else old
