"""`course`: the variants of an experiment trained on the same data, and compared."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import combinations, product
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindle.api.compare import Compared, compare, variant_of
from mindle.api.models import Run
from mindle.api.train import train
from mindle.artifacts.environment import reset_peak_memory
from mindle.artifacts.files import read_json, write_json, write_text
from mindle.artifacts.outputs import keep_apart
from mindle.artifacts.run import FINISHED, RunFolder
from mindle.console import Console
from mindle.errors import ModelError
from mindle.messages import Message, current_language, in_language, message, require_language, speaking
from mindle.records import Listener

if TYPE_CHECKING:
    from mindle.training.experiment import Experiment
    from mindle.training.recipe import Recipe

Source = str | os.PathLike[str]
SCHEMA = 1
NOT_RUN = "it was not run."


@dataclass(frozen=True)
class Course:
    """A finished experiment.

    Attributes:
        path: Its folder: a run folder for each variant, course.html and course.json.
    """

    path: Path

    @property
    def page(self) -> Path:
        """The page that compares the variants."""
        return self.path / "course.html"

    @property
    def document(self) -> dict[str, Any]:
        """The content of course.json."""
        return read_json(self.path / "course.json", schema=SCHEMA, what="course")

    @property
    def runs(self) -> dict[str, Run]:
        """The variants that were run, by name."""
        names = self.document["variants"]
        return {name: Run(self.path / name) for name in names if "run" in self.document[name]}


@dataclass(frozen=True)
class _Training:
    """One variant with one seed.

    Attributes:
        key: Name of its run.
        variant: Name of the variant.
        label: As people read it.
        skipped: Why it cannot be run, or "".
    """

    key: str
    variant: str
    label: str
    recipe: Recipe
    seed: int
    folder: Path
    skipped: Message | str

    @property
    def finished(self) -> bool:
        """Whether its run is there, to its end."""
        there = not self.skipped and (self.folder / "run.json").is_file()
        return there and RunFolder(self.folder).document().get("state") == FINISHED


def list_experiments() -> list[dict[str, Any]]:
    """The course's experiments: name, what each is about and teaches, and what the course notes report.

    Example:
        >>> "cifar-cnn" in [row["name"] for row in list_experiments()]
        True
    """
    from mindle.training import experiment

    return experiment.list_experiments()


def course(
    name: Source,
    data: Source | None = None,
    *,
    out: Source | None = None,
    weights: Source | None = None,
    seed: int | None = None,
    device: str = "auto",
    epochs: int | None = None,
    quick: bool = False,
    set: Mapping[str, Any] | None = None,
    only: Sequence[str] = (),
    lang: str = "en",
    listener: Listener | None = None,
) -> Course:
    """Train the variants of an experiment on the same data, and write a page that compares them.

    An exercise of the course is run as given and with good practice; a TOML file of your own names the
    variants that it compares. Every variant is an ordinary run in a folder of its own, which a second call
    goes on with.

    Args:
        name: Of the experiment, which `list_experiments` names, or a TOML file.
        data: The data, or a folder that holds them under their usual name; what the file names unless set.
        out: Where everything is written; `runs/course-<name>` unless set.
        weights: A weight file, or a folder of them with their cards.
        seed: Seed of the trainings; 0 unless set or the file names others. The split is that of seed 0.
        device: "auto", "cpu", "cuda" or "mps".
        epochs: At most so many in each variant that has epochs.
        quick: Two epochs each, to see that everything runs.
        set: Settings to change: "train.epochs" in all variants, "as_written.train.epochs" in one.
        only: Run these variants alone; others that are there already stay on the page.
        lang: Language of the pages, "en" or "ko".
        listener: Receives messages and progress; prints to standard output unless set.

    Returns:
        The finished experiment.

    Raises:
        ValueError: If there is no such experiment or setting, or `out` holds other runs.
        DataError: If the data are not there.

    Example:
        >>> mindle.course("daisy-mlp", "photos", quick=True).page  # doctest: +SKIP
        PosixPath('runs/course-daisy-mlp/course.html')
    """
    from mindle.training.experiment import changed, read_experiment
    from mindle.training.recipe import TABLE

    listener = listener or Console(sys.stdout)
    require_language(lang)
    experiment = read_experiment(os.fspath(name))
    recipes = changed(experiment, settings=set or {}, epochs=epochs, quick=quick)
    folder = Path(out) if out is not None else Path("runs") / f"course-{experiment.name}"
    source = _source(experiment, data, folder)
    unknown = [variant for variant in only if variant not in recipes]
    if unknown:
        raise ValueError(
            f"`only` must name variants: {', '.join(recipes)}. Received {', '.join(map(repr, unknown))}."
        )
    seeds = experiment.seeds if seed is None else (seed,)
    trainings = _trainings(experiment, recipes, seeds, folder, weights)
    with speaking(lang):
        listener.say(message("course.begins", name=experiment.title, about=experiment.about))
        if experiment.notes["words"]:
            listener.say(message("course.reported", said=experiment.notes["words"]))
        for training in trainings:
            if training.skipped:
                listener.say(message("course.skipped", name=training.key, why=training.skipped))
        for training in trainings:
            if training.skipped or (only and training.variant not in only):
                continue
            listener.say("")
            listener.say(f"{experiment.title}, {training.key}")
            reset_peak_memory()
            with _measured_cache(training.folder) if experiment.apart else nullcontext():
                train(
                    source,
                    recipe=training.recipe,
                    weights=None if training.recipe.strategy == TABLE else weights,
                    seed=training.seed,
                    device=device,
                    out=training.folder,
                    resume=True,
                    lang=lang,
                    listener=listener,
                    **experiment.needs.reading.given(),
                )
        compared = _write(folder, experiment, trainings, source, cut=quick or epochs is not None)
        for sentence in compared.sentences(lang) if compared else []:
            listener.say(sentence)
        if any(training.finished for training in trainings):
            listener.say(message("course.compared", path=str(folder / "course.html")))
    return Course(folder)


# ---- before -----------------------------------------------------------------------------------------------


def _source(experiment: Experiment, data: Source | None, folder: Path) -> Source:
    """What the variants are trained on: data as they lie, a table, or some classes packed at a small size."""
    from mindle.data.images.export import find_file, find_set, pack

    needs = experiment.needs
    data = data or needs.source
    if not data:
        raise ValueError("`data` must name the data, or the folder of your copy of them. Received none.")
    if needs.below:
        find = find_set if needs.reading.target is None else find_file
        data = find(data, needs.below, what=needs.what)
    keep_apart({"out": folder}, [data])
    return pack(data, folder / "data.npz", classes=needs.classes, side=needs.side) if needs.side else data


def _trainings(
    experiment: Experiment,
    recipes: Mapping[str, Recipe],
    seeds: Sequence[int],
    folder: Path,
    weights: Source | None,
) -> list[_Training]:
    """Every variant with every seed."""
    found = []
    for variant, seed in product(recipes, seeds):
        key, label = variant, experiment.labels[variant]
        if len(seeds) > 1:
            key, label = f"{variant}-{seed}", message("course.seeded", label=label, seed=seed)
        skipped = _missing_weights(variant, recipes[variant], weights)
        found.append(_Training(key, variant, label, recipes[variant], seed, folder / key, skipped))
    return found


def _missing_weights(variant: str, recipe: Recipe, weights: Source | None) -> Message | str:
    """Why a variant cannot be run: its backbone's weights are not on this machine, and nothing is fetched."""
    from mindle.models.pretrained.weights import resolve

    name = recipe.model.name
    if recipe.strategy == "scratch" or not name or recipe.model.random_init:
        return ""
    try:
        resolve(name, None if weights is None else Path(weights), hub=False)
    except ModelError:
        return message("course.no_weights", name=name, variant=variant)
    return ""


