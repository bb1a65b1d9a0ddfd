"""`report`: a finished run as a page."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindle.artifacts.outputs import PAGES, keep_apart, require_ending
from mindle.artifacts.run import RunFolder, whole_run
from mindle.errors import ArtifactError, DataError
from mindle.records import Dataset, Diagnosis, Finding

if TYPE_CHECKING:
    from mindle.evaluation.report import ReportContent

Source = str | os.PathLike[str]

LANGUAGES = ("en", "ko")
# How many mistakes the report shows as pictures.
PICTURES = 24


def report(run: Source, *, lang: str = "en", out: Source | None = None) -> Path:
    """Write a finished run's report again.

    The pictures of its mistakes are taken from the data where these still lie; without them the report names
    files.

    Args:
        run: The run folder.
        lang: "en" or "ko".
        out: Where to write it; the run's report.html unless set.

    Returns:
        The file.
    """
    from mindle.serving.opened import locate

    require_language(lang)
    require_ending("out", out, PAGES)
    keep_apart({"out": out}, [run])
    path, is_run = locate(run)
    if not is_run:
        raise ArtifactError(
            f"A report must be made of a run. Received {str(run)!r}, a bundle, which keeps no predictions."
        )
    folder = RunFolder(path)
    target = folder.report if out is None else Path(out)
    with whole_run(path):
        return write_report(folder, None, lang=lang, out=target)


def require_language(lang: str) -> None:
    """Refuse a language that reports are not written in, before any work is done."""
    if lang not in LANGUAGES:
        raise ValueError(f"`lang` must be one of {', '.join(LANGUAGES)}. Received lang={lang!r}.")


def write_report(folder: RunFolder, dataset: Dataset | None, *, lang: str, out: Path) -> Path:
    """Write a run's report to `out`; with its data at hand, pictures need not be searched for."""
    from mindle.evaluation import report as page

    page.write_report(out, report_content(folder, dataset), lang=lang)
    return out


def report_content(folder: RunFolder, dataset: Dataset | None = None) -> ReportContent:
    """Gather what the report shows from the files of a run."""
    from mindle.evaluation.report import Attempt, Licence, ReportContent

    document, metrics = folder.document(), folder.metrics()
    data = document["data"]
    estimated = metrics["task"] == "regression"
    content = ReportContent(
        name=document["name"],
        metrics=metrics,
        predictions={} if estimated else folder.answers(),
        estimates=folder.answers() if estimated else {},
        command=document["command"],
        finished=document["finished"].replace("T", " ").replace("+00:00", " UTC"),
        history=folder.history(),
        findings=[Finding(**{**finding, "files": tuple(finding["files"])}) for finding in data["findings"]],
        parts=data["counts"],
        set_aside=data["set_aside"],
        tried=[Attempt(**attempt) for attempt in document["tried"]],
        diagnosis=[Diagnosis(**found) for found in document.get("diagnoses", ())],
        stopped=" ".join(filter(None, (document["stopped"], document["advice"]))),
        recipe=document.get("recipe", document["asked"]["recipe"]),
        environment={
            "mindle": document["mindle"],
            **document["libraries"],
            **document["hardware"],
            **{name: document["asked"][name] for name in ("seed", "split_seed", "device")},
        },
        fingerprint=data["fingerprint"],
        licences=[
            Licence(name=licence["name"], licence=licence["licence"], source=licence["source"])
            for licence in document["licences"]
        ],
        **(_of_table(document) if document.get("kind") == "table" else {"target": metrics.get("target", "")}),
        search={**document["search"], "trials": folder.trials()} if "search" in document else {},
    )
    return replace(content, pictures=_pictures(document, _shown(content), dataset))


def _of_table(document: Mapping[str, Any]) -> dict[str, Any]:
    """What only a table's report shows."""
    columns = document["data"]["columns"]
    return {
        "target": next(column["name"] for column in columns if column["role"] == "target"),
        "columns": [
            {name: column[name] for name in ("name", "kind", "role", "missing", "note")} for column in columns
        ],
        **document["explained"],
    }


def _shown(content: ReportContent) -> set[str]:
    """Paths of the images that the report shows: the surest mistakes, or the largest errors."""
    from mindle.evaluation.report import largest_errors, most_confident_mistakes

    if content.subject == "rows":
        return set()
    if content.estimated:
        return {content.numbers.paths[row] for row in largest_errors(content.numbers, PICTURES)}
    return {content.answers.paths[row] for row in most_confident_mistakes(content.answers, PICTURES)}


def _pictures(document: Mapping[str, Any], wanted: set[str], dataset: Dataset | None) -> dict[str, bytes]:
    """Small JPEGs of images, by path; fewer where the data have moved or changed."""
    from mindle.data.images.thumbnails import thumbnail
    from mindle.data.reading import ReadingOptions

    if not wanted:
        return {}
    if dataset is None:
        try:
            asked = document["asked"]
            reading = ReadingOptions.from_dict(asked)
            dataset = reading.read_images(asked["source"], split_seed=asked.get("split_seed", 0))
        except (DataError, ValueError):
            return {}
    found = {}
    for row, path in enumerate(dataset.paths):
        if path in wanted and (picture := thumbnail(dataset, row)) is not None:
            found[path] = picture
    return found
