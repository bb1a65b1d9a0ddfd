"""`tune`: read → check → split → search → the winner as an ordinary run: fit → bundle → judge → report."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindle import __version__
from mindle.api.handles import Run
from mindle.api.reports import require_language
from mindle.api.runs import fit_and_conclude, take_in
from mindle.api.starts import begin_tracking, command, process_start
from mindle.artifacts.diary import Diary
from mindle.artifacts.files import write_text
from mindle.artifacts.run import FINISHED, RunFolder, claim
from mindle.console import Console
from mindle.errors import DeviceError, ModelError
from mindle.records import Dataset, Listener

if TYPE_CHECKING:
    from mindle.training.budget import Deadline
    from mindle.training.plan import Settled
    from mindle.training.recipe import Recipe
    from mindle.training.space import Space
    from mindle.training.tracking import Tracking
    from mindle.training.trials import Bench
    from mindle.training.tune import Search, Trial
    from mindle.training.workers import Task

Source = str | os.PathLike[str]

# Without a budget a search has so many trials; a grid has as many as it has points.
TRIALS = 50
# The study's storage in the run folder, where no other was named.
SEARCH_FILE = "search.db"


def tune(
    data: Source,
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
    lang: str = "en",
    track: str | None = None,
    listener: Listener | None = None,
) -> Run:
    """Search for the recipe that suits the data, train the winner and judge it once on the sealed test part.

    Trials never see the test part: a net is judged on the val part, a head out of fold on train and val.
    A search that was killed goes on with `resume`, and no trial of it is lost.

    Args:
        data: As `train` takes it.
        space: What is varied, a TOML file or the entries of its table `[space]`; one that suits the strategy
            unless set.
        trials: How many; 50 unless set or there is a budget, and every point of a grid.
        budget: Time for everything: "90s", "10m", "2h", or seconds.
        sampler: "tpe", "random" or "grid".
        storage: URL of a data base for the study; a file in the run folder unless set. Calls with the same
            data, space and seed and the same storage share one search.
        workers: How many processes run trials at once.
        recipe: Where the search begins: a named recipe or a TOML file.
        model: A backbone or net by name, where the space does not vary it.
        strategy: "probe", "inline", "finetune" or "scratch"; by the size of the images unless set.
        weights: A weight file, or a folder of them with their cards.
        seed: Of the search, and of every training.
        split_seed: Seed of the split.
        device: "auto", "cpu", "cuda" or "mps".
        out: The run folder; `runs/<data>-<n>` unless set.
        resume: Go on with the unfinished search in `out`; `trials`, `budget` and `workers` may be others.
        set: Settings of the recipe to change in all trials.
        lang: Language of the report, "en" or "ko".
        track: "mlflow[:URI]" or "tensorboard[:DIR]": who else is told of settings, trials and scores.
        listener: Hears sentences and progress; prints to standard output unless set.

    Returns:
        The run of the winner; its recipe lies in `recipe.toml`, every trial in `trials.csv`.

    Raises:
        ValueError: If an argument is wrong, or the space names what is not there.
        DataError: If the data hold nothing to learn from.
        ModelError: If a model or its weights are not to be had, or no trial came to its end.
        DeviceError: If Optuna is not installed, or the storage cannot be reached.

    Example:
        >>> run = tune("photos/", trials=200)  # doctest: +SKIP
        >>> run.metrics["test"]["accuracy"]["value"] > 0.9  # doctest: +SKIP
        True
    """
    _require_optuna()
    from mindle import data as data_room
    from mindle.training.plan import make_plan, parse_budget, settle
    from mindle.training.tracking import require_tracker, tracking

    began = process_start()
    listener = listener or Console(sys.stdout)
    require_language(lang)
    require_tracker(track)
    _require_counts(trials, workers)
    seconds = parse_budget(budget)
    settled = replace(
        settle(recipe, model=model, strategy=strategy, weights=weights, settings=set), budget_seconds=seconds
    )

    # ── what is varied, checked before anything is done ──
    dataset = data_room.read(data)
    entries, settled = _entries(space, settled, dataset, listener)
    bases = _bases(entries, settled, recipe, model, set)
    plan = make_plan(dataset, replace(settled, recipe=bases[settled.recipe.strategy]), device=device)
    task = _task(
        dataset, plan.typical_size, entries, bases, settled, sampler=sampler, seed=seed, device=device
    )
    varied = task.space()
    task = replace(task, trials=_trials_wanted(trials, seconds, varied, sampler))

    # ── the run folder ──
    asked = {
        "source": dataset.source,
        **{name: value for name, value in settled.as_dict().items() if name != "budget_seconds"},
        "space": varied.as_dict(),
        "sampler": sampler,
        "storage": _hidden(storage),
        "seed": seed,
        "split_seed": split_seed,
        "device": device,
    }
    folder, stored = claim(
        None if out is None else Path(out), dataset.name, asked, resume=resume, say=listener.say
    )
    if stored.get("state") == FINISHED:
        listener.say(f"{folder.path} is finished; nothing is left to do. Report: {folder.report}")
        return Run(folder.path)
    # What an interrupted call has found already.
    kept: dict[str, Any] = {name: stored[name] for name in ("search", "recipe") if name in stored}
    facts = {
        "asked": asked,
        "name": dataset.name,
        "kind": dataset.kind,
        "mindle": __version__,
        "command": command(),
        **kept,
    }
    diary = Diary(folder, stored, facts, began)
    with tracking(track, listener) as told:
        begin_tracking(told, track, folder, diary, stored)
        dataset = take_in(dataset, plan.specs, folder, diary, stored, split_seed=split_seed, listener=told)
        # ── search, unless a winner was found before ──
        if "search" not in diary.document:
            task = _placed(task, folder, dataset, diary, storage)
            with diary.stage("search"):
                _search(task, dataset, folder, diary, workers=workers, budget=seconds, told=told)
        run = _train_winner(
            settled, dataset, folder, diary, stored, seed=seed, device=device, lang=lang, listener=told
        )
        told.end(folder.path, run.metrics)
    return run


def _train_winner(
    settled: Settled,
    dataset: Dataset,
    folder: RunFolder,
    diary: Diary,
    stored: Mapping[str, Any],
    *,
    seed: int,
    device: str,
    lang: str,
    listener: Listener,
) -> Run:
    """What the search found, trained and judged as `train` does."""
    from mindle.training.plan import make_plan
    from mindle.training.recipe import from_dict

    winner = replace(settled, recipe=from_dict(diary.document["recipe"]))
    plan = make_plan(dataset, winner, device=device)
    listener.say("The winner is trained as an ordinary run and judged once on the test part.")
    return fit_and_conclude(plan, dataset, folder, diary, stored, seed=seed, lang=lang, listener=listener)


# ---- before the search ------------------------------------------------------------------------------------


def _require_optuna() -> None:
    if find_spec("optuna") is None:
        raise DeviceError("A search needs Optuna, which is not installed: `pip install 'mindle[tune]'`.")


def _require_counts(trials: int | None, workers: int) -> None:
    for name, count in (("trials", trials), ("workers", workers)):
        if count is not None and not 1 <= count <= 1_000_000:
            raise ValueError(f"`{name}` must be 1 or more. Received {name}={count}.")


def _entries(
    space: Source | Mapping[str, Any] | None, settled: Settled, dataset: Dataset, listener: Listener
) -> tuple[dict[str, Any], Settled]:
    """The entries of the space, and what was asked with a strategy in place of "auto"."""
    from mindle.data import typical_size
    from mindle.training.nets import SMALL_SIDE
    from mindle.training.recipe import read_recipe
    from mindle.training.space import entries_of, read_space

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
    settled: Settled,
    recipe: Source | None,
    model: str | None,
    settings: Mapping[str, Any] | None,
) -> dict[str, Recipe]:
    """The recipe that points change, for each strategy that the space can name."""
    from mindle.training.nets import net_layers, net_spec
    from mindle.training.plan import settle
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
            bases[strategy] = settle(recipe, model=model, strategy=strategy, settings=settings).recipe
    if any(name.startswith("model.layers.") for name in entries) and "scratch" in bases:
        # A net of the zoo that is varied layer by layer is spelt out.
        base = bases["scratch"]
        spec = net_spec(base, (base.input.height or 32, base.input.width or 32), gray=False)
        layers = tuple(net_layers(base, spec))
        bases["scratch"] = replace(base, model=replace(base.model, layers=layers))
    return bases


def _task(
    dataset: Dataset,
    size: tuple[int, int],
    entries: Mapping[str, Any],
    bases: Mapping[str, Recipe],
    settled: Settled,
    *,
    sampler: str,
    seed: int,
    device: str,
) -> Task:
    """What processes must know, less where the study and the manifest lie."""
    from mindle.training.tune import SAMPLERS
    from mindle.training.workers import Task, bases_as_dict

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
    from mindle.models.weights import find_weights
    from mindle.training.ladder import common_layout
    from mindle.training.space import joined_names

    groups: dict[Any, list[str]] = {}
    for card in common_layout(find_weights(weights)):
        names = groups.setdefault((card.spec.shape, card.spec.fit, card.spec.interpolation), [])
        if card.model not in names:
            names.append(card.model)
    return joined_names(groups.values())


def _most_views(dataset: Dataset) -> int:
    """As many augmented views as `auto` would give, by the number of all images."""
    from mindle.training.ladder import MOST_VIEWED_ROWS, MOST_VIEWS

    return max(0, min(MOST_VIEWS, MOST_VIEWED_ROWS // max(len(dataset), 1) - 1))


def _trials_wanted(trials: int | None, seconds: float | None, space: Space, sampler: str) -> int | None:
    from mindle.training.space import size_of

    if sampler == "grid":
        points = size_of(space)
        return points if trials is None else min(trials, points)
    return TRIALS if trials is None and seconds is None else trials


def _placed(task: Task, folder: RunFolder, dataset: Dataset, diary: Diary, storage: str | None) -> Task:
    """The task with where its study, its manifest and its checkpoints lie."""
    document = diary.document
    return replace(
        task,
        manifest=str(folder.manifest),
        classes=dataset.classes,
        storage=storage or f"sqlite:///{folder.path / SEARCH_FILE}",
        name=_study_name(dataset, document["asked"], document["data"]["fingerprint"]),
        folder=str(folder.path / "trials"),
    )


def _study_name(dataset: Dataset, asked: Mapping[str, Any], fingerprint: str) -> str:
    """The same for the same search, so that calls that share a storage share it; never for another."""
    facts = {name: value for name, value in asked.items() if name not in ("source", "weights", "storage")}
    text = json.dumps([fingerprint, facts], sort_keys=True, default=str)
    return f"{dataset.name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def _hidden(storage: str | None) -> str | None:
    from mindle.training.tune import hidden

    return None if storage is None else hidden(storage)


# ---- the search -------------------------------------------------------------------------------------------


def _search(
    task: Task,
    dataset: Dataset,
    folder: RunFolder,
    diary: Diary,
    *,
    workers: int,
    budget: float | None,
    told: Tracking,
) -> None:
    """Run the trials, and write down what came of them."""
    from mindle.training.budget import Deadline
    from mindle.training.plan import RESERVED_SECONDS
    from mindle.training.recipe import as_dict, as_toml
    from mindle.training.tune import best_of, hidden, importance, over, run_trials

    deadline = Deadline(budget, spent_seconds=diary.spent()).reserving(RESERVED_SECONDS)
    search = task.search()
    bench = task.bench(dataset, deadline, told)
    before = over(search)
    if before:
        told.say(f"{len(before)} trials are there already; the search goes on after them.")
    told.say(_announcement(task, search.space, workers))
    _embed_ahead(search.space, bench)
    telling = _Telling(task.trials, before, told)
    if workers > 1:
        _work_together(
            replace(task, session=search.session), search, telling, workers=workers, deadline=deadline
        )
    run_trials(search, bench, trials=task.trials, told=telling.hear)
    trials = over(search)
    best = best_of(trials)
    if best is None:
        why = next((trial.note for trial in trials if trial.note), "no trial ended within the budget")
        raise ModelError(
            f"No trial of {len(trials)} came to its end; the first: {why}. Change the space, or give a "
            "longer --budget."
        )
    recipe = search.space.recipe(best.point)
    write_text(folder.path / "recipe.toml", as_toml(recipe))
    folder.write_trials([_document(trial) for trial in trials])
    shutil.rmtree(task.folder, ignore_errors=True)
    states = [trial.state for trial in trials]
    diary.record(
        recipe=as_dict(recipe),
        search={
            "sampler": task.sampler,
            "storage": SEARCH_FILE if task.storage.endswith(SEARCH_FILE) else hidden(task.storage),
            "study": task.name,
            "best": best.number,
            "counts": {state: states.count(state) for state in ("complete", "pruned", "failed")},
            "space": search.space.as_dict(),
            "importance": importance(search),
        },
    )
    search.close()
    told.say(
        f"Best of {len(trials)} trials: number {best.number}, log loss {best.value:.4f}, "
        f"{best.accuracy or 0:.1%} right. Its recipe: {folder.path / 'recipe.toml'}"
    )


def _announcement(task: Task, space: Space, workers: int) -> str:
    names = ", ".join(dimension.name for dimension in space.dimensions)
    count = "as many trials as there is time for" if task.trials is None else f"{task.trials:,} trials"
    together = f", {workers} at a time" if workers > 1 else ""
    return f"{count} by {task.sampler}{together}, over {names}"


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


def _work_together(
    task: Task, search: Search, telling: _Telling, *, workers: int, deadline: Deadline
) -> None:
    """Let other processes run the trials, and tell of them as they end."""
    from mindle.training.tune import over
    from mindle.training.workers import workers as at_work

    remaining = deadline.remaining()
    limit = None if deadline.budget_seconds is None else remaining
    threads = max(1, (os.cpu_count() or 1) // workers)
    with at_work(task, workers, remaining_seconds=limit, threads=threads) as alive:
        while alive():
            time.sleep(0.3)
            for trial in over(search):
                telling.hear(trial)


class _Telling:
    """Tells of trials: each moves the bar, and those that are better than all before get a line."""

    def __init__(self, wanted: int | None, before: list[Trial], listener: Tracking) -> None:
        self._wanted = wanted
        self._listener = listener
        self._heard = {trial.number for trial in before}
        self._best = min(
            (t.value for t in before if t.state == "complete" and t.value is not None), default=None
        )

    def hear(self, trial: Trial) -> None:
        """Tell of one trial, once."""
        if trial.number in self._heard:
            return
        self._heard.add(trial.number)
        better = trial.state == "complete" and (
            self._best is None or (trial.value is not None and trial.value < self._best)
        )
        if better:
            self._best = trial.value
            self._listener.say(
                f"trial {trial.number}: log loss {trial.value:.4f}, {trial.accuracy or 0:.1%} right, "
                f"the best so far ({trial.note}; {trial.seconds:.1f} s)"
            )
        if trial.state == "complete":
            self._listener.log(trial.number, {"trial_log_loss": trial.value, "best_log_loss": self._best})
        if trial.state == "failed":
            self._listener.say(f"trial {trial.number} failed: {trial.note}")
        done = len(self._heard)
        self._listener.progress("search", done, max(done, self._wanted or done + 1))


def _document(trial: Trial) -> dict[str, Any]:
    """A trial as a row of trials.csv."""
    return {
        "number": trial.number,
        "state": trial.state,
        "log_loss": trial.value,
        "accuracy": trial.accuracy,
        "seconds": trial.seconds,
        "note": trial.note,
        "settings": dict(trial.point),
    }
