"""`tune`: read → check → split → search → refit the best recipe → bundle → evaluate → report."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from mindle.api.check import require_classes
from mindle.api.image_pipeline import ImagePipeline, rehearsed
from mindle.api.models import Run
from mindle.api.pipeline import carry_out
from mindle.api.pipelines import TrainingOptions
from mindle.api.run_context import RunContext, RunRequest
from mindle.api.table_pipeline import TablePipeline, before_evaluation
from mindle.artifacts.files import write_text
from mindle.data.reading import ReadingKeywords, ReadingOptions, takes_reading_options
from mindle.errors import DeviceError
from mindle.messages import message
from mindle.records import Listener, record_of
from mindle.training.budget import Deadline, Finish, parse_budget

if TYPE_CHECKING:
    from mindle.training.images.options import ResolvedOptions
    from mindle.training.images.problem import Outcome
    from mindle.training.recipe import Recipe
    from mindle.training.search.space import Space
    from mindle.training.search.study import Search, Trial
    from mindle.training.search.task import SearchTask
    from mindle.training.tables.selection import TableOutcome

Source = str | os.PathLike[str]

# The study's storage in the run folder, where no other was named.
SEARCH_FILE = "search.db"


@takes_reading_options()
def tune(
    data: Any,
    *,
    space: Source | Mapping[str, Any] | None = None,
    trials: int | None = None,
    budget: str | float | None = None,
    sampler: str = "tpe",
    storage: str | None = None,
    workers: int = 1,
    recipe: Source | None = None,
    model: str | None = None,
    strategy: str | None = None,
    weights: Source | None = None,
    seed: int = 0,
    split_seed: int = 0,
    device: str = "auto",
    out: Source | None = None,
    resume: bool = False,
    set: Mapping[str, Any] | None = None,
    folds: int | None = None,
    lang: str = "en",
    track: str | None = None,
    listener: Listener | None = None,
    **reading: Unpack[ReadingKeywords],
) -> Run:
    """Search for the recipe that suits the data, refit the best one, and evaluate it once on the test split.

    Trials never see the test split: a net is evaluated on the val split, a head by cross-validation on train
    and val, a table by cross-validation on the rows outside the test split, which is sealed for small tables
    too. A search that was killed goes on with `resume`, and no trial of it is lost.

    Args:
        data: As `train` takes it.
        space: What is varied, a TOML file or the entries of its table `[space]`; one that suits the strategy
            unless set.
        trials: How many; 50 unless set or there is a budget, and every point of a grid.
        budget: Time for everything: "90s", "10m", "1h30m", or seconds.
        sampler: "tpe", "random" or "grid".
        storage: URL of a database for the study; a file in the run folder unless set. Calls with the same
            data, space and seed and the same storage share one search.
        workers: How many processes run trials at once.
        recipe: Where the search begins: a named recipe or a TOML file.
        model: A backbone or net by name, where the space does not vary it. Of a table: models to choose from,
            such as "linear, SVM".
        strategy: "probe", "inline", "finetune" or "scratch"; by the size of the images unless set.
        weights: A weight file, or a folder of them with their cards.
        seed: Of the search, and of every training.
        split_seed: Seed of the split.
        device: "auto", "cpu", "cuda" or "mps"; tables train on the processor.
        out: The run folder; `runs/<data>-<n>` unless set.
        resume: Go on with the unfinished search in `out`; `trials`, `budget` and `workers` may be others.
        set: Settings of the recipe to change in all trials.
        folds: Of a table: number of folds of the cross-validation that scores trials (default 5).
        lang: Language of the report, "en" or "ko".
        track: "mlflow[:URI]" or "tensorboard[:DIR]": where settings, trials and scores are logged too.
        listener: Receives messages and progress; prints to standard output unless set.
        **reading: How the data are read, see `ReadingOptions`.

    Returns:
        The run of the best recipe, which lies in `recipe.toml`, every trial in `trials.csv`.

    Raises:
        ValueError: If an argument is wrong, or the space names what is not there.
        DataError: If the data hold nothing to learn from.
        ModelError: If a model or its weights are not available, or no trial completed.
        DeviceError: If Optuna is not installed, or the storage cannot be reached.

    Example:
        >>> run = tune("photos/", trials=200)  # doctest: +SKIP
        >>> run.metrics["test"]["accuracy"]["value"] > 0.9  # doctest: +SKIP
        True
    """
    if find_spec("optuna") is None:
        raise DeviceError("A search needs Optuna, which is not installed: `pip install 'mindle[tune]'`.")
    given = {**locals(), "settings": set}
    request, options = record_of(RunRequest, given), record_of(SearchOptions, given)
    training, wanted = record_of(TrainingOptions, given), ReadingOptions.of(reading, tune)
    opened = _table_search if wanted.is_table(data) else _image_search
    return carry_out(opened(data, wanted, training, options, request), request)


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """How a search is run; see `tune` for each.

    Raises:
        ValueError: If one is wrong.
    """

    space: Source | Mapping[str, Any] | None
    trials: int | None
    budget: str | float | None
    sampler: str
    storage: str | None
    workers: int

    def __post_init__(self) -> None:
        from mindle.training.search.sampler import require_sampler

        for name, count in (("trials", self.trials), ("workers", self.workers)):
            if count is not None and not (isinstance(count, int) and 1 <= count <= 1_000_000):
                raise ValueError(f"`{name}` must be 1 or more. Received {name}={count!r}.")
        require_sampler(self.sampler)
        parse_budget(self.budget)

    def entries(self, strategy: str) -> dict[str, Any]:
        """What is varied: as asked, or as suits the strategy."""
        from mindle.training.search.space import read_space

        return read_space(
            self.space if isinstance(self.space, Mapping | None) else Path(self.space), strategy
        )

    def asked(self, asked: Mapping[str, Any], space: Space) -> dict[str, Any]:
        """Settings of a run with those of its search; the storage stands there without its password."""
        from mindle.training.search.storage import without_password

        storage = None if self.storage is None else without_password(self.storage)
        # A search that goes on may have another budget.
        rest = {name: value for name, value in asked.items() if name != "budget_seconds"}
        return {**rest, "space": space.as_dict(), "sampler": self.sampler, "storage": storage}


# ---- images and tables ------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class ImageSearch(ImagePipeline):
    """A run on images whose recipe is searched for.

    Attributes:
        options: What was asked; the recipe is where the search begins.
        space: The recipes.
        search: How it is searched.
    """

    searched = True

    options: ResolvedOptions
    space: Space
    search: SearchOptions

    def asked(self, request: RunRequest) -> dict[str, Any]:
        """Every setting of the call, as run.json keeps it."""
        return self.search.asked({**super().asked(request), **self.options.as_dict()}, self.space)

    def fit(self, run: RunContext) -> Outcome:
        """Search for the best recipe, and carry it out."""
        search(self, run)
        return super().fit(run)

    def deadline(self, whole: Deadline) -> Deadline:
        """The same with time reserved for a bundle, its evaluation and the report."""
        deadline = whole.reserving(Finish(whole.costs, partial(rehearsed, self.plan, self.dataset)))
        deadline.require(0.0, "trials")
        return deadline

    def search_task(self, run: RunContext) -> SearchTask:
        """Trials on the train and val splits."""
        from mindle.training.images.problem import Problem
        from mindle.training.search.images import ImageOrigin, ImageTask

        dataset = self.dataset
        return ImageTask(
            problem=Problem.of(dataset, typical_size=self.plan.typical_size),
            space=self.space,
            weights=self.options.weights,
            device=self.plan.device,
            seed=run.request.seed,
            folder=run.folder.path / "trials",
            listener=run.listener,
            origin=ImageOrigin(
                source=dataset.source,
                reading=self.reading.as_dict(),
                split_seed=run.request.split_seed,
                manifest=str(run.folder.manifest),
                classes=dataset.classes,
            ),
        )

    def take(self, recipe: Recipe) -> None:
        """Plan the best recipe."""
        from mindle.training.images.plan import make_plan

        self.plan = make_plan(self.dataset, replace(self.options, recipe=recipe), device=self.device)


@dataclass(kw_only=True)
class TableSearch(TablePipeline):
    """A run on rows, sealed when they were read, whose recipe is searched for.

    Attributes:
        space: The recipes.
        search: How it is searched.
    """

    searched = True

    space: Space
    search: SearchOptions

    def asked(self, request: RunRequest) -> dict[str, Any]:
        """Every setting of the call, as run.json keeps it."""
        return self.search.asked(super().asked(request), self.space)

    def fit(self, run: RunContext) -> TableOutcome:
        """Search for the best recipe, and refit its models."""
        search(self, run)
        return super().fit(run)

    def check(self, run: RunContext) -> None:
        """Write down what the rows are."""
        run.record_data(self.table)
        test = len(self.table.rows("test"))
        run.listener.say(message("search.say.sealed", test=test, rest=len(self.table.rows()) - test))

    def deadline(self, whole: Deadline) -> Deadline:
        """The same with time reserved for a bundle, its evaluation, explanations and the report."""
        return before_evaluation(self.table, whole)

    def search_task(self, run: RunContext) -> SearchTask:
        """Trials on the rows outside the test split."""
        from mindle.training.search.tables import TableOrigin, TableTask

        request = run.request
        origin = TableOrigin(
            source=self.table.source, reading=self.reading.as_dict(), split_seed=request.split_seed
        )
        return TableTask.of(self.table, self.space, seed=request.seed, origin=origin)

    def take(self, recipe: Recipe) -> None:
        """Fit the best recipe to the rows that trials saw."""
        self.recipe = recipe


def _image_search(
    data: Any,
    reading: ReadingOptions,
    training: TrainingOptions,
    options: SearchOptions,
    request: RunRequest,
) -> ImageSearch:
    """Read images, and settle what is searched; everything is checked before anything is done."""
    from mindle.training.images.plan import make_plan
    from mindle.training.search.images import image_bases, image_space, starting_recipe

    resolved = training.of_images()
    dataset = reading.read_images(data, split_seed=request.split_seed)
    require_classes(dataset, "A search of recipes")
    recipe = starting_recipe(resolved.recipe, dataset, request.hears)
    entries = options.entries(recipe.strategy)
    if options.space is None and recipe.model.name:
        entries.pop("model.name", None)  # it was named
    bases = image_bases(
        entries, recipe, lambda strategy: replace(training, strategy=strategy).of_images().recipe
    )
    return ImageSearch(
        dataset=dataset,
        plan=make_plan(dataset, replace(resolved, recipe=bases[recipe.strategy]), device=training.device),
        reading=reading,
        device=training.device,
        options=replace(resolved, recipe=recipe),
        space=image_space(entries, bases, recipe.strategy, resolved.weights, len(dataset)),
        search=options,
    )


def _table_search(
    data: Any,
    reading: ReadingOptions,
    training: TrainingOptions,
    options: SearchOptions,
    request: RunRequest,
) -> TableSearch:
    """Read rows, seal the test split, and settle what is searched."""
    from mindle.training.recipe import TABLE
    from mindle.training.search.tables import seal, table_space

    recipe = training.of_rows()
    table = seal(reading.read_table(data), seed=request.split_seed)
    if options.workers > 1 and table.kind == "frame":
        raise ValueError(
            f"`workers` must be 1 for a data frame, which other processes cannot read. Received "
            f"workers={options.workers}. Write it to a CSV file."
        )
    models = [name.strip() for name in (training.model or "").split(",") if name.strip()]
    space = table_space(options.entries(TABLE), recipe, table, models)
    return TableSearch(table=table, recipe=recipe, reading=reading, space=space, search=options)


# ---- the search -------------------------------------------------------------------------------------------


def search(searched: ImageSearch | TableSearch, run: RunContext) -> None:
    """Let a pipeline take the best recipe, which an interrupted call may have found already."""
    from mindle.training.recipe import from_dict

    if "search" not in run.log.document:
        with run.log.stage("search"):
            _search(searched, run)
    run.listener.say(message("search.say.refit"))
    searched.take(from_dict(run.log.document["recipe"]))


def _search(searched: ImageSearch | TableSearch, run: RunContext) -> None:
    """Run the trials, and write down what came of them: the best recipe in run.json and recipe.toml."""
    from mindle.training.search.runner import run_search, trial_count
    from mindle.training.search.study import StudyOptions, open_search

    options, document = searched.search, run.log.document
    seconds = parse_budget(options.budget)
    deadline = searched.deadline(run.deadline(seconds))
    study = StudyOptions(
        storage=options.storage or f"sqlite:///{run.folder.path / SEARCH_FILE}",
        name=study_name(searched.name, document["asked"], document["data"]["fingerprint"]),
        sampler=options.sampler,
        trials=trial_count(options.trials, seconds is not None, searched.space, options.sampler),
        seed=run.request.seed,
    )
    opened = open_search(searched.search_task(run), study)
    best = run_search(opened, deadline, workers=options.workers, listener=run.listener)
    _record(opened, best, run)
    opened.close()
    shutil.rmtree(run.folder.path / "trials", ignore_errors=True)


def study_name(name: str, asked: Mapping[str, Any], fingerprint: str) -> str:
    """The same for the same search, so that calls that share a storage share it; never for another."""
    facts = {key: value for key, value in asked.items() if key not in ("source", "weights", "storage")}
    text = json.dumps([fingerprint, facts], sort_keys=True, default=str)
    return f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _record(search: Search, best: Trial, run: RunContext) -> None:
    """Write down the trials and the best recipe."""
    from mindle.training.recipe import as_dict, as_toml
    from mindle.training.search.storage import without_password
    from mindle.training.search.study import STATES, finished_trials, importance

    task, options, trials = search.task, search.options, finished_trials(search)
    recipe, states = task.space.recipe(best.point), [trial.state for trial in trials]
    write_text(run.folder.path / "recipe.toml", as_toml(recipe))
    run.folder.write_trials([_document(trial, task.score) for trial in trials])
    run.log.record(
        recipe=as_dict(recipe),
        search={
            "sampler": options.sampler,
            "storage": SEARCH_FILE
            if options.storage.endswith(SEARCH_FILE)
            else without_password(options.storage),
            "study": options.name,
            "score": task.score,
            "best": best.number,
            "counts": {state: states.count(state) for state in STATES.values()},
            "space": task.space.as_dict(),
            "importance": importance(search),
            "notes": list(dict.fromkeys(trial.note for trial in trials if trial.note)),
        },
    )
    run.listener.say(message("search.say.recipe", path=str(run.folder.path / "recipe.toml")))


def _document(trial: Trial, score: str) -> dict[str, Any]:
    """A trial as a row of trials.csv."""
    names = ("number", "state", "value", "accuracy", "seconds", "note")
    shown = {score if name == "value" else name: getattr(trial, name) for name in names}
    return {**shown, "settings": dict(trial.point)}