@contextmanager
def _measured_cache(run: Path) -> Iterator[None]:
    """A cache for one run, so that nothing found there makes it faster than it is; its size is recorded."""
    cache, before = run.with_name(f"cache-{run.name}"), os.environ.get("MINDLE_CACHE")
    os.environ["MINDLE_CACHE"] = str(cache)
    try:
        yield
    finally:
        del os.environ["MINDLE_CACHE"]
        if before is not None:
            os.environ["MINDLE_CACHE"] = before
    size = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())
    document = RunFolder(run).document()
    if size and "cache_bytes" not in document:
        RunFolder(run).write_document({**document, "cache_bytes": size})
    shutil.rmtree(cache, ignore_errors=True)


# ---- after ------------------------------------------------------------------------------------------------


def _write(
    folder: Path, experiment: Experiment, trainings: Sequence[_Training], source: Source, *, cut: bool
) -> Compared | None:
    """course.json and course.html, of the variants that are finished."""
    done = [training for training in trainings if training.finished]
    compared = compare([training.folder for training in done]) if len(done) > 1 else None
    warnings = [
        message("course.was_skipped", name=training.label, why=training.skipped)
        for training in trainings
        if training.skipped
    ]
    if cut:
        warnings.append(message("course.cut"))
    document = {
        "schema": SCHEMA,
        **{key: getattr(experiment, key) for key in ("name", "about", "teaches", "notes", "why")},
        "source": str(source),
        "variants": [training.key for training in trainings],
        "warnings": warnings,
        "pairs": compared.as_dict()["pairs"] if compared else [],
        **{training.key: _entry(training) for training in trainings},
    }
    write_json(folder / "course.json", document)
    if done:
        write_text(folder / "course.html", _page(experiment, done, compared, warnings))
    return compared


def _entry(training: _Training) -> dict[str, Any]:
    """What course.json holds of a training: its metrics.json, and what else the page shows."""
    if not training.finished:
        return {"left_out": training.skipped or NOT_RUN}
    run = RunFolder(training.folder)
    document = run.document()
    measured = ("diagnoses", "parameters", "peak_memory_bytes", "cache_bytes")
    return {
        **run.metrics(),
        "run": training.key,
        "recipe": document["asked"]["recipe"],
        **{key: document[key] for key in measured if key in document},
        "history": run.history(),
    }


def _page(
    experiment: Experiment, done: Sequence[_Training], compared: Compared | None, warnings: Sequence[str]
) -> str:
    """The variants beside each other."""
    from mindle.evaluation.report import comparison_html

    lang = current_language()
    found = {(one, two): comparison for one, two, comparison, _ in (compared.pairs if compared else ())}
    pairs = [
        (in_language(one.label, lang), in_language(two.label, lang), found[one.key, two.key])
        for variants in experiment.compare
        for one, two in combinations(done, 2)
        if (one.variant, two.variant) == variants and one.seed == two.seed
    ]
    about, notes = in_language(experiment.about, lang), experiment.notes
    question = [
        f"{about[:1].upper()}{about[1:]}." if about else "",
        message("course.teaches", said=experiment.teaches) if experiment.teaches else "",
        message("course.notes", **notes) if notes["words"] else "",
        *warnings,
    ]
    return comparison_html(
        experiment.title,
        [variant_of(in_language(each.label, lang), RunFolder(each.folder), lang) for each in done],
        pairs,
        question=" ".join(in_language(sentence, lang) for sentence in question if sentence),
        answer=" ".join(in_language(sentence, lang) for sentence in experiment.why),
        lang=lang,
    )
