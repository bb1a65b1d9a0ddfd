"""`explain`: what answers are based on, and whether the explanations can be trusted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mindle.api import neighbours
from mindle.api.borders import borders_of
from mindle.api.predict import inputs_of, open_model
from mindle.artifacts.bundle import NEIGHBOURS
from mindle.artifacts.files import first_words, read_json, sha256_of, write_bytes, write_json, write_text
from mindle.artifacts.outputs import keep_apart
from mindle.artifacts.run import RunFolder
from mindle.errors import DataError, MindleError
from mindle.messages import message, require_language
from mindle.records import SILENT, Dataset, InputSpec, Listener, TableSpec

if TYPE_CHECKING:
    from mindle.explanation.maps import Subject
    from mindle.explanation.neighbours import Neighbours
    from mindle.explanation.page import Drawn, Explained, PageContent
    from mindle.explanation.rows import Feed
    from mindle.serving.opened import Opened

Source = str | os.PathLike[str]

FOLDER = "explanations"
PAGE, DOCUMENT, CHECKS = "explanations.html", "explanations.json", "checks.json"
SCHEMA = 1
ROWS = 20
"""How many rows of a table are explained, the first ones."""

BORDER_IMAGES = 200
"""On how many images the share of the border is measured, at most."""


@dataclass(frozen=True)
class Explanations:
    """What `explain` wrote; a notebook shows the page.

    Attributes:
        folder: Where it lies: the page, a PNG of each map, and two documents.
        document: The content of explanations.json.
        checks: The content of checks.json; empty of rows.
    """

    folder: Path
    document: Mapping[str, Any]
    checks: Mapping[str, Any]

    @property
    def page(self) -> Path:
        """The page."""
        return self.folder / PAGE

    def _repr_html_(self) -> str:
        text = escape(self.page.read_text("utf-8"))
        return f'<iframe srcdoc="{text}" style="width:100%;height:48rem;border:0"></iframe>'


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What a call asks of a model that has been opened.

    Attributes:
        opened: The model.
        folder: Of the run or bundle.
        is_run: Which of both.
        out: Where to write.
        methods: Maps to draw; all that suit where none are named.
        features: Whether feature maps and filters are drawn.
        listener: Hears progress.
    """

    opened: Opened
    folder: Path
    is_run: bool
    out: Path
    methods: tuple[str, ...]
    features: bool
    listener: Listener

    @cached_property
    def dataset(self) -> Dataset:
        """The images of a run as its data hold them now; see `neighbours.read_again` for what that raises."""
        return neighbours.read_again(RunFolder(self.folder))

    @property
    def graph(self) -> Path:
        """The ONNX graph of the model."""
        bundle = RunFolder(self.folder).bundle if self.is_run else self.folder
        return bundle / "model.onnx"


