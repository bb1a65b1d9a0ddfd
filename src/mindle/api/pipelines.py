"""Which pipeline data go through, by what they are: images or rows. Nothing else asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mindle.data.reading import ReadingOptions, refuse

if TYPE_CHECKING:
    from os import PathLike

    from mindle.api.image_pipeline import ImagePipeline
    from mindle.api.table_pipeline import TablePipeline
    from mindle.training.recipe import Recipe


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How a caller wants to train; see `mindle.train` for each."""

    recipe: str | PathLike[str] | Recipe | None = None
    model: str | None = None
    budget: str | float | None = None
    settings: Mapping[str, Any] | None = None
    device: str = "auto"
    strategy: str | None = None
    weights: str | PathLike[str] | None = None
    imbalance: str | None = None
    prefer: str | None = None
    folds: int | None = None
    repeats: int | None = None

    def require_for_rows(self) -> None:
        """Refuse options that are about images.

        Raises:
            ValueError: Naming the first of them.
        """
        given = {name: getattr(self, name) for name in ("strategy", "weights", "imbalance", "prefer")}
        # Tables train on the processor.
        refuse(
            {**given, "device": None if self.device in ("auto", "cpu") else self.device}, "images", "a table"
        )

    def require_for_images(self) -> None:
        """Refuse options that are about rows.

        Raises:
            ValueError: Naming the first of them.
        """
        refuse({"folds": self.folds, "repeats": self.repeats}, "a table", "images")


def open_pipeline(
    data: Any, reading: ReadingOptions, options: TrainingOptions, *, split_seed: int
) -> ImagePipeline | TablePipeline:
    """Read data, and settle how they will be trained on.

    Raises:
        DataError: If nothing can be read.
        ValueError: If an option is about other data than these, or a setting is wrong.
        ModelError: If the model or its weights are not available.
        DeviceError: If the device is not there.
    """
    if reading.is_table(data):
        options.require_for_rows()
        return _table_pipeline(data, reading, options)
    options.require_for_images()
    return _image_pipeline(data, reading, options, split_seed)


def _image_pipeline(
    data: Any, reading: ReadingOptions, options: TrainingOptions, split_seed: int
) -> ImagePipeline:
    from mindle.api.image_pipeline import ImagePipeline
    from mindle.training.images.plan import make_plan, resolve_options

    resolved = resolve_options(
        options.recipe,
        model=options.model,
        strategy=options.strategy,
        weights=options.weights,
        budget=options.budget,
        settings=options.settings,
        imbalance=options.imbalance,
        prefer=options.prefer,
    )
    dataset = reading.read_images(data, split_seed=split_seed)
    plan = make_plan(dataset, resolved, device=options.device)
    return ImagePipeline(dataset=dataset, plan=plan, reading=reading, device=options.device)


def _table_pipeline(data: Any, reading: ReadingOptions, options: TrainingOptions) -> TablePipeline:
    from mindle.api.table_pipeline import TablePipeline
    from mindle.training.budget import parse_budget
    from mindle.training.tables.selection import BUDGET_SECONDS, settle_table

    recipe = settle_table(
        options.recipe,
        models=options.model,
        folds=options.folds,
        repeats=options.repeats,
        settings=options.settings,
    )
    # A recipe runs to its end unless a budget is given.
    usual = options.budget is None and options.recipe is None
    return TablePipeline(
        table=reading.read_table(data),
        recipe=recipe,
        reading=reading,
        budget_seconds=parse_budget(BUDGET_SECONDS if usual else options.budget),
    )
