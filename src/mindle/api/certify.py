"""`certify`: what a model withstands, measured, and held to limits."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from mindle.api.predict import open_model
from mindle.artifacts.outputs import keep_apart
from mindle.data.reading import ReadingKeywords, ReadingOptions, takes_reading_options
from mindle.messages import message, require_language
from mindle.records import SILENT, Listener

if TYPE_CHECKING:
    from mindle.artifacts.bundle import Bundle
    from mindle.artifacts.run import RunFolder
    from mindle.certification.document import Certificate
    from mindle.certification.limits import Limits
    from mindle.certification.measure import Measured
    from mindle.certification.samples import Sample
    from mindle.serving.opened import Opened

Source = str | os.PathLike[str]

READ_AS = ("target", "separator", "header", "label_from")
BUDGET = "4m"
FOLDER = "certificate"
_RESERVED = 5.0  # seconds that the page and the files may take


@takes_reading_options(*READ_AS)
def certify(
    model: Source,
    *,
    data: Any = None,
    out: Source | None = None,
    limits: Any = None,
    budget: str | float = BUDGET,
    seed: int = 0,
    lang: str = "en",
    listener: Listener = SILENT,
    **reading: Unpack[ReadingKeywords],
) -> Certificate:
    """Measure what a model withstands, and hold it to limits.

    Images are answered under corruptions (resolution, light, contrast, rotation, blur, noise, JPEG, crop,
    occlusion, gray) in five severities, rows with missing cells, shifted and scaled columns and unseen words;
    each is compared with the same images or rows as they are. Inputs that show nothing should make the model
    abstain. Latency, memory and size are measured too.

    Args:
        model: A run or a bundle.
        data: Labelled data that the model has not learned from, as `evaluate` takes them. A run takes its own
            test part unless given; a bundle must be given some.
        out: Where to write certificate.json and certificate.html; the run's folder `certificate` unless set.
        limits: A TOML file, or a mapping with the same names; see `mindle certify` in the manual.
        budget: Time for everything, such as "4m" or a number of seconds: as many images or rows are drawn as
            fit.
        seed: Draws those, and whatever is random in a corruption.
        lang: Language of the page, "en" or "ko".
        listener: Receives messages and progress.
        **reading: How the data are read, see `ReadingOptions`.

    Returns:
        The certificate; `passed` says whether every limit holds.

    Raises:
        ArtifactError: If there is no such run or bundle.
        DataError: If the data cannot be used, or the test part has changed since the run.
        ValueError: If limits name something that is not measured, the budget is too short, or `out` holds
            other files.

    Example:
        >>> certify("runs/photos-1", limits={"accuracy": {"clean": 0.9}}).passed  # doctest: +SKIP
        True
    """
    from mindle.certification import scores
    from mindle.certification.limits import read_limits
    from mindle.certification.samples import Chosen, sample_of
    from mindle.training.budget import parse_budget

    seconds = parse_budget(budget) or 0.0
    deadline = time.monotonic() + seconds - min(_RESERVED, seconds / 4)
    options = ReadingOptions.of(reading, certify)
    require_language(lang)
    place = _place(model, out, data)
    opened = open_model(model)
    chosen = Chosen(
        data=data,
        run=place.run,
        reading={name: getattr(options, name) for name in READ_AS},
        listener=listener,
    )
    sample = sample_of(opened, chosen)
    held = read_limits(limits, sample, scores.of(opened.target.task))
    request = _Request(
        place=place, limits=held, seed=seed, deadline=deadline, lang=lang, data=data, listener=listener
    )
    return _certified(opened, sample, request)


@dataclass(frozen=True, kw_only=True)
class _Place:
    """A model on disk, and where its certificate goes."""

    bundle: Bundle
    run: RunFolder | None
    out: Path


@dataclass(frozen=True, kw_only=True)
class _Request:
    """What was asked for."""

    place: _Place
    limits: Limits
    seed: int
    deadline: float
    lang: str
    data: Any
    listener: Listener


def _place(model: Source, out: Source | None, data: Any) -> _Place:
    """Where everything is, once the output is known to lie on nothing."""
    from mindle.artifacts.bundle import read_bundle
    from mindle.artifacts.run import RunFolder
    from mindle.serving.opened import locate

    folder, is_run = locate(model)
    if out is None and not is_run:
        raise ValueError(f"`out` must be given for a bundle. Received {folder}. Give --out FOLDER.")
    target = folder / FOLDER if out is None else Path(out)
    _require_free(target)
    keep_apart({"out": out}, [model, data] if data is not None else [model])
    run = RunFolder(folder) if is_run else None
    return _Place(bundle=read_bundle(folder if run is None else run.bundle), run=run, out=target)


def _require_free(target: Path) -> None:
    """Refuse a folder that holds anything but an earlier certificate."""
    from mindle.certification.document import DOCUMENT, PAGE

    if target.is_dir() and set(os.listdir(target)) <= {DOCUMENT, PAGE}:
        return
    if os.path.lexists(target):
        raise ValueError(
            f"`out` must be a new or empty folder, or hold an earlier certificate. Received {target}, which "
            f"{'holds other files' if target.is_dir() else 'is a file'}. Choose another."
        )


def _certified(opened: Opened, sample: Sample, request: _Request) -> Certificate:
    from mindle.artifacts.files import write_json, write_text
    from mindle.certification.document import DOCUMENT, Certificate
    from mindle.certification.latency import latency
    from mindle.certification.measure import measure
    from mindle.evaluation.report.certificate import certificate_html

    left = request.deadline - time.monotonic()
    times = latency(opened, sample, request.place.bundle.folder, seconds=left)
    found = measure(opened, sample, seed=request.seed, deadline=request.deadline, listener=request.listener)
    document = _document(opened, sample, request, found, times)
    made = Certificate(document=document, path=request.place.out)
    request.place.out.mkdir(parents=True, exist_ok=True)
    write_text(made.page, certificate_html(document, sample.shown(request.seed), lang=request.lang))
    write_json(request.place.out / DOCUMENT, document)
    _tell(made, request.listener)
    return made


def _document(
    opened: Opened, sample: Sample, request: _Request, found: Measured, times: list[dict[str, Any]]
) -> dict[str, Any]:
    from mindle.artifacts.environment import hardware
    from mindle.artifacts.files import sha256_of
    from mindle.certification.card import model_card
    from mindle.certification.document import SCHEMA
    from mindle.certification.limits import compared

    place = request.place
    size = sum(file.stat().st_size for file in place.bundle.folder.iterdir() if file.is_file())
    held = request.limits.all(sample, abstains=found.abstains)
    limits = compared(held, found, times, size)
    source = None if request.data is None else os.fspath(request.data) if _is_path(request.data) else "memory"
    evaluated = {"source": source, "n": found.n, "of": found.of, "seed": request.seed}
    folder = place.bundle.folder if place.run is None else place.run.path
    return {
        "schema": SCHEMA,
        "model": {
            "name": folder.resolve().name,
            "path": str(folder),
            "task": str(place.bundle.task),
            "classes": list(place.bundle.classes),
            "sha256": sha256_of(place.bundle.model),
        },
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "unit": opened.source.unit,
        "n": found.n,
        "of": found.of,
        "seed": request.seed,
        "compared_with_training": place.run is not None,
        "abstains": found.abstains,
        "amounts": {one.name: list(one.amounts) for one in (*sample.corruptions, *sample.irrelevant)},
        "clean": found.clean,
        "corruptions": found.corruptions,
        "irrelevant": found.irrelevant,
        "latency": times,
        "size_bytes": size,
        "hardware": hardware(),
        "licences": [dict(one) for one in place.bundle.licences],
        "card": model_card(opened, place.bundle, place.run, request.limits.card, evaluated),
        "limits": limits,
        "passed": all(limit["passed"] for limit in limits),
    }


def _is_path(data: Any) -> bool:
    return isinstance(data, str | os.PathLike)


def _tell(made: Certificate, listener: Listener) -> None:
    """Which limits do not hold, and where the page is."""
    for limit in made.limits:
        if not limit["passed"]:
            found = limit["found"]
            shown = message("certificate.unmeasured") if found is None else f"{found:.4g}"
            bound = message(f"certificate.at-{limit['bound']}", limit=f"{limit['limit']:g}")
            listener.say(message("certificate.failed", name=limit["name"], found=shown, limit=bound))
    document = made.document
    listener.say(
        message(
            "certificate.certified",
            n=len(made.limits),
            passed=sum(limit["passed"] for limit in made.limits),
            count=document["n"],
            of=document["of"],
            unit=document["unit"],
            path=str(made.page),
        )
    )