def explain(
    model: Source,
    images: Any,
    *,
    out: Source | None = None,
    method: Sequence[str] = (),
    features: bool = False,
    lang: str = "en",
    listener: Listener = SILENT,
) -> Explanations:
    """Explain answers: where a model looks in images, or what each column adds to the answer to a row.

    Each kind of map is checked once for a model, on images of its test split (those given, where these are
    not at hand): what it names must be missed more than random places, and it must change when weights
    are shuffled.

    Args:
        model: A run or a bundle.
        images: As `predict` takes them; of rows the first 20 are explained.
        out: The folder to write; `explanations` in the run unless set. A bundle must be given one.
        method: Of images: "occlusion", "grad-cam", "layer-cam", "rollout", "integrated"; all that suit the
            model, integrated gradients aside, unless given.
        features: Draw feature maps and filters layer by layer too, of a run with a PyTorch model.
        lang: Language of the page, "en" or "ko".
        listener: Receives messages and progress.

    Returns:
        Where it lies, and what was found.

    Raises:
        ArtifactError: If there is no such run or bundle.
        DataError: If there is nothing to explain.
        ValueError: If a method is unknown or does not suit the model, or `out` holds something else.
    """
    from mindle.explanation.page import explanations_html
    from mindle.serving.opened import locate

    require_language(lang)
    opened = open_model(model)
    folder, is_run = locate(model)
    target = _folder_to_write(out, folder, is_run, images)
    methods = (method,) if isinstance(method, str) else tuple(method)
    asked = _Asked(
        opened=opened,
        folder=folder,
        is_run=is_run,
        out=target,
        methods=methods,
        features=features,
        listener=listener,
    )
    content = _EXPLAINERS[type(opened.source.spec)](asked, images)
    if not any(each.answer.get("predicted") is not None for each in content.explained):
        reasons = [str(each.answer.get("reason")).rstrip(".") for each in content.explained]
        raise DataError(
            f"There must be something to explain. Received {', '.join(reasons[:3]) or 'nothing'}."
        )
    for drawn in _pictures(content):
        write_bytes(target / drawn.file, drawn.picture)
    document = {
        "schema": SCHEMA,
        "model": content.name,
        "explained": [each.document() for each in content.explained],
    }
    write_json(target / DOCUMENT, document)
    write_text(target / PAGE, explanations_html(content, lang=lang))
    listener.say(message("explain.written", path=str(target / PAGE)))
    return Explanations(target, document, content.checks)


def _folder_to_write(out: Source | None, folder: Path, is_run: bool, images: Any) -> Path:
    if out is None:
        if not is_run:
            raise ValueError(
                "`out` must be given where a bundle explains, which is never changed. Received none."
            )
        return folder / FOLDER
    target = Path(out)
    keep_apart({"out": out}, [images] if isinstance(images, str | os.PathLike) else list(images), among=True)
    # Checks come first: they may be all that an interrupted call has left.
    holds = target.is_dir() and {each.name for each in target.iterdir()} - {CHECKS}
    if (target.exists() and not target.is_dir()) or (holds and not (target / DOCUMENT).is_file()):
        raise ValueError(
            f"`out` must be a new or empty folder, or one that `explain` wrote. Received {target}, which "
            "holds something else. Choose another."
        )
    return target


def _pictures(content: PageContent) -> Iterator[Drawn]:
    yield from content.filters
    for each in content.explained:
        yield from (*each.maps, *each.features)


# ---- images -----------------------------------------------------------------------------------------------


def _explained_images(asked: _Asked, images: Any) -> PageContent:
    from mindle.explanation.maps import Subject, chosen, scored
    from mindle.explanation.page import PageContent

    subject = Subject(score=scored(asked.opened), net=_net_of(asked))
    names = chosen(asked.methods, subject)
    shown = list(_answered(asked, images))
    given = [(pixels, row) for pixels, row in shown if pixels is not None]
    near = _neighbours(asked)
    checks = _checks(asked, subject, names, [pixels for pixels, _ in given]) if given else {}
    explained = []
    for number, (pixels, row) in enumerate(shown, 1):
        one = _explained(asked, subject, names, pixels, row, number)
        if near is not None and pixels is not None:
            features = asked.opened.graph({"pixels": pixels[None]})["features"][0]
            one = replace(one, neighbours=near.nearest(features))
        explained.append(one)
        asked.listener.progress("explain", number, len(shown))
    return PageContent(
        name=asked.folder.name,
        unit=asked.opened.source.unit,
        explained=explained,
        checks=checks,
        filters=_filter_sheets(subject) if asked.features else (),
    )


def _net_of(asked: _Asked) -> Any:
    """The PyTorch model of a run; None where there is none."""
    if not asked.is_run or not (asked.folder / "model.json").is_file():
        return None
    from mindle.models.classifier import load_model

    return load_model(asked.folder)


