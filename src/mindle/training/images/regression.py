"""Images with a number: which heads and nets learn to estimate it, which is better, and how well they do.

Ridge regression and a Gaussian kernel are tried on each usable backbone, and their mean; then features are
concatenated; and the best of these is tried on augmented views. Of classes it is known that a mirrored
picture stays what it is; of a number only the errors can say, so that views come last, and stay only where
they clearly help.

Heads are compared by their absolute errors out of fold, a head and a net by those on the val split.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mindle.data.common.regression import bands
from mindle.evaluation.conformal import Calibration, calibrate
from mindle.evaluation.trust.difficulty import fit_difficulty
from mindle.messages import message
from mindle.models.classifier import StandardisedNumber
from mindle.records import Diagnosis
from mindle.training.images.attempts import MAE
from mindle.training.images.backbones import Backbones, Ranked, folds_of, names_of, views_of
from mindle.training.images.baselines import drawn, number_baselines
from mindle.training.images.diagnosis import Case, diagnose_numbers
from mindle.training.images.heads.candidates import NumberCandidate, NumberHeadData, clearly_better
from mindle.training.images.heads.features import ConcatFeatures
from mindle.training.images.heads.kernel import fit_rbf, fit_ridge, rbf_flops
from mindle.training.images.problem import Outcome, Problem
from mindle.training.images.selection import VIEWS_SHARE, ModelSelection, Quick
from mindle.training.loop.imbalance import OFF
from mindle.training.loop.objectives import Objective, Regression
from mindle.training.recipe import Recipe, read_recipe
from mindle.training.settings import AugmentSettings, ProbeSettings

# Kinds of head by their names in `probe.heads`, and what they are called here.
KINDS: dict[str, tuple[str, Callable[..., NumberCandidate]]] = {
    "rbf": ("rbf", fit_rbf),
    "logistic": ("ridge", fit_ridge),
}


class NumberSelection(ModelSelection[NumberCandidate]):
    """Model selection for a number; it is given what `ModelSelection` says."""

    fits_a_head = 12  # a search fits about so many pairs of settings
    data: NumberHeadData
    outputs: StandardisedNumber  # heads estimate standardised numbers

    def baseline(self) -> dict[str, Any]:
        """What always predicting the mean would reach."""
        mean = self.outputs.centre
        errors = np.abs(self.problem.truth[self.problem.val] - mean)
        note = message("selection.note.mean", mean=mean)
        return self.metric.attempt(message("selection.name.mean"), errors, note)

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

    def rank(self, backbones: Backbones, views: int = 0) -> Ranked[NumberCandidate]:
        """The better of kernel and ridge regression, or their mean where that is clearly closer."""
        on: str = names_of(backbones)
        on = message("selection.name.views", backbones=on, n=views) if views else on
        settings, features = self.recipe.probe, self.features(backbones)
        found = []
        for kind in [kind for kind in KINDS if kind in settings.heads] or ["logistic"]:
            kind_name, fit = KINDS[kind]
            name = message("selection.name.head", kind=kind_name, backbones=on)
            work = partial(fit, replace(self.data, views=views), features, settings)
            found.append(self.fitted(name, backbones, work, ranks=kind == "rbf"))
        best, _ = self.blended(found, on)
        return best

    def concatenated(
        self, best: Ranked[NumberCandidate], singles: Sequence[Ranked[NumberCandidate]]
    ) -> Ranked[NumberCandidate]:
        """The best single backbone, with each further one that is clearly worth its cost."""
        layout = best.backbones[0].layout
        for other in sorted(singles, key=lambda each: each.candidate.loss)[1:]:
            card = other.backbones[0].card
            if other.backbones[0].layout != layout:
                continue
            cost = 2 * self.rank_seconds() + self.further_seconds(other.backbones)
            if self.affords(f"join {card.name}", cost, message("selection.name.further", name=card.model)):
                best = _closer(self.rank([*best.backbones, *other.backbones]), best)
        return best

    def finished(self, best: Ranked[NumberCandidate]) -> Ranked[NumberCandidate]:
        """The same on augmented views too, where images are few and views clearly help."""
        views = views_of(self.recipe, self.problem)
        name, afford = message("selection.name.augmented"), partial(self._afford_views, best, views)
        if not views or not self.agreed("views", afford, name)["take"]:
            return best
        backbones, _ = self.timed(
            "embed",
            lambda: [
                self.backbone(self.engine(each.card), views, each.seconds_an_image) for each in best.backbones
            ],
        )
        return _closer(self.rank(backbones, views), best)

    def _afford_views(self, best: Ranked[NumberCandidate], views: int) -> dict[str, Any]:
        each, left = best.seconds_an_image, self.deadline.remaining()
        heads = 2 * self.rank_seconds() * rbf_flops(len(self.rows) * (views + 1)) / rbf_flops(len(self.rows))
        cost = each * views * len(self.rows) + heads
        return self.time_for(cost, VIEWS_SHARE * left - each * self.tests)

    # ---- what came of it --------------------------------------------------------------------------------

    def net_wins(self, best: Ranked[NumberCandidate], net: Outcome) -> bool:
        """A smaller mean absolute error on the val split."""
        return bool(net.tried[0]["value"] < (best.attempt["value"] or np.inf))

    def answered(self, candidate: NumberCandidate) -> NDArray[np.float64]:
        """Numbers in their own unit."""
        return np.asarray(candidate.scores * self.outputs.scale + self.outputs.centre)

    def quick(self) -> Quick:
        """A kernel head, or ridge regression where the recipe wants no kernels."""
        kind = "rbf" if "rbf" in self.recipe.probe.heads else "logistic"
        return partial(_quick, kind, self.outputs, self.recipe.probe)

    def scored(self, outcome: Outcome, candidate: NumberCandidate) -> Outcome:
        """The estimator on the best head."""
        scale = self.outputs.scale
        return replace(
            outcome,
            calibration=self._calibrated((self.data.truth - candidate.scores[:, 0]) * scale, outcome),
        )

    def _calibrated(self, errors: NDArray[np.float64], outcome: Outcome) -> Calibration:
        """Errors out of fold, in units of the place of each image where that makes intervals narrower."""
        known = outcome.out_of_fold
        difficulty = fit_difficulty(known.features, errors, known.groups, blocks=known.blocks, seed=self.seed)
        return calibrate(errors, self.data.folds, difficulty)


def _closer(new: Ranked[NumberCandidate], old: Ranked[NumberCandidate]) -> Ranked[NumberCandidate]:
    """The new head where it is clearly closer, else the old one."""
    return new if clearly_better(new.candidate, old.candidate) else old


def _quick(
    kind: str,
    outputs: StandardisedNumber,
    settings: ProbeSettings,
    truth: NDArray[np.float64],
    folds: NDArray[np.int64],
    features: ConcatFeatures,
) -> NDArray[np.float64]:
    """Estimates out of fold of a head, in the unit of the truth."""
    data = NumberHeadData(truth=(truth - outputs.centre) / outputs.scale, folds=folds)
    scores = KINDS[kind][1](data, features, settings).scores
    return np.asarray(scores[:, 0] * outputs.scale + outputs.centre)


# ---- the task --------------------------------------------------------------------------------------------


class ImageRegression:
    """See `ImageTask`."""

    selection, metric = NumberSelection, MAE
    baselines = staticmethod(number_baselines)
    baseline_rows = staticmethod(drawn)

    def require(self, recipe: Recipe) -> None:
        """Refuse settings about classes.

        Raises:
            ValueError: Naming the first such setting.
        """
        for name, off in OFF.items():
            value = getattr(recipe.train, name.removeprefix("train."))
            if value != off:
                raise ValueError(
                    f"`{name}` must be {off!r} where a number is estimated: it is about minority classes. "
                    f"Received {name}={value!r}. Leave it (or --imbalance) out."
                )

    def net_recipe(self, recipe: Recipe) -> Recipe:
        """The recipe without the random changes it makes by default: none is known to leave a number alone.

        Mirrored, an arrow points elsewhere; brightened, a sky is another hour. What differs from the recipe
        of that name was asked for, and stays.

        Example:
            >>> from mindle.training.recipe import read_recipe, with_settings
            >>> recipe = read_recipe("scratch")
            >>> asked = with_settings(recipe, {"augment.flip": "vertical"})
            >>> [ImageRegression().net_recipe(each).augment.flip for each in (recipe, asked)]
            ['none', 'vertical']
        """
        if recipe.augment != read_recipe(recipe.strategy).augment:
            return recipe
        return replace(recipe, augment=AugmentSettings())

    def outputs(self, problem: Problem) -> StandardisedNumber:
        """One number, standardised by the mean and the standard deviation over the training images."""
        targets = problem.truth[problem.train]
        return StandardisedNumber(centre=float(targets.mean()), scale=float(targets.std()) or 1.0)

    def objective(self, problem: Problem) -> Objective:
        """Huber loss and mean absolute error."""
        return Regression(unit=self.outputs(problem).scale)

    def labels(self, problem: Problem, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Standardised numbers."""
        outputs = self.outputs(problem)
        return (problem.truth[rows] - outputs.centre) / outputs.scale

    def net_outcome(
        self, problem: Problem, outcome: Outcome, scores: NDArray[np.float64], recipe: Recipe, seed: int
    ) -> Outcome:
        """Its prediction intervals rest on its errors on val, which also chose the epoch."""
        outputs = self.outputs(problem)
        val = scores[:, 0] * outputs.scale + outputs.centre
        errors = problem.truth[problem.val] - val
        calibration = calibrate(errors, np.zeros(len(errors), np.int64)) if len(errors) else None
        held_out = problem.held_out(problem.val, val[:, None])
        return replace(outcome, val_answers=val[:, None], calibration=calibration, out_of_fold=held_out)

    def diagnoses(self, problem: Problem, outcome: Outcome) -> tuple[Diagnosis, ...]:
        """The rules that ask nothing about classes."""
        targets = torch.from_numpy(self.labels(problem, problem.train))
        case = Case(
            train_scores=outcome.train_scores,
            history=outcome.history,
            seen=outcome.seen,
            mean_loss=float(torch.nn.functional.huber_loss(targets, torch.zeros_like(targets))),
        )
        return diagnose_numbers(case)
