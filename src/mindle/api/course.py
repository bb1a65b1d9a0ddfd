"""`course`: an exercise of the course as given and with good practice, beside each other."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindle.api.compare import Compared, compare
from mindle.api.models import Run
from mindle.api.report import report_content, require_language
from mindle.api.train import train
from mindle.artifacts.environment import reset_peak_memory
from mindle.artifacts.files import read_json, write_json, write_text
from mindle.artifacts.outputs import keep_apart
from mindle.artifacts.run import FINISHED, RunFolder
from mindle.console import Console
from mindle.errors import ModelError
from mindle.records import Listener

if TYPE_CHECKING:
    from mindle.training.course import Experiment
    from mindle.training.recipe import Recipe

Source = str | os.PathLike[str]
SCHEMA = 1
AS_WRITTEN, DONE_WELL = "as_written", "done_well"
_SPOKEN = {AS_WRITTEN: "as given", DONE_WELL: "with good practice"}
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


def list_experiments() -> list[dict[str, Any]]:
    """The course's experiments: name, what each is about and teaches, and what the course notes report.

    Example:
        >>> "cifar-cnn" in [row["name"] for row in list_experiments()]
        True
    """
    from mindle.training import course as experiments

    return experiments.list_experiments()


def course(
    name: str,
    data: Source,
    *,
    out: Source | None = None,
    weights: Source | None = None,
    seed: int = 0,
    device: str = "auto",
    epochs: int | None = None,
    quick: bool = False,
    set: Mapping[str, Any] | None = None,
    only: Sequence[str] = (),
    lang: str = "en",
    listener: Listener | None = None,
) -> Course:
    """Run an exercise of the course as given and with good practice, and write a page that compares them.

    Every variant is an ordinary run in a folder of its own, which a second call goes on with.

    Args:
        name: Of the experiment; `list_experiments` names them.
        data: The data, or a folder that holds them under their usual name.
        out: Where everything is written; `runs/course-<name>` unless set.
        weights: A weight file, or a folder of them with their cards.
        seed: Seed of the trainings; the split is that of seed 0.
        device: "auto", "cpu", "cuda" or "mps".
        epochs: At most so many in each variant that has epochs.
        quick: Two epochs each, to see that everything runs.
        set: Settings to change: "train.epochs" in all variants, "as_written.train.epochs" in one.
        only: Run these variants alone; others that are there already stay on the page.
        lang: Language of the pages, "en" or "ko"; what the experiment itself says is English.
        listener: Hears sentences and progress; prints to standard output unless set.

    Returns:
        The finished experiment.

    Raises:
        ValueError: If there is no such experiment or setting, or `out` holds other runs.
        DataError: If the data are not there.

    Example:
        >>> mindle.course("daisy-mlp", "photos", quick=True).page  # doctest: +SKIP
        PosixPath('runs/course-daisy-mlp/course.html')
    """
    from mindle.training.course import changed, read_experiment

    listener = listener or Console(sys.stdout)
    require_language(lang)
    experiment = read_experiment(name)
    recipes = changed(experiment, settings=set or {}, epochs=epochs, quick=quick)
    folder = Path(out) if out is not None else Path("runs") / f"course-{name}"
    source = _source(experiment, data, folder)
    listener.say(f"{name}: {experiment.about}. Course notes: {experiment.notes.words}.")
    _require_variants(only, recipes)
    left_out = {key: why for key, recipe in recipes.items() if (why := _left_out(recipe, weights))}
    for key, why in left_out.items():
        listener.say(f"{key} is skipped: {why}")

    for key, recipe in recipes.items():
        if key in left_out or (only and key not in only):
            continue
        listener.say("")
        listener.say(f"{name}, {key}")
        with _cache(folder / f"cache-{key}" if experiment.apart else None) as cache:
            reset_peak_memory()
            run = train(
                source,
                recipe=recipe,
                weights=None if experiment.needs.target else weights,
                target=experiment.needs.target or None,
                seed=seed,
                device=device,
                out=folder / key,
                resume=True,
                lang=lang,
                listener=listener,
            )
            if cache is not None:
                _keep_cache_size(run.folder, cache)

    unfinished = {key: NOT_RUN for key in recipes if not _finished(folder / key)}
    left_out = {**unfinished, **left_out}
    done = [key for key in recipes if key not in left_out]
    warnings = [f"{spoken(key).capitalize()} was skipped: {why}" for key, why in left_out.items()]
    warnings = [warning for warning in warnings if not warning.endswith(NOT_RUN)]
    if quick or epochs is not None:
        warnings.append("Epochs were cut short: these scores show that everything runs, and little more.")
    compared = compare([folder / key for key in done]) if len(done) > 1 else None
    document = {
        "schema": SCHEMA,
        "name": name,
        "about": experiment.about,
        "teaches": experiment.teaches,
        "notes": asdict(experiment.notes),
        "source": str(source),
        "variants": list(recipes),
        "warnings": warnings,
        "why": list(experiment.why),
        "pairs": compared.as_dict()["pairs"] if compared else [],
        **{key: _entry(folder / key, left_out.get(key, "")) for key in recipes},
    }
    write_json(folder / "course.json", document)
    if done:
        _write_page(folder, experiment, done, compared, warnings, lang)
    for sentence in compared.sentences(lang) if compared else []:
        listener.say(sentence)
    if done:
        listener.say(f"compared in {folder / 'course.html'}")
    return Course(folder)


def spoken(name: str) -> str:
    """A variant's name as people read it.

    Example:
        >>> spoken("as_written")
        'as given'
    """
    return _SPOKEN.get(name, name.replace("_", " "))


# ---- before -----------------------------------------------------------------------------------------------


def _source(experiment: Experiment, data: Source, folder: Path) -> Path:
    """What the variants are trained on: data as they lie, a table, or some classes packed at a small size."""
    from mindle.data.images.export import find_file, find_set, pack

    needs = experiment.needs
    find = find_file if needs.target else find_set
    found = find(data, needs.below, what=needs.what)
    keep_apart({"out": folder}, [found])
    if needs.target or not needs.side:
        return found
    return pack(found, folder / "data.npz", classes=needs.classes, side=needs.side)


def _require_variants(only: Sequence[str], recipes: Mapping[str, Recipe]) -> None:
    unknown = [name for name in only if name not in recipes]
    if unknown:
        raise ValueError(
            f"`only` must name variants: {', '.join(recipes)}. Received {', '.join(map(repr, unknown))}."
        )


def _left_out(recipe: Recipe, weights: Source | None) -> str:
    """Why a variant cannot be run: its backbone's weights are not on this machine, and nothing is fetched."""
    from mindle.models.pretrained.weights import resolve

    name = recipe.model.name
    if recipe.strategy == "scratch" or not name or recipe.model.random_init:
        return ""
    try:
        resolve(name, None if weights is None else Path(weights), hub=False)
    except ModelError:
        return (
            f"the pretrained weights of {name} are not on this machine. Give them with --weights, or "
            "see it run with random ones: --set as_written.model.random_init=true."
        )
    return ""


