"""`tune`: read → check → split → search → the winner as an ordinary run: fit → bundle → evaluate → report."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from mindle.api.checks import require_classes
from mindle.api.image_pipeline import ImagePipeline, rehearsed
from mindle.api.models import Run
from mindle.api.pipeline import conclude
from mindle.api.run_context import RunContext, RunRequest, in_run_folder
from mindle.api.searches import (
    SEARCH_FILE,
    hidden_storage,
    require_counts,
    require_optuna,
    run_search,
    study_name,
    trials_wanted,
)
from mindle.api.table_studies import SearchOptions, tune_table
from mindle.artifacts.run import RunFolder
from mindle.artifacts.run_log import RunLog
from mindle.data.reading import ReadingKeywords, ReadingOptions, refuse, takes_reading_options
from mindle.records import Dataset, Listener

if TYPE_CHECKING:
    from mindle.training.images.plan import ResolvedOptions
    from mindle.training.recipe import Recipe
    from mindle.training.search.image_trials import Bench
    from mindle.training.search.space import Space
    from mindle.training.search.workers import Task

Source = str | os.PathLike[str]


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
    """Search for the recipe that suits the data, train the winner and evaluate it once, on the test split.

    Trials never see the test split: a net is evaluated on val, a head out of fold on train and val, a
    table out of fold on the rows outside the test split, which is sealed for small tables too. A search that
    was killed goes on with `resume`, and no trial of it is lost.

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
        listener: Hears sentences and progress; prints to standard output unless set.
        **reading: How the data are read, see `ReadingOptions`.

    Returns:
        The run of the winner; its recipe lies in `recipe.toml`, every trial in `trials.csv`.

    Raises:
        ValueError: If an argument is wrong, or the space names what is not there.
        DataError: If the data hold nothing to learn from.
        ModelError: If a model or its weights are not available, or no trial finished.
        DeviceError: If Optuna is not installed, or the storage cannot be reached.

    Example:
        >>> run = tune("photos/", trials=200)  # doctest: +SKIP
        >>> run.metrics["test"]["accuracy"]["value"] > 0.9  # doctest: +SKIP
        True
    """
    require_optuna()
    from mindle.training.budget import parse_budget
    from mindle.training.images.plan import make_plan, resolve_options
    from mindle.training.recipe import from_dict

    request = RunRequest.of(
        out=out, resume=resume, seed=seed, split_seed=split_seed, lang=lang, track=track, listener=listener
    )
    listener = request.listener
    require_counts(trials, workers)
    seconds = parse_budget(budget)
    options = ReadingOptions.of(reading, tune)
    if options.is_table(data):
        from mindle.training.tables.selection import settle_table

        about_images = {
            "strategy": strategy,
            "weights": weights,
            "device": None if device in ("auto", "cpu") else device,  # tables train on the processor
        }
        refuse(about_images, "images", "a table")
        return tune_table(
            data,
            options,
            settle_table(recipe, models=model, folds=folds, settings=set),
            SearchOptions(
                space=space,
                models=tuple(name.strip() for name in (model or "").split(",") if name.strip()),
                trials=trials,
                budget_seconds=seconds,
                sampler=sampler,
                storage=storage,
                workers=workers,
                seed=seed,
                split_seed=split_seed,
            ),
            request=request,
        )
    refuse({"folds": folds}, "a table", "images")
    settled = replace(
        resolve_options(recipe, model=model, strategy=strategy, weights=weights, settings=set),
        budget_seconds=seconds,
    )

    # ── what is varied, checked before anything is done ──
    dataset = options.read_images(data, split_seed=split_seed)
    require_classes(dataset, "A search of recipes")
    entries, settled = _entries(space, settled, dataset, listener)
    bases = _bases(entries, settled, recipe, model, set)
    plan = make_plan(dataset, replace(settled, recipe=bases[settled.recipe.strategy]), device=device)
    work = _task(
        dataset,
        options,
        plan.typical_size,
        entries,
        bases,
        settled,
        sampler=sampler,
        seed=seed,
        split_seed=split_seed,
        device=device,
    )
    varied = work.space()
    work = replace(work, trials=trials_wanted(trials, seconds, varied, sampler))

    # ── the run folder ──
    asked = {
        "source": dataset.source,
        **{name: value for name, value in settled.as_dict().items() if name != "budget_seconds"},
        "space": varied.as_dict(),
        "sampler": sampler,
        "storage": hidden_storage(storage),
        "seed": seed,
        "split_seed": split_seed,
        "device": device,
        **options.as_dict(),
    }
    pipeline = ImagePipeline(dataset=dataset, plan=plan, reading=options, device=device, searched=True)

    def search_and_train(run: RunContext) -> None:
        pipeline.check(run)
        # ── search, unless a winner was found before ──
        if "search" not in run.log.document:
            placed = _placed(work, run.folder, pipeline.dataset, run.log, storage)
            with run.log.stage("search"):
                _search(
                    placed,
                    pipeline.dataset,
                    run,
                    workers=workers,
                    budget=seconds,
                    rehearse=partial(rehearsed, plan, pipeline.dataset),
                )
        winner = replace(settled, recipe=from_dict(run.log.document["recipe"]))
        pipeline.plan = make_plan(pipeline.dataset, winner, device=device)
        run.listener.say("Refitting the best configuration; evaluating once on test.")
        conclude(pipeline, run, pipeline.fit(run))

    return in_run_folder(
        request,
        asked,
        search_and_train,
        name=dataset.name,
        kind=dataset.kind,
        kept=("search", "recipe"),
    )


# ---- before the search ------------------------------------------------------------------------------------


def _entries(
    space: Source | Mapping[str, Any] | None, settled: ResolvedOptions, dataset: Dataset, listener: Listener
) -> tuple[dict[str, Any], ResolvedOptions]:
    """The entries of the space, and what was asked with a strategy in place of "auto"."""
    from mindle.data import typical_size
    from mindle.training.images.nets import SMALL_SIDE
    from mindle.training.recipe import read_recipe
    from mindle.training.search.space import entries_of, read_space

    recipe = settled.recipe
    if recipe.strategy == "auto":
        small = max(typical_size(dataset)) <= SMALL_SIDE
        start = read_recipe("scratch" if small else "probe")
        recipe = replace(start, model=recipe.model, input=recipe.input)
        listener.say(f"strategy {recipe.strategy}, by the size of the images; --strategy sets another")
    if isinstance(space, Mapping):
        entries = entries_of(space)
    else:
        entries = read_space(None if space is None else Path(space), recipe.strategy)
        if space is None and recipe.model.name:
            entries.pop("model.name", None)  # it was named
    return entries, replace(settled, recipe=recipe)


def _bases(
    entries: Mapping[str, Any],
    settled: ResolvedOptions,
    recipe: Source | None,
    model: str | None,
    settings: Mapping[str, Any] | None,
) -> dict[str, Recipe]:
    """The recipe that points change, for each strategy that the space can name."""
    from mindle.training.images.nets import net_layers, net_spec
    from mindle.training.images.plan import resolve_options
    from mindle.training.recipe import STRATEGIES

    entry = entries.get("strategy", settled.recipe.strategy)
    named = entry.get("choices", []) if isinstance(entry, Mapping) else [entry]
    bases = {settled.recipe.strategy: settled.recipe}
    for strategy in named:
        if strategy == "auto" or strategy not in STRATEGIES:
            raise ValueError(
                "`strategy` in the space must be of probe, inline, finetune and scratch. "
                f"Received {strategy!r}."
            )
        if strategy not in bases:
            bases[strategy] = resolve_options(
                recipe, model=model, strategy=strategy, settings=settings
            ).recipe
    if any(name.startswith("model.layers.") for name in entries) and "scratch" in bases:
        # A net of the zoo that is varied layer by layer is spelt out.
        base = bases["scratch"]
        spec = net_spec(base, (base.input.height or 32, base.input.width or 32), gray=False)
        layers = tuple(net_layers(base, spec))
        bases["scratch"] = replace(base, model=replace(base.model, layers=layers))
    return bases


def _task(
    dataset: Dataset,
    options: ReadingOptions,
    size: tuple[int, int],
    entries: Mapping[str, Any],
    bases: Mapping[str, Recipe],
    settled: ResolvedOptions,
    *,
    sampler: str,
    seed: int,
    split_seed: int,
    device: str,
) -> Task:
    """What processes must know, less where the study and the manifest lie."""
    from mindle.training.search.study import SAMPLERS
    from mindle.training.search.workers import Task, bases_as_dict

    if sampler not in SAMPLERS:
        raise ValueError(f"`sampler` must be one of {', '.join(SAMPLERS)}. Received {sampler!r}.")
    names = _backbones(bases, settled.weights)
    alone = [name for name in names if "+" not in name]
    if alone:
        # Where neither the space nor the call names a backbone, it is the first at hand.
        bases = {
            strategy: base
            if base.model.name or strategy == "scratch"
            else replace(base, model=replace(base.model, name=alone[0]))
            for strategy, base in bases.items()
        }
    return Task(
        source=dataset.source,
        reading=options.as_dict(),
        split_seed=split_seed,
        manifest="",
        classes=(),
        typical_size=size,
        storage="",
        name="",
        entries=entries,
        bases=bases_as_dict(bases),
        strategy=settled.recipe.strategy,
        backbones=names,
        views=_most_views(dataset),
        sampler=sampler,
        trials=None,
        weights=None if settled.weights is None else str(settled.weights.absolute()),
        device=device,
        seed=seed,
        folder="",
    )


def _backbones(bases: Mapping[str, Recipe], weights: Path | None) -> tuple[str, ...]:
    """The backbones at hand, alone and joined, as `model.name` takes them."""
    if not any(strategy != "scratch" for strategy in bases):
        return ()
    from mindle.models.pretrained.weights import find_weights
    from mindle.training.images.selection import common_layout
    from mindle.training.search.space import joined_names

    groups: dict[Any, list[str]] = {}
    for card in common_layout(find_weights(weights)):
        names = groups.setdefault((card.spec.shape, card.spec.fit, card.spec.interpolation), [])
        if card.model not in names:
            names.append(card.model)
    return joined_names(groups.values())


def _most_views(dataset: Dataset) -> int:
    """As many augmented views as `auto` would give, by the number of all images."""
    from mindle.training.images.selection import MOST_VIEWED_ROWS, MOST_VIEWS

    return max(0, min(MOST_VIEWS, MOST_VIEWED_ROWS // max(len(dataset), 1) - 1))


def _placed(task: Task, folder: RunFolder, dataset: Dataset, run_log: RunLog, storage: str | None) -> Task:
    """The task with where its study, its manifest and its checkpoints lie."""
    document = run_log.document
    return replace(
        task,
        manifest=str(folder.manifest),
        classes=dataset.classes,
        storage=storage or f"sqlite:///{folder.path / SEARCH_FILE}",
        name=study_name(dataset.name, document["asked"], document["data"]["fingerprint"]),
        folder=str(folder.path / "trials"),
    )


# ---- the search -------------------------------------------------------------------------------------------


def _search(
    task: Task,
    dataset: Dataset,
    run: RunContext,
    *,
    workers: int,
    budget: float | None,
    rehearse: Callable[[], float],
) -> None:
    """Run the trials, and write down what came of them."""
    from mindle.training.budget import Finish

    whole = run.deadline(budget)
    deadline = whole.reserving(Finish(whole.costs, rehearse))
    deadline.require(0.0, "trials")
    search, bench = task.search(), task.bench(dataset, deadline, run.listener)
    run_search(
        task,
        search,
        bench,
        run,
        workers=workers,
        deadline=deadline,
        ahead=lambda: _embed_ahead(search.space, bench),
    )
    shutil.rmtree(task.folder, ignore_errors=True)


def _embed_ahead(space: Space, bench: Bench) -> None:
    """Embed what trials with heads will need, unless it depends on how views are drawn."""
    if any(dimension.name.startswith("augment.") for dimension in space.dimensions):
        return
    wanted = ("strategy", "model.name", "model.pooling", "probe.views")
    points: list[dict[str, Any]] = [{}]
    for dimension in space.dimensions:
        if dimension.name in wanted and dimension.choices:
            points = [
                {**point, **({dimension.name: choice} if dimension.applies(point) else {})}
                for point in points
                for choice in dimension.choices
            ]
    bench.embed(space.recipe(point) for point in points)