def _answered(asked: _Asked, images: Any) -> Iterator[tuple[NDArray[np.uint8] | None, dict[str, Any]]]:
    """Pixels and the row of a table of answers of each image; no pixels where it cannot be read."""
    opened = asked.opened
    for name, payload in inputs_of(opened, images):
        batch = next(iter(opened.source.batches(iter([(name, payload)]))))
        row = next(iter(opened.rows([(name, payload)])))
        yield (None if batch.reasons[0] else batch.feed["pixels"][0]), row


def _explained(
    asked: _Asked, subject: Subject, names: Sequence[str], pixels: Any, row: Mapping[str, Any], number: int
) -> Explained:
    from mindle.explanation import drawing
    from mindle.explanation.checks import LEAST_RANGE, Picture
    from mindle.explanation.maps import METHODS
    from mindle.explanation.page import Drawn, Explained

    answer = _answer(asked, row)
    if pixels is None:
        return Explained(key=str(row["path"]), answer=answer)
    target = _target(asked.opened, pixels)
    picture = Picture(subject.score, pixels, target)
    stem = f"{number:03d}-{_plain(Path(str(row['path'])).stem)}"
    maps = []
    for name in names:
        found = METHODS[name].draw(subject, pixels, target)
        compared = picture.compared(found)
        beats = compared.deletes and float(np.ptp(found)) >= LEAST_RANGE
        curves = {"deletion": compared.found.deletion, "deletion_of_random": compared.random.deletion}
        png = drawing.png(drawing.overlay(pixels, found))
        maps.append(
            Drawn(
                name=name, file=f"{stem}-{name}.png", picture=png, document={"beats_chance": beats, **curves}
            )
        )
    return Explained(
        key=str(row["path"]),
        answer=answer,
        target=asked.opened.classes[target] if asked.opened.classes else "",
        photo=drawing.photo(pixels),
        maps=maps,
        features=_feature_sheets(subject, pixels, stem) if asked.features else (),
    )


def _target(opened: Opened, pixels: NDArray[np.uint8]) -> int:
    """Which score the answer to an image names."""
    from mindle.evaluation import tasks

    answers = opened.answers(opened.graph({"pixels": pixels[None]}), ("",))
    return int(tasks.of(opened.target.task).explained(answers)[0])


def _plain(stem: str) -> str:
    """A file's name that any system takes."""
    return "".join(letter if letter.isalnum() or letter in "-_." else "-" for letter in stem)[:60] or "image"


def _feature_sheets(subject: Subject, pixels: Any, stem: str) -> list[Drawn]:
    from mindle.explanation import drawing
    from mindle.explanation.page import Drawn

    if subject.net is None:
        return []
    from mindle.explanation.torch.layers import feature_maps

    sheets = feature_maps(subject.net, pixels).items()
    return [
        Drawn(name=name, file=f"{stem}-layer-{at:02d}.png", picture=drawing.png(drawing.sheet(maps)))
        for at, (name, maps) in enumerate(sheets, 1)
    ]


def _filter_sheets(subject: Subject) -> list[Drawn]:
    from mindle.explanation import drawing
    from mindle.explanation.page import Drawn

    if subject.net is None:
        return []
    from mindle.explanation.torch.layers import filters

    sheets = filters(subject.net).items()
    return [
        Drawn(name=name, file=f"filters-{at:02d}.png", picture=drawing.png(drawing.sheet(found)))
        for at, (name, found) in enumerate(sheets, 1)
    ]


# ---- checks of maps, once for a model ---------------------------------------------------------------------


