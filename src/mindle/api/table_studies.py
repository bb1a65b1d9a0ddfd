"""`tune` on a table: read → check → seal a test split → search → the winner fitted, packed and evaluated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindle.api.models import Run
from mindle.api.pipeline import conclude
from mindle.api.run_context import RunContext, RunRequest, in_run_folder
from mindle.api.searches import SEARCH_FILE, hidden_storage, run_search, study_name, trials_wanted
from mindle.api.table_pipeline import TablePipeline, before_evaluation, record_table
from mindle.data.reading import ReadingOptions
from mindle.records import Table

if TYPE_CHECKING:
    from mindle.training.recipe import Recipe
    from mindle.training.search.table_task import TableTask


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """How a search is run; see `mindle.tune` for each.

    Attributes:
        space: A TOML file, or the entries of its table `[space]`; the one for tables unless set.
        models: Names of the models to choose from; all that suit the table where empty.
        trials: How many; None for as many as there is time for, or the usual number.
        budget_seconds: Time for everything.
        sampler: "tpe", "random" or "grid".
        storage: URL of a database for the study; a file in the run folder where None.
        workers: How many processes run trials at once.
        seed: Of the search, and of every training.
        split_seed: Of the sealed part.
    """

    space: Any = None
    models: tuple[str, ...] = ()
    trials: int | None = None
    budget_seconds: float | None = None
    sampler: str = "tpe"
    storage: str | None = None
    workers: int = 1
    seed: int = 0
    split_seed: int = 0


def tune_table(
    data: Any,
    options: ReadingOptions,
    recipe: Recipe,
    search: SearchOptions,
    *,
    request: RunRequest,
) -> Run:
    """Search over the models of a table; the arguments are those of `mindle.tune`.

    `recipe` is where the search begins.
    """
    from mindle.training.recipe import as_dict
    from mindle.training.search.table_task import seal

    table = seal(options.read_table(data), seed=search.split_seed)
    task = _task(table, options, recipe, search)

    # ── the run folder ──
    asked = {
        "source": table.source,
        "recipe": {**as_dict(recipe), **options.as_dict()},
        "space": task.space().as_dict(),
        "sampler": search.sampler,
        "storage": hidden_storage(search.storage),
        "seed": search.seed,
        "split_seed": search.split_seed,
        "device": "cpu",
    }
    pipeline = TablePipeline(table=table, recipe=recipe, reading=options, searched=True)
    return in_run_folder(
        request,
        asked,
        partial(_search_and_conclude, pipeline, task, search),
        name=table.name,
        kind="table",
        kept=("search", "recipe"),
    )


def _search_and_conclude(
    pipeline: TablePipeline, task: TableTask, options: SearchOptions, run: RunContext
) -> None:
    """The stages between an open run folder and a finished one."""
    from mindle.training.recipe import from_dict

    table, say = pipeline.table, run.listener.say
    record_table(table, run)
    say(
        f"{table.task}; {len(table.rows('test')):,} rows are sealed until the end, the search "
        f"sees the other {len(table.rows()) - len(table.rows('test')):,}"
    )
    # ── search, unless a winner was found before ──
    if "search" not in run.log.document:
        document = run.log.document
        task = replace(
            task,
            storage=options.storage or f"sqlite:///{run.folder.path / SEARCH_FILE}",
            name=study_name(table.name, document["asked"], document["data"]["fingerprint"]),
        )
        deadline = before_evaluation(table, run.deadline(options.budget_seconds))
        with run.log.stage("search"):
            run_search(
                task,
                task.search(),
                task.bench(table, deadline),
                run,
                workers=options.workers,
                deadline=deadline,
                score="rmse" if table.task == "regression" else "log_loss",
            )
    say("Refitting the best configuration on train+val; evaluating once on test.")
    pipeline.recipe = from_dict(run.log.document["recipe"])
    conclude(pipeline, run, pipeline.fit(run))


def _task(table: Table, options: ReadingOptions, recipe: Recipe, search: SearchOptions) -> TableTask:
    """What processes must know, less where the study lies."""
    from mindle.training.recipe import TABLE, as_dict
    from mindle.training.search.space import entries_of, read_space
    from mindle.training.search.study import SAMPLERS
    from mindle.training.search.table_task import TableTask, table_entries

    if search.sampler not in SAMPLERS:
        raise ValueError(f"`sampler` must be one of {', '.join(SAMPLERS)}. Received {search.sampler!r}.")
    if search.workers > 1 and table.kind == "frame":
        raise ValueError(
            f"`workers` must be 1 for a data frame, which other processes cannot read. Received "
            f"workers={search.workers}. Write it to a CSV file."
        )
    if isinstance(search.space, Mapping):
        entries = entries_of(search.space)
    else:
        entries = read_space(None if search.space is None else Path(search.space), TABLE)
    _require_table_settings(entries)
    task = TableTask(
        source=table.source,
        reading=options.as_dict(),
        split_seed=search.split_seed,
        storage="",
        name="",
        entries=table_entries(entries, table, search.models),
        base=as_dict(recipe),
        sampler=search.sampler,
        trials=None,
        seed=search.seed,
    )
    wanted = trials_wanted(search.trials, search.budget_seconds, task.space(), search.sampler)
    return replace(task, trials=wanted)


def _require_table_settings(entries: Mapping[str, Any]) -> None:
    """Refuse what is about images, or says how trials are evaluated."""
    judging = ("table.folds", "table.repeats")
    other = [name for name in entries if not name.startswith("table.") or name in judging]
    if other:
        raise ValueError(
            "The space of a table must name settings table.… that say what is trained. Received "
            f"{', '.join(other)}. docs/tune.md lists them."
        )
