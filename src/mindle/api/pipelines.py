"""Which pipeline data go through, by what they are: images or rows. Nothing else asks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mindle.api.costs import costs_for
from mindle.api.decisions import decisions_of
from mindle.data.reading import ReadingOptions, refuse
from mindle.messages import message
from mindle.records import Listener

if TYPE_CHECKING:
    from os import PathLike

    from mindle.api.beside import Beside
    from mindle.api.image_pipeline import ImagePipeline
    from mindle.api.table_pipeline import TablePipeline
    from mindle.training.images.options import ResolvedOptions
    from mindle.training.recipe import Recipe

_OF_IMAGES = ("strategy", "weights", "imbalance", "prefer")


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
    decisions: str | PathLike[str] | None = None
    cost: str | PathLike[str] | None = None
    with_neighbours: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.settings or {}, Mapping):
            raise TypeError(
                "`set` must map settings to values, such as {'train.learning_rate': 3e-4}. Received "
                f"{self.settings!r}."
            )

    def of_images(self) -> ResolvedOptions:
        """Every option of a training on images filled in.

        Raises:
            ValueError: If one is about rows, or a setting is wrong.
        """
        from mindle.training.images.options import resolve_options

        refuse({"folds": self.folds, "repeats": self.repeats}, "a table", "images")
        given = {name: getattr(self, name) for name in ("model", "budget", "settings", *_OF_IMAGES)}
        return resolve_options(self.recipe, **given)

    def of_rows(self) -> Recipe:
        """The recipe of a training on rows.

        Raises:
            ValueError: If an option is about images, or a setting is wrong.
        """
        from mindle.training.tables.selection import settle_table

        # Tables train on the processor.
        device = None if self.device in ("auto", "cpu") else self.device
        given = {name: getattr(self, name) for name in _OF_IMAGES}
        given["with_neighbours"] = self.with_neighbours or None
        refuse({**given, "device": device}, "images", "a table")
        return settle_table(
            self.recipe, models=self.model, folds=self.folds, repeats=self.repeats, settings=self.settings
        )


def open_pipeline(
    data: Any,
    reading: ReadingOptions,
    options: TrainingOptions,
    *,
    split_seed: int,
    listener: Listener,
    beside: Beside,
) -> ImagePipeline | TablePipeline:
    """Read data, and settle how they will be trained on.

    What was read is said at once, and a process begins to check images: to load PyTorch takes about as long.

    Raises:
        DataError: If nothing can be read.
        ValueError: If an option is about other data than these, or a setting is wrong.
        ModelError: If the model or its weights are not available.
        DeviceError: If the device is not there.
    """
    if not reading.is_table(data):
        dataset = reading.read_images(data, split_seed=split_seed)
        listener.say(message("commands.reading", name=dataset.name, n=len(dataset), unit="images"))
        from mindle.api.image_pipeline import ImagePipeline, begin_check
        from mindle.training.images.options import inputs_of

        resolved = options.of_images()
        decisions = decisions_of(options.decisions, resolved.recipe.doctor.precision)
        inputs = inputs_of(dataset, resolved)
        checked = begin_check(dataset, inputs.specs, beside, listener)
        from mindle.training.images.plan import make_plan

        plan = make_plan(dataset, resolved, device=options.device, inputs=inputs)
        return ImagePipeline(
            dataset=dataset,
            plan=plan,
            reading=reading,
            device=options.device,
            checked=checked,
            decisions=decisions,
            costs=costs_for(options.cost, dataset.classes),
            with_neighbours=options.with_neighbours,
        )
    table = reading.read_table(data)
    listener.say(message("commands.reading", name=table.name, n=len(table), unit="rows"))
    from mindle.api.table_pipeline import TablePipeline
    from mindle.training.budget import parse_budget
    from mindle.training.tables.selection import BUDGET_SECONDS

    recipe = options.of_rows()
    # A recipe runs to its end unless a budget is given.
    usual = options.budget is None and options.recipe is None
    return TablePipeline(
        table=table,
        recipe=recipe,
        reading=reading,
        budget_seconds=parse_budget(BUDGET_SECONDS if usual else options.budget),
        decisions=decisions_of(options.decisions, recipe.doctor.precision),
        costs=costs_for(options.cost, table.classes),
    )