def _checks(
    asked: _Asked, subject: Subject, names: Sequence[str], given: Sequence[NDArray[np.uint8]]
) -> dict[str, Any]:
    """The document of checks.json: read where it is of this model, and what it lacks made."""
    from mindle.explanation.checks import Picture
    from mindle.explanation.maps import check_methods, forgetful, pictures_to_check

    path, identity = asked.out / CHECKS, sha256_of(asked.graph)
    stored = _stored_checks(path, identity)
    missing = [name for name in names if name not in stored.get("methods", {})]
    if not missing:
        return stored
    pixels, targets, of = _images_to_check(asked, given)
    count = pictures_to_check(subject.score, pixels)
    few, their = pixels[:count], targets[:count]
    asked.listener.say(message("explain.checking", n=len(few), methods=", ".join(missing)))
    shuffled = forgetful(asked.opened, asked.graph, subject, few)
    pictures = [Picture(subject.score, each, int(at)) for each, at in zip(few, their, strict=True)]
    methods = dict(stored.get("methods", {}))
    for done, (name, found) in enumerate(check_methods(missing, subject, shuffled, pictures), 1):
        methods[name] = found.document()
        asked.listener.progress("checks", done, len(missing))
    found_borders = stored.get("borders") or borders_of(asked.opened, pixels, targets, asked.listener)
    document = {"schema": SCHEMA, "model": identity, "of": of, "pictures": len(few)}
    document |= {"methods": methods, "borders": found_borders}
    write_json(path, document)
    return document


def _stored_checks(path: Path, identity: str) -> dict[str, Any]:
    try:
        stored = read_json(path, schema=SCHEMA, what="checks")
    except (OSError, MindleError):
        return {}
    return stored if stored.get("model") == identity else {}


def _images_to_check(
    asked: _Asked, given: Sequence[NDArray[np.uint8]]
) -> tuple[NDArray[np.uint8], NDArray[np.int64], str]:
    """Pixels, what is explained of each, and where they are from: "test" where a run's data are at hand."""
    if asked.is_run:
        try:
            return (*_test_images(asked), "test")
        except (MindleError, ValueError, OSError):
            pass  # the data have moved or changed: the document says that what was given was checked
    pixels = np.stack(given[:BORDER_IMAGES])
    return pixels, np.array([_target(asked.opened, each) for each in pixels]), "given"


def _neighbours(asked: _Asked) -> Neighbours | None:
    """Training images to show beside others: those that a bundle carries, or of a run those of its data."""
    from mindle.artifacts.manifest import read_manifest

    if not asked.is_run:
        return neighbours.read_or_none(asked.folder / NEIGHBOURS)
    path, run = asked.out / NEIGHBOURS, RunFolder(asked.folder)
    kept = asked.out == asked.folder / FOLDER  # elsewhere they might be of another model
    places = (path, run.bundle / NEIGHBOURS) if kept else (run.bundle / NEIGHBOURS,)
    known = next(filter(None, map(neighbours.read_or_none, places)), None)
    if known is not None:
        return known
    try:
        dataset = asked.dataset
    except (MindleError, ValueError, OSError) as error:
        asked.listener.say(message("explain.no_neighbours", reason=first_words(error)))
        return None
    learned = {row.path: row.label for row in read_manifest(run.manifest) if row.split == "train"}
    labels = {at: learned[path] for at, path in enumerate(dataset.paths) if path in learned}
    found = neighbours.gathered(asked.opened, dataset, labels, asked.listener)
    if found is not None and kept:
        neighbours.write(path, found)
    return found


