"""Images with a number: how nets learn to estimate it, and how well."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from mindle.evaluation.conformal import calibrate
from mindle.models.classifier import StandardisedNumber
from mindle.records import Dataset, Diagnosis, InputSpec
from mindle.training.images.attempts import error_attempt
from mindle.training.images.baselines import number_baselines, some_evenly
from mindle.training.images.diagnosis import Case, diagnose_numbers
from mindle.training.loop.objectives import Objective, Regression
from mindle.training.recipe import Recipe, read_recipe
from mindle.training.settings import AugmentSettings

if TYPE_CHECKING:
    from mindle.training.images.nets import TrainedNet
    from mindle.training.images.problem import Outcome, Problem
    from mindle.training.images.selection import ModelSelection

# Settings of classes and their value where they are off; a number has none of them.
CLASS_SETTINGS = {"balance": "none", "oversample": 0.0, "focal_gamma": 0.0, "thresholds": False}


class ImageRegression:
    """See `ImageTask`."""

    @property
    def selection(self) -> type[ModelSelection[Any]]:
        """Ridge regression, a Gaussian kernel, and their mean."""
        from mindle.training.images.number_selection import NumberSelection

        return NumberSelection

    def require(self, recipe: Recipe) -> None:
        """Refuse settings about classes.

        Raises:
            ValueError: Naming the first such setting.
        """
        for name, off in CLASS_SETTINGS.items():
            value = getattr(recipe.train, name)
            if value != off:
                raise ValueError(
                    f"`train.{name}` must be {off!r} where a number is estimated: it is about minority "
                    f"classes. Received train.{name}={value!r}. Leave it (or --imbalance) out."
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

    def net_outcome(self, problem: Problem, net: TrainedNet) -> Outcome:
        """Its prediction intervals rest on its errors on val, which also chose the epoch."""
        outputs = self.outputs(problem)
        val = net.val_scores()[:, 0] * outputs.scale + outputs.centre
        errors = problem.truth[problem.val] - val
        scores, some = net.train_scores()
        known = scores[:, 0] * outputs.scale + outputs.centre - problem.truth[problem.train[some]]
        attempt = error_attempt(net.name, np.abs(errors), net.result.seconds, net.note)
        return replace(
            net.outcome(),
            val_answers=val[:, None],
            calibration=calibrate(errors, np.zeros(len(errors), np.int64)) if len(errors) else None,
            train_scores={"n": len(some), "mae": float(np.abs(known).mean())},
            tried=({**attempt, "chosen": True},),
        )

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

    def baselines(
        self, dataset: Dataset, spec: InputSpec, *, cache: Path | None = None, seed: int = 0
    ) -> dict[str, float]:
        """Mean absolute error of the mean, and of colours."""
        return number_baselines(dataset, spec, cache=cache, seed=seed)

    def baseline_rows(self, dataset: Dataset, count: int) -> NDArray[np.int64]:
        """Evenly spaced rows."""
        return some_evenly(dataset, count)
