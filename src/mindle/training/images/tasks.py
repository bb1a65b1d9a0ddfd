"""What training on images asks of a task, and where it is looked up."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mindle.models.classifier import Outputs
from mindle.records import Dataset, Diagnosis, InputSpec, Task
from mindle.training.images.attempts import Metric
from mindle.training.images.classification import ImageClassification
from mindle.training.images.problem import Outcome, Problem
from mindle.training.images.regression import ImageRegression
from mindle.training.images.selection import ModelSelection
from mindle.training.loop.objectives import Objective
from mindle.training.recipe import Recipe


class ImageTask(Protocol):
    """How images of one family of tasks are learned from."""

    @property
    def selection(self) -> type[ModelSelection[Any]]:
        """Which heads are tried, and how the best is chosen."""

    @property
    def metric(self) -> Metric:
        """What candidates are compared by."""

    def require(self, recipe: Recipe) -> None:
        """Refuse a recipe with settings that mean nothing here.

        Raises:
            ValueError: Naming the first such setting.
        """

    def net_recipe(self, recipe: Recipe) -> Recipe:
        """The recipe by which a net is trained, with defaults that suit the task."""

    def outputs(self, problem: Problem) -> Outputs:
        """What the scores of a model stand for, as the last layer needs it."""

    def objective(self, problem: Problem) -> Objective:
        """Loss and measure."""

    def labels(self, problem: Problem, rows: NDArray[np.int64]) -> NDArray[Any]:
        """What the loop is to learn of some rows: class numbers, or standardised numbers."""

    def net_outcome(
        self, problem: Problem, outcome: Outcome, scores: NDArray[np.float64], recipe: Recipe, seed: int
    ) -> Outcome:
        """What came of a trained net, calibrated on val by its scores (image, output) there."""

    def diagnoses(self, problem: Problem, outcome: Outcome) -> tuple[Diagnosis, ...]:
        """What was wrong with the training; nothing for a healthy one."""

    def baselines(self, dataset: Dataset, spec: InputSpec, *, seed: int = 0) -> dict[str, float]:
        """What two models that do not look at shapes reach on the test split."""

    def baseline_rows(self, dataset: Dataset, count: int) -> NDArray[np.int64]:
        """About so many training rows that the baselines can be timed on."""


# By `Task.family`; another package adds an entry.
TASKS: dict[str, ImageTask] = {
    "classification": ImageClassification(),
    "regression": ImageRegression(),
}


def of(task: Task) -> ImageTask:
    """What is done for a task.

    Example:
        >>> of(Task("binary")) is of(Task("multiclass")), of(Task("regression")).selection.__name__
        (True, 'NumberSelection')
    """
    return TASKS[task.family]
