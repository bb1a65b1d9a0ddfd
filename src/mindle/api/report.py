"""`report`: a finished run as a page."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindle.artifacts.label_issues import path_of, questioned
from mindle.artifacts.outputs import PAGES, keep_apart, require_ending
from mindle.artifacts.run import RunFolder, whole_run
from mindle.errors import ArtifactError, DataError
from mindle.messages import require_language as require_language
from mindle.records import Dataset, Diagnosis, Finding, record_of

if TYPE_CHECKING:
    from mindle.evaluation.report import DataSummary, Explanation, ReportContent, TrainingSummary

Source = str | os.PathLike[str]

# How many mistakes the report shows as pictures.
PICTURES = 24
# How many of the labels that are most probably wrong it shows.
ISSUES = 12
# What the answers of each kind of data are about, where that is not images.
UNITS = {"table": "rows"}


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
    require_language(lang)
    require_ending("out", out, PAGES)
    keep_apart({"out": out}, [run])
    folder = run_of(run, "What is reported")
    target = folder.report if out is None else Path(out)
    with whole_run(folder.path):
        return write_report(folder, None, lang=lang, out=target)


def run_of(given: Source, what: str) -> RunFolder:
    """The folder of a run that somebody named.

    Raises:
        ArtifactError: If it is a bundle, which keeps no predictions, or neither.
    """
    from mindle.serving.opened import locate

    path, is_run = locate(given)
    if not is_run:
        raise ArtifactError(
            f"{what} must be a run. Received {os.fspath(given)!r}, a bundle, which keeps no predictions."
        )
    return RunFolder(path)


def write_report(folder: RunFolder, dataset: Dataset | None, *, lang: str, out: Path) -> Path:
    """Write a run's report to `out`; with its data at hand, pictures need not be searched for."""
    from mindle.evaluation import report as page

    page.write_report(out, report_content(folder, dataset), lang=lang)
    return out


def unit_of(document: Mapping[str, Any]) -> str:
    """What one answer of a run is about, "images" or "rows", from its run.json."""
    return UNITS.get(document.get("kind", ""), "images")


def report_content(folder: RunFolder, dataset: Dataset | None = None) -> ReportContent:
    """Gather what the report shows from the files of a run."""
    from mindle.evaluation.report import Licence, Provenance, ReportContent

    document, metrics = folder.document(), folder.metrics()
    doctor = _doctor(folder, document)
    return ReportContent(
        name=document["name"],
        metrics=metrics,
        answers=folder.answers(),
        data=_data(document, metrics),
        training=_training(folder, document),
        explanation=_explanation(folder, document, metrics, dataset, doctor),
        doctor=doctor,
        provenance=Provenance(
            command=document["command"],
            finished=document["finished"].replace("T", " ").replace("+00:00", " UTC"),
            recipe=document.get("recipe", document["asked"]["recipe"]),
            environment={
                "mindle": document["mindle"],
                **document["libraries"],
                **document["hardware"],
                **{name: document["asked"][name] for name in ("seed", "split_seed", "device")},
            },
            licences=[record_of(Licence, licence) for licence in document["licences"]],
        ),
    )


def _data(document: Mapping[str, Any], metrics: Mapping[str, Any]) -> DataSummary:
    from mindle.evaluation.report import DataSummary

    data = document["data"]
    columns = [
        {name: column[name] for name in ("name", "kind", "role", "missing", "note")}
        for column in data.get("columns", ())
    ]
    targets = [column["name"] for column in columns if column["role"] == "target"]
    return DataSummary(
        unit=unit_of(document),
        target=next(iter(targets), metrics.get("target", "")),
        counts=data["counts"],
        set_aside=data["set_aside"],
        findings=[
            record_of(Finding, {**found, "files": tuple(found["files"])}) for found in data["findings"]
        ],
        columns=columns,
        fingerprint=data["fingerprint"],
    )


def _training(folder: RunFolder, document: Mapping[str, Any]) -> TrainingSummary:
    from mindle.evaluation.report import Attempt, TrainingSummary

    return TrainingSummary(
        history=folder.history(),
        tried=[Attempt(**attempt) for attempt in document["tried"]],
        stopped=[document["stopped"], document["advice"]],
        diagnoses=[Diagnosis(**found) for found in document.get("diagnoses", ())],
        search=_search(folder, document["search"]) if "search" in document else {},
    )


def _search(folder: RunFolder, recorded: Mapping[str, Any]) -> dict[str, Any]:
    """What run.json keeps of a search, with the trials; run.json knows how their notes are translated."""
    notes = {str(note): note for note in recorded.get("notes", ())}
    trials = [{**trial, "note": notes.get(trial["note"], trial["note"])} for trial in folder.trials()]
    return {**recorded, "trials": trials}


def _doctor(folder: RunFolder, document: Mapping[str, Any]) -> dict[str, Any]:
    """What the examination found, and the labels that are most probably wrong."""
    found = dict(document.get("doctor", {}))
    if "labels" in found:
        found["issues"] = questioned(path_of(folder), found["labels"], ISSUES)
    return found


def _explanation(
    folder: RunFolder,
    document: Mapping[str, Any],
    metrics: Mapping[str, Any],
    dataset: Dataset | None,
    doctor: Mapping[str, Any],
) -> Explanation:
    """What only some sources can show: pictures of images, cells and importance of the columns of a table."""
    from mindle.evaluation import tasks
    from mindle.evaluation.report import Explanation
    from mindle.evaluation.report.abstaining import MOST_REFUSED
    from mindle.evaluation.report.cues import unclear

    if "explained" in document:
        return Explanation(**document["explained"])
    evaluation = tasks.of(metrics["task"])
    test = evaluation.pooled(folder.answers()["test"])
    shown = [*evaluation.worst(test, PICTURES), *evaluation.refused(test, MOST_REFUSED)]
    wanted = {test.paths[row] for row in shown}
    wanted |= {row["path"] for name in ("issues", "outliers") for row in doctor.get(name, ())}
    wanted |= {path for _, path in unclear(_data(document, metrics).findings)}
    return Explanation(pictures=_pictures(document, wanted, dataset), borders=document.get("borders", ()))


def _pictures(document: Mapping[str, Any], wanted: set[str], dataset: Dataset | None) -> dict[str, bytes]:
    """Small JPEGs of images, by path; fewer where the data have moved or changed."""
    from mindle.data.images.pixels import thumbnail
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
