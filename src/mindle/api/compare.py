"""`compare`: runs beside each other on the test rows that they share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindle.api.report import report_content, run_of, unit_of
from mindle.artifacts.files import write_text
from mindle.artifacts.manifest import read_manifest
from mindle.artifacts.outputs import PAGES, keep_apart, require_ending
from mindle.artifacts.run import RunFolder, whole_run
from mindle.messages import in_language, message, require_language
from mindle.records import Answers

if TYPE_CHECKING:
    from mindle.evaluation.compare import Comparison
    from mindle.evaluation.report import Variant

Source = str | os.PathLike[str]

SCORES = ("accuracy", "macro_f1", "log_loss", "mae", "rmse", "r2")


@dataclass(frozen=True)
class Compared:
    """Finished runs beside each other.

    Attributes:
        runs: One entry a run, as given: name, path, strategy, seconds, the scores on the test split, and how
            many decisions on labels it was trained after, if any.
        pairs: Every two of them: names of the first and the second, their `Comparison`, and `adjusted`, the
            chance raised for asking about several pairs (Holm).
    """

    runs: tuple[dict[str, Any], ...]
    pairs: tuple[tuple[str, str, Comparison, float], ...]

    def sentences(self, lang: str = "en") -> list[str]:
        """What was found between every two, a few sentences each."""
        from mindle.evaluation.report.verdict import verdict

        unit, runs = self.runs[0]["unit"], {run["name"]: run for run in self.runs}
        return [
            " ".join([verdict(found, one, two, lang=lang, unit=unit), *_decided(runs[one], runs[two], lang)])
            for one, two, found, _ in self.pairs
        ]

    def as_dict(self) -> dict[str, Any]:
        """The document that `mindle compare --json` writes."""
        return {
            "schema": 1,
            "runs": [{key: value for key, value in run.items() if key != "unit"} for run in self.runs],
            "pairs": [
                {"first": one, "second": two, "adjusted_chance": adjusted, **found.as_dict()}
                for one, two, found, adjusted in self.pairs
            ],
        }


def compare(
    runs: Sequence[Source], *, seed: int = 0, out: Source | None = None, lang: str = "en"
) -> Compared:
    """Compare finished runs on the test rows that all of them answered.

    Args:
        runs: Two or more run folders, trained on the same data and split.
        seed: Seed of the bootstrap and of the permutation test.
        out: Where to write the comparison as one HTML page, if anywhere.
        lang: Language of the page, "en" or "ko".

    Returns:
        The scores of each, and the paired difference of every two with its p value.

    Raises:
        ValueError: If there are fewer than two runs, or their test splits or classes differ; what differs is
            named.
        ArtifactError: If one is no finished run.

    Example:
        >>> compare(["runs/photos-1", "runs/photos-2"]).sentences()  # doctest: +SKIP
    """
    from mindle.evaluation.compare import compare as paired
    from mindle.evaluation.compare import holm

    require_language(lang)
    if isinstance(runs, str | os.PathLike) or len(runs) < 2:
        raise ValueError(f"`runs` must be two runs or more. Received {runs!r}. `mindle runs` lists them.")
    require_ending("out", out, PAGES)
    keep_apart({"out": out}, runs)
    folders = [run_of(run, "What is compared") for run in runs]
    names = _names(folders)
    answers = [_test_answers(folder) for folder in folders]
    found = []
    for one, two in combinations(range(len(folders)), 2):
        try:
            _require_same_files(folders[one], folders[two])
            found.append((names[one], names[two], paired(answers[one], answers[two], seed=seed)))
        except ValueError as error:
            raise ValueError(
                f"{names[one]} (the first) and {names[two]} (the second) cannot be compared. {error}"
            ) from error
    adjusted = holm([comparison.main.chance for *_, comparison in found])
    if out is not None:
        _write_page(Path(out), dict(zip(names, folders, strict=True)), found, lang=lang)
    return Compared(
        runs=tuple(_entry(name, folder) for name, folder in zip(names, folders, strict=True)),
        pairs=tuple((*pair, chance) for pair, chance in zip(found, adjusted, strict=True)),
    )


def _decided(one: Mapping[str, Any], two: Mapping[str, Any], lang: str) -> Iterator[str]:
    """What decisions on labels two runs do not share, in a sentence each."""
    if one["decisions"] != two["decisions"]:
        for run in (one, two):
            if run["decisions"]:
                counts = {name: run["decisions"][name] for name in ("relabelled", "set_aside")}
                said = message("doctor.decisions.compared", name=run["name"], unit=run["unit"], **counts)
                yield in_language(said, lang)


def _names(folders: Sequence[RunFolder]) -> list[str]:
    """Names of the folders, with as much of the path as tells them apart."""
    short = [folder.path.resolve().name for folder in folders]
    names = short if len(set(short)) == len(short) else [str(folder.path) for folder in folders]
    if len(set(names)) < len(names):
        raise ValueError(f"`runs` must be different runs. Received {', '.join(names)}.")
    return names


def _test_answers(folder: RunFolder) -> Answers:
    with whole_run(folder.path):
        answers: Answers = folder.answers()["test"]
        return answers


def _test_hashes(folder: RunFolder) -> dict[str, str]:
    with whole_run(folder.path):
        rows = read_manifest(folder.manifest)
        return {row.path: row.sha256 for row in rows if row.split == "test" and row.sha256}


def _require_same_files(one: RunFolder, two: RunFolder) -> None:
    """Refuse files of one name that hold something else: the answers would look paired and not be."""
    hashes = [_test_hashes(one), _test_hashes(two)]
    other = [path for path, sha256 in hashes[0].items() if hashes[1].get(path, sha256) != sha256]
    if other:
        raise ValueError(
            f"Both must have answered the same test files. {len(other):,} changed in between, first "
            f"{other[0]!r}. Train again on the data as they are now."
        )


def _write_page(
    out: Path, folders: Mapping[str, RunFolder], found: Sequence[tuple[str, str, Comparison]], *, lang: str
) -> None:
    """The runs beside each other as one page."""
    from mindle.evaluation.report import comparison_html

    with whole_run(" or ".join(str(folder.path) for folder in folders.values())):
        variants = [variant_of(name, folder, lang) for name, folder in folders.items()]
        write_text(out, comparison_html(" · ".join(folders), variants, found, lang=lang))


def variant_of(name: str, folder: RunFolder, lang: str) -> Variant:
    """A run as a page shows it beside others."""
    from mindle.evaluation.report import Variant

    document = folder.document()
    recipe = {key: value for key, value in document["asked"]["recipe"].items() if key != "about"}
    return Variant(
        name=name,
        content=report_content(folder),
        parameters=document.get("parameters", {}).get("trainable"),
        settings={"strategy": document["strategy"], **recipe},
        facts={
            in_language(heading, lang): value for heading, value in _facts(document, folder.metrics()).items()
        },
    )


def _facts(document: Mapping[str, Any], metrics: Mapping[str, Any]) -> dict[str, str]:
    """Further columns of the table of outcomes, as far as they were measured."""
    facts: dict[str, str] = {}
    rarest = _rarest(metrics)
    if rarest is not None:
        facts[message("course.recall", name=rarest["name"])] = f"{rarest['recall']['value']:.1%}"
    for key, heading in (("peak_memory_bytes", "course.memory"), ("cache_bytes", "course.disk")):
        if document.get(key):
            facts[message(heading)] = f"{document[key] / 1e6:,.0f} MB"
    if "label_decisions" in document:
        counts = document["label_decisions"]
        facts[message("doctor.decisions.heading")] = f"{counts['relabelled']:,} / {counts['set_aside']:,}"
    return facts


def _rarest(metrics: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The rarest class of the test split, where it has under half an even share: accuracy hides it."""
    classes: list[Mapping[str, Any]] = metrics["test"].get("per_class", [])
    if not classes:
        return None
    rarest = min(classes, key=lambda row: int(row["n"]))
    even = metrics["test"]["n"] / len(classes)
    return rarest if rarest["n"] < even / 2 and rarest["recall"]["value"] is not None else None


def _entry(name: str, folder: RunFolder) -> dict[str, Any]:
    document, metrics = folder.document(), folder.metrics()
    with whole_run(folder.path):
        test = metrics["test"]
        return {
            "name": name,
            "path": str(Path(folder.path)),
            "strategy": metrics["strategy"],
            "task": metrics["task"],
            "n": test["n"],
            "scores": {score: test[score] for score in SCORES if score in test},
            "seconds": metrics["seconds"]["total"],
            "data": document["name"],
            "decisions": _decisions(document),
            "unit": unit_of(document),
        }


def _decisions(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """What decisions on labels changed before a training, and their hash; None where there were none."""
    counts = document.get("label_decisions")
    return None if counts is None else {**counts, "sha256": document["asked"]["decisions"]["sha256"]}