@contextmanager
def _cache(folder: Path | None) -> Iterator[Path | None]:
    """A cache of its own for what happens inside, so that nothing found there makes it faster than it is."""
    if folder is None:
        yield None
        return
    before = os.environ.get("MINDLE_CACHE")
    os.environ["MINDLE_CACHE"] = str(folder)
    try:
        yield folder
    finally:
        if before is None:
            del os.environ["MINDLE_CACHE"]
        else:
            os.environ["MINDLE_CACHE"] = before


def _keep_cache_size(run: RunFolder, cache: Path) -> None:
    """Write down how much disk the run took besides its own folder, and give it back."""
    size = sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())
    document = run.document()
    if size and "cache_bytes" not in document:
        run.write_document({**document, "cache_bytes": size})
    shutil.rmtree(cache, ignore_errors=True)


# ---- after ------------------------------------------------------------------------------------------------


def _finished(folder: Path) -> bool:
    """Whether a variant's run is there, to its end."""
    return (folder / "run.json").is_file() and RunFolder(folder).document().get("state") == FINISHED


def _entry(folder: Path, left_out: str) -> dict[str, Any]:
    """What course.json holds of a variant: its metrics.json, and what else the page shows."""
    if left_out:
        return {"left_out": left_out}
    run = RunFolder(folder)
    document = run.document()
    kept = ("diagnoses", "parameters", "peak_memory_bytes", "cache_bytes")
    return {
        **run.metrics(),
        "run": folder.name,
        "recipe": document["asked"]["recipe"],
        **{key: document[key] for key in kept if key in document},
        "history": run.history(),
    }


def _write_page(
    folder: Path,
    experiment: Experiment,
    done: Sequence[str],
    compared: Compared | None,
    warnings: Sequence[str],
    lang: str,
) -> None:
    """course.html: the variants beside each other."""
    from mindle.evaluation.report import Variant, comparison_html

    variants = []
    for key in done:
        run = RunFolder(folder / key)
        document = run.document()
        recipe = {name: value for name, value in document["asked"]["recipe"].items() if name != "about"}
        variants.append(
            Variant(
                name=spoken(key),
                content=report_content(run),
                parameters=document["parameters"].get("trainable"),
                settings=recipe,
                facts=_facts(document, run.metrics()),
            )
        )
    pairs = [
        (spoken(one), spoken(two), found)
        for one, two, found, _ in (compared.pairs if compared else ())
        if one == AS_WRITTEN or two == DONE_WELL
    ]
    notes = experiment.notes
    about = f"{experiment.about[:1].upper()}{experiment.about[1:]}. What it teaches: {experiment.teaches}."
    question = f"{about} Course notes: {notes.words} (data: {notes.data})."
    page = comparison_html(
        experiment.name,
        variants,
        # Good practice against the exercise as given comes first: it is the question.
        sorted(pairs, key=lambda pair: pair[:2] != (spoken(AS_WRITTEN), spoken(DONE_WELL))),
        question=" ".join([question, *warnings]),
        answer=" ".join(experiment.why),
        lang=lang,
    )
    write_text(folder / "course.html", page)


def _facts(document: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, str]:
    """Further columns of the table of outcomes, as far as they were measured."""
    facts = {}
    rare = _rarest(metrics)
    if rare is not None:
        facts[f"Recall of {rare['name']}"] = f"{rare['recall']['value']:.1%}"
    if document.get("peak_memory_bytes"):
        facts["Peak memory"] = f"{document['peak_memory_bytes'] / 1e6:,.0f} MB"
    if document.get("cache_bytes"):
        facts["Disk"] = f"{document['cache_bytes'] / 1e6:,.0f} MB"
    return facts


def _rarest(metrics: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The rarest class of the test split, where it has under half an even share: accuracy hides it."""
    classes: list[Mapping[str, Any]] = metrics["test"].get("per_class", [])
    if not classes:
        return None
    rarest = min(classes, key=lambda row: int(row["n"]))
    even = metrics["test"]["n"] / len(classes)
    return rarest if rarest["n"] < even / 2 and rarest["recall"]["value"] is not None else None