def _test_images(asked: _Asked) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Images of the test split that the model answers well, drawn by chance."""
    from mindle.data import pixels as pixels_of
    from mindle.evaluation import tasks
    from mindle.explanation.border import answered_well

    dataset = asked.dataset
    evaluation = tasks.of(asked.opened.target.task)
    test = evaluation.pooled(RunFolder(asked.folder).answers()["test"])
    places = {path: at for at, path in enumerate(dataset.paths)}
    known = [row for row in answered_well(test, BORDER_IMAGES) if test.paths[row] in places]
    if not known:
        raise DataError("The test split must still lie where it was.")
    rows = np.array([places[test.paths[row]] for row in known])
    spec = asked.opened.source.spec
    pixels = pixels_of(dataset, rows, spec, listener=asked.listener)[np.arange(len(rows))]
    return pixels, evaluation.explained(test)[known]


# ---- rows -------------------------------------------------------------------------------------------------


def _explained_rows(asked: _Asked, table: Any) -> PageContent:
    from mindle.explanation.page import Explained, PageContent
    from mindle.explanation.rows import BACKGROUND

    if asked.methods or asked.features:
        raise ValueError(
            "`method` and `features` are about images. Received them for a model of rows; leave them out."
        )
    source = asked.opened.source
    inputs = list(inputs_of(asked.opened, table))
    feeds = [batch.feed for batch in source.batches(iter(inputs)) if batch.feed]
    if not feeds:
        raise DataError("There must be rows to explain. Received none that can be read.")
    given = {name: np.concatenate([feed[name] for feed in feeds]) for name in feeds[0]}
    background = _background(asked, BACKGROUND) or _drawn(given, BACKGROUND)
    explained: list[Explained] = []
    readable = 0
    for row in islice(asked.opened.rows(iter(inputs)), ROWS):
        key, answer = f"{row['path']} {row['row']}".strip(), _answer(asked, row)
        if row["reason"]:
            explained.append(Explained(key=key, answer=answer))
            continue
        one = {name: cells[readable : readable + 1] for name, cells in given.items()}
        explained.append(replace(_explained_row(asked, one, background), key=key, answer=answer))
        readable += 1
    return PageContent(
        name=asked.folder.name, unit=source.unit, explained=explained, importance=_importance(asked)
    )


def _explained_row(asked: _Asked, one: Feed, background: Feed) -> Explained:
    """The Shapley values of a row that can be read, the largest first."""
    from mindle.evaluation import tasks
    from mindle.explanation.page import Explained
    from mindle.explanation.rows import players_of, shapley

    opened = asked.opened
    evaluation, players = tasks.of(opened.target.task), players_of(opened.source.spec)
    target = int(evaluation.explained(opened.answers(opened.graph(one), ("",)))[0])

    def ask(feed: Feed) -> NDArray[np.float64]:
        return evaluation.evidence(opened.graph(feed))[:, target]

    found = shapley(ask, one, background, players)
    columns = []
    for at in np.argsort(-np.abs(found.values), kind="stable").tolist():
        share, error = float(found.values[at]), float(found.errors[at])
        cell = players[at].cell(one)
        columns.append({"name": players[at].column.name, "value": cell, "share": share, "error": error})
    named = opened.classes[target] if opened.classes else ""
    return Explained(key="", answer={}, target=named, columns=columns, base=found.base)


def _answer(asked: _Asked, row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of a table of answers less what names it."""
    return {name: value for name, value in row.items() if name not in asked.opened.source.keys}


def _importance(asked: _Asked) -> Sequence[Mapping[str, Any]]:
    """The permutation importance of a run's report."""
    if not asked.is_run:
        return ()
    found: Sequence[Mapping[str, Any]] = (
        RunFolder(asked.folder).document().get("explained", {}).get("importance", ())
    )
    return sorted(found, key=lambda each: -float(each["mean"]))


def _background(asked: _Asked, most: int) -> Mapping[str, NDArray[Any]] | None:
    """Rows that a run was trained on; None of a bundle, or where they are not at hand."""
    from mindle.data.reading import ReadingOptions

    if not asked.is_run:
        return None
    recorded = RunFolder(asked.folder).document()["asked"]
    try:
        table = ReadingOptions.from_dict(recorded).read_table(recorded["source"])
    except (MindleError, ValueError, OSError):
        return None
    return _drawn(next(iter(asked.opened.source.feeds(table.cells))), most)


def _drawn(feed: Mapping[str, NDArray[Any]], most: int) -> dict[str, NDArray[Any]]:
    rows = np.random.default_rng(0).permutation(len(next(iter(feed.values()))))[:most]
    return {name: cells[rows] for name, cells in feed.items()}


_EXPLAINERS: dict[type[Any], Callable[[_Asked, Any], PageContent]] = {
    InputSpec: _explained_images,
    TableSpec: _explained_rows,
}
