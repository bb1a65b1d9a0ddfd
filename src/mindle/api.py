"""The public calls, one verb a stage: check, train, predict, evaluate, report, and what lists things.

`train` joins the stages and holds no logic of its own: read → check → split → fit → bundle → judge → report.
Each room knows how; this page knows in which order, and what stands on disk after each.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindle import __version__
from mindle.artifacts import bundle as bundles
from mindle.artifacts.diary import Diary
from mindle.artifacts.environment import libraries
from mindle.artifacts.manifest import fingerprint, write_manifest
from mindle.artifacts.run import FINISHED, RunFolder, claim, find_runs
from mindle.console import Console
from mindle.errors import ArtifactError, DataError
from mindle.records import SILENT, Dataset, Finding, Listener, Predictions

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from mindle.evaluation.report import ReportContent
    from mindle.training.problem import Outcome

Source = str | os.PathLike[str]

LANGUAGES = ("en", "ko")
# Bundles are proven on this many validation images; the slow tests prove them on every test image.
PARITY_IMAGES = 16
# How many mistakes the report shows as pictures.
PICTURES = 24


# ── what a call gives back ───────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Checked:
    """What `check` found.

    Attributes:
        dataset: The data, with every row's hash, size and reason for being set aside.
    """

    dataset: Dataset

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was noticed, the decisions first."""
        return self.dataset.findings

    @property
    def needs_decision(self) -> bool:
        """Whether a person should decide something before training."""
        return any(finding.decision for finding in self.findings)

    def describe(self) -> list[str]:
        """Lines that say what there is to learn from: classes, counts, what was set aside."""
        from mindle.data.summary import describe

        return describe(self.dataset)

    def as_dict(self) -> dict[str, Any]:
        """The document that `mindle check --json` writes; every file is named."""
        return {
            "schema": 1,
            "data": self.dataset.source,
            "images": len(self.dataset.rows()),
            "classes": list(self.dataset.classes),
            "findings": [_finding_document(finding) for finding in self.findings],
        }


class Model:
    """Something that answers: a run or a bundle, opened by `load`.

    Attributes:
        path: Its folder.
    """

    def __init__(self, path: Source) -> None:
        self.path = Path(path)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r})"

    @property
    def bundle(self) -> bundles.Bundle:
        """What the bundle says of itself: classes, pixels, temperature, licences."""
        return bundles.read_bundle(self.path)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities."""
        return self.bundle.classes

    def predict(self, images: Any, *, engine: str = "onnx") -> pd.DataFrame:
        """Answer paths, folders, globs, PIL images or uint8 arrays; see `mindle.predict`."""
        return predict(self.path, images, engine=engine)

    def evaluate(self, data: Source, *, listener: Listener = SILENT) -> dict[str, Any]:
        """Judge on new labelled data; see `mindle.evaluate`."""
        return evaluate(self.path, data, listener=listener)


class Run(Model):
    """A finished run; a notebook shows its scores and its most confident mistakes under the cell."""

    @property
    def folder(self) -> RunFolder:
        """Its files."""
        return RunFolder(self.path)

    @property
    def bundle(self) -> bundles.Bundle:
        """What the run's bundle says of itself."""
        return bundles.read_bundle(self.folder.bundle)

    @property
    def metrics(self) -> dict[str, Any]:
        """The scores, as they stand in metrics.json."""
        return self.folder.metrics()

    @property
    def mistakes(self) -> pd.DataFrame:
        """Wrong answers in the test part, the surest first: path, label, predicted, confidence."""
        import pandas as pd

        from mindle.evaluation import most_confident_mistakes

        test = self.folder.predictions()["test"]
        wrong = most_confident_mistakes(test, len(test.paths))
        answers = test.probabilities[wrong]  # (mistake, class)
        return pd.DataFrame(
            {
                "path": [test.paths[row] for row in wrong],
                "label": [test.classes[label] for label in test.labels[wrong]]
                if test.labels is not None
                else [],
                "predicted": [test.classes[best] for best in answers.argmax(axis=1)],
                "confidence": answers.max(axis=1, initial=0.0),
            }
        )

    def report(self, *, lang: str = "en", out: Source | None = None) -> Path:
        """Write the report again; see `mindle.report`."""
        return report(self.path, lang=lang, out=out)

    def _repr_html_(self) -> str:
        from mindle.evaluation.report import summary_html

        return summary_html(_report_content(self.folder))


def load(path: Source) -> Model:
    """Open a run or a bundle.

    Raises:
        ArtifactError: If the folder is neither, is damaged, or the run has not finished.
    """
    from mindle.serving.opened import locate

    folder, is_run = locate(path)
    return Run(folder) if is_run else Model(folder)


# ── check ────────────────────────────────────────────────────────────────────────────────────────


def check(data: Source, *, listener: Listener = SILENT) -> Checked:
    """Look for files and labels that would spoil a training; change nothing.

    Args:
        data: What `train` takes.
        listener: Hears progress.

    Raises:
        DataError: If there is nothing to look at.

    Example:
        >>> check("digits").needs_decision
        False
    """
    from mindle import data as data_room

    return Checked(data_room.check(data_room.read(data), listener=listener))


def tell_findings(findings: Sequence[Finding], listener: Listener, *, most: int = 12) -> None:
    """Say what was found, a line each, the decisions first."""
    for finding in findings[:most]:
        mark = "!" if finding.decision else "-"
        listener.say(f"{mark} {finding.kind}: {finding.message} ({finding.action})")
    if len(findings) > most:
        listener.say(
            f"  … and {len(findings) - most} more; the report and `mindle check --json` name them all"
        )


# ── train ────────────────────────────────────────────────────────────────────────────────────────


def train(
    data: Source,
    *,
    recipe: Source | None = None,
    model: str | None = None,
    strategy: str | None = None,
    weights: Source | None = None,
    budget: str | float | None = None,
    seed: int = 0,
    split_seed: int = 0,
    device: str = "auto",
    out: Source | None = None,
    resume: bool = False,
    set: Mapping[str, Any] | None = None,
    lang: str = "en",
    listener: Listener | None = None,
) -> Run:
    """Check, split, train, judge once on a sealed test part, write a report and a bundle.

    Args:
        data: A folder of class folders, a CSV (`path,label`), an `.npz`, a folder of idx or CIFAR files,
            or "digits".
        recipe: A named recipe or a TOML file.
        model: A backbone or net by name; any timm model works where its weights are to be had.
        strategy: "auto", "probe", "inline", "finetune" or "scratch"; "auto" unless the recipe says otherwise.
        weights: A weight file, or a folder of them with their cards.
        budget: Time for everything, from the start of the process: "90s", "10m", "2h", or seconds. `auto`
            takes 10 minutes; a named strategy or recipe runs to its end unless a budget is given.
        seed: Seed of the training.
        split_seed: Seed of the split.
        device: "auto", "cpu", "cuda" or "mps".
        out: The run folder; `runs/<data>-<n>` unless set.
        resume: Go on with the unfinished run in `out`, or with the newest of this data in `runs/`.
        set: Settings of the recipe to change, such as `{"train.peak": 3e-4}`.
        lang: Language of the report, "en" or "ko".
        listener: Hears sentences and progress; prints to standard output unless set.

    Returns:
        The finished run.

    Raises:
        ValueError: If an argument is wrong, or `resume` finds a run with other data or settings.
        DataError: If the data hold nothing to learn from.
        ModelError: If the model or its weights are not to be had.
        DeviceError: If the machine lacks the device, memory or disk space.

    Example:
        >>> run = train("digits")  # doctest: +SKIP
        >>> run.metrics["test"]["accuracy"]["value"] > 0.95  # doctest: +SKIP
        True
    """
    from mindle import data as data_room
    from mindle.data.summary import describe, require_learnable
    from mindle.training.plan import carry_out, expectation, make_plan, settle

    began = _process_start()
    listener = listener or Console(sys.stdout)
    _require_language(lang)
    settled = settle(recipe, model=model, strategy=strategy, weights=weights, budget=budget, settings=set)

    dataset = data_room.read(data)
    plan = make_plan(dataset, settled, device=device)

    # ── the run folder ──
    asked = {
        "source": dataset.source,
        **settled.as_dict(),
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
    facts = {
        "asked": asked,
        "name": dataset.name,
        "kind": dataset.kind,
        "mindle": __version__,
        "command": _command(),
    }
    diary = Diary(folder, stored, facts, began)

    # ── the data: checked, decoded once, split ──
    with diary.stage("check", len(dataset)):
        checked = data_room.check(dataset, specs=plan.specs, listener=listener)
        dataset = data_room.split(checked, seed=split_seed)
    require_learnable(dataset)
    document = _data_document(dataset)
    _require_same_data(stored, document)
    diary.record(data=document)
    write_manifest(folder.manifest, dataset)
    for line in describe(dataset):
        listener.say(line)
    tell_findings(dataset.findings, listener)
    listener.say(expectation(plan, dataset))

    # ── fit ──
    outcome = carry_out(
        plan,
        dataset,
        folder=folder.path,
        spent_seconds=diary.spent(),
        seed=seed,
        resume=bool(stored),
        replay=tuple(diary.decisions),
        record=diary.decide,
        listener=listener,
    )
    for name, seconds in outcome.seconds.items():
        diary.add_stage(name, seconds, outcome.images.get(name, 0))
    if outcome.history:
        folder.write_history(outcome.history)

    # ── bundle, judge once, report ──
    metrics = _judge(folder, dataset, outcome, diary, seed=seed)
    diary.record(
        strategy=outcome.strategy,
        tried=list(outcome.tried),
        stopped=outcome.stopped,
        advice=outcome.advice,
        licences=[dict(licence) for licence in outcome.licences],
        temperature=outcome.temperature,
        finished=datetime.now(UTC).isoformat(timespec="minutes"),
    )
    _write_report(folder, dataset, lang=lang, out=folder.report)
    diary.finish()
    _tell_result(folder, metrics, outcome, listener)
    return Run(folder.path)


def _judge(
    folder: RunFolder, dataset: Dataset, outcome: Outcome, diary: Diary, *, seed: int
) -> dict[str, Any]:
    """Write the model and its bundle; open the test part, once; score what the bundle answers."""
    import numpy as np

    from mindle import data as data_room
    from mindle.evaluation import score
    from mindle.formats.onnx import bundle_record, write_graph
    from mindle.models.classifier import save_model
    from mindle.serving.predictor import Predictor
    from mindle.training.baselines import baselines

    model, rows = outcome.model, {part: dataset.rows(part) for part in ("val", "test")}
    with diary.stage("evaluate", len(rows["test"])):
        save_model(model, folder.path)
        # The graph is proven on images that were learned from or chosen by: the test part stays shut until
        # it is judged.
        some = np.concatenate([rows["val"], dataset.rows("train")])[:PARITY_IMAGES]
        sample = data_room.pixels(dataset, some, model.spec)[np.arange(len(some))]
        parity = write_graph(model, folder.bundle, temperature=outcome.temperature, pixels=sample)
        draft = bundle_record(
            model,
            folder.bundle,
            temperature=outcome.temperature,
            metrics={},
            licences=outcome.licences,
            details={},
        )
        predictor = Predictor(draft)
        pixels = data_room.pixels(dataset, rows["test"], model.spec)
        test = np.concatenate([predictor.forward(pixels[part]) for part in _pieces(len(pixels))]).astype(
            np.float64
        )
        parts = {
            "val": _predictions(dataset, rows["val"], outcome.val_probabilities),
            "test": _predictions(dataset, rows["test"], test),
        }
        folder.write_predictions({part: answers for part, answers in parts.items() if answers.paths})
        # ONNX Runtime ends probabilities in float32, predictions.csv in eight decimals: scores are of what
        # is written.
        scores = {part: score(answers, seed=seed) for part, answers in folder.predictions().items()}
    metrics = {
        "task": "binary" if len(dataset.classes) == 2 else "multiclass",
        "classes": list(dataset.classes),
        **scores,
        "train": dict(outcome.train_scores),
        "baselines": baselines(dataset, model.spec, seed=seed),
        "strategy": outcome.strategy,
        "seconds": diary.seconds(),
        "images_per_second": diary.rates(),
    }
    folder.write_metrics(metrics)
    details = {
        "task": metrics["task"],
        "strategy": outcome.strategy,
        "mindle": __version__,
        "libraries": libraries(),
        "data": diary.document["data"]["fingerprint"],
        "parity": parity.as_dict(),
        "thresholds": {},
    }
    bundles.write_bundle_document(
        bundle_record(
            model,
            folder.bundle,
            temperature=outcome.temperature,
            metrics=scores["test"],
            licences=outcome.licences,
            details=details,
        )
    )
    return metrics


def _pieces(count: int, size: int = 16) -> Iterator[NDArray[np.int64]]:
    import numpy as np

    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count))


def _predictions(
    dataset: Dataset, rows: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> Predictions:
    return Predictions(
        classes=dataset.classes,
        paths=tuple(dataset.paths[row] for row in rows.tolist()),
        probabilities=probabilities,
        labels=dataset.labels[rows],
    )


def _data_document(dataset: Dataset) -> dict[str, Any]:
    """What run.json says of the data."""
    from mindle.data.summary import part_counts, set_aside_counts

    return {
        "fingerprint": fingerprint(dataset),
        "images": len(dataset.rows()),
        "classes": list(dataset.classes),
        "counts": part_counts(dataset),
        "set_aside": set_aside_counts(dataset),
        "findings": [_finding_document(finding) for finding in dataset.findings],
    }


def _finding_document(finding: Finding) -> dict[str, Any]:
    return {
        "kind": finding.kind,
        "files": list(finding.files),
        "action": finding.action,
        "message": finding.message,
        "decision": finding.decision,
    }


def _require_same_data(stored: Mapping[str, Any], document: Mapping[str, Any]) -> None:
    """Refuse to go on with a run whose data have changed since it began."""
    before = stored.get("data", {}).get("fingerprint")
    if before is not None and before != document["fingerprint"]:
        raise ValueError(
            "`resume` must find the data as they were when the run began. They have changed since: "
            f"{stored['data']['images']:,} images then, {document['images']:,} now. "
            "Leave out --resume to begin a new run."
        )


def _require_language(lang: str) -> None:
    if lang not in LANGUAGES:
        raise ValueError(f"`lang` must be one of {', '.join(LANGUAGES)}. Received lang={lang!r}.")


def _process_start() -> float:
    """`time.time()` when the process began: the prompt wrote it down; elsewhere it is now."""
    return float(os.environ.pop("MINDLE_STARTED", time.time()))


def _command() -> str:
    """What was typed, where the call comes from the prompt."""
    import shlex

    program = Path(sys.argv[0]).name
    return shlex.join(["mindle", *sys.argv[1:]]) if program in ("mindle", "mindle.exe") else ""


def _tell_result(folder: RunFolder, metrics: Mapping[str, Any], outcome: Outcome, listener: Listener) -> None:
    """Close with the score, its error bar and where to look."""
    test = metrics["test"]
    accuracy = test["accuracy"]
    baselines = metrics["baselines"]
    listener.say(
        f"\ntest accuracy {accuracy['value']:.1%} (95 % interval {accuracy['low']:.1%} to "
        f"{accuracy['high']:.1%}, "
        f"n = {test['n']:,}); always the commonest class {baselines['majority']:.1%}, colour alone "
        f"{baselines['colour']:.1%}; {metrics['seconds']['total']:.0f} s"
    )
    if outcome.stopped:
        listener.say(outcome.stopped)
    if outcome.advice:
        listener.say(outcome.advice)
    listener.say(f"report  {folder.report}\nbundle  {folder.bundle}")


# ── report ───────────────────────────────────────────────────────────────────────────────────────


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
    _require_language(lang)
    found = load(run)
    if not isinstance(found, Run):
        raise ArtifactError(
            f"A report must be made of a run. Received {str(run)!r}, a bundle, which keeps no predictions."
        )
    target = found.folder.report if out is None else Path(out)
    return _write_report(found.folder, None, lang=lang, out=target)


def _write_report(folder: RunFolder, dataset: Dataset | None, *, lang: str, out: Path) -> Path:
    from mindle.evaluation.report import write_report

    write_report(out, _report_content(folder, dataset), lang=lang)
    return out


def _report_content(folder: RunFolder, dataset: Dataset | None = None) -> ReportContent:
    """Gather what the report shows from the files of a run."""
    from mindle.evaluation.report import Attempt, Licence, ReportContent

    document, predictions = folder.document(), folder.predictions()
    data = document["data"]
    metrics = folder.metrics()
    return ReportContent(
        name=document["name"],
        metrics=metrics,
        predictions=predictions,
        command=document["command"],
        finished=document["finished"].replace("T", " ").replace("+00:00", " UTC"),
        train_accuracy=metrics["train"].get("accuracy"),
        history=folder.history(),
        findings=[Finding(**{**finding, "files": tuple(finding["files"])}) for finding in data["findings"]],
        parts=data["counts"],
        set_aside=data["set_aside"],
        tried=[Attempt(**attempt) for attempt in document["tried"]],
        stopped=" ".join(filter(None, (document["stopped"], document["advice"]))),
        recipe=document["asked"]["recipe"],
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
        pictures=_pictures(document, predictions["test"], dataset),
    )


def _pictures(document: Mapping[str, Any], test: Predictions, dataset: Dataset | None) -> dict[str, bytes]:
    """Small JPEGs of the surest mistakes, by path; fewer where the data have moved or changed."""
    from mindle import data as data_room
    from mindle.data.thumbnails import thumbnail
    from mindle.evaluation import most_confident_mistakes

    wanted = {test.paths[row] for row in most_confident_mistakes(test, PICTURES)}
    if not wanted:
        return {}
    if dataset is None:
        try:
            dataset = data_room.read(document["asked"]["source"])
        except DataError:
            return {}
    found = {}
    for row, path in enumerate(dataset.paths):
        if path in wanted and (picture := thumbnail(dataset, row)) is not None:
            found[path] = picture
    return found


# ── predict and evaluate ─────────────────────────────────────────────────────────────────────────


def predict(
    model: Source | Model, images: Any, *, weights: Source | None = None, engine: str = "onnx"
) -> pd.DataFrame:
    """Answer images.

    Args:
        model: A run, a bundle, their folder, or "imagenet:NAME" for a backbone with its own ImageNet classes.
        images: One or several of: a path, a folder (searched downwards), a glob, a PIL image, a uint8 array
            (height, width[, channel]).
        weights: For "imagenet:NAME", where to look for its weights first.
        engine: "onnx" answers from the bundle; "torch" from the run's own PyTorch model.

    Returns:
        A data frame with `path`, `predicted`, `confidence`, `p_<class>` and `reason`; an image that cannot be
        read has a reason and nothing else.

    Raises:
        ArtifactError: If there is no such run or bundle.
    """
    import pandas as pd

    source = open_model(model, weights=weights, engine=engine)
    return pd.DataFrame(list(source.rows(named_images(images))), columns=source.columns)


def open_model(model: Source | Model, *, weights: Source | None = None, engine: str = "onnx") -> Any:
    """Open what `predict` takes once, to answer many times; see `mindle.serving.opened.Opened`."""
    from mindle.serving import opened

    name = model.path if isinstance(model, Model) else model
    return opened.open_model(name, weights=None if weights is None else Path(weights), engine=engine)


def named_images(images: Any) -> Iterator[tuple[str, Any]]:
    """Names and payloads of what `predict` takes; "-" reads names from standard input."""
    from mindle.data.sources import read_images

    single = (
        isinstance(images, str | os.PathLike) or not isinstance(images, Iterable) or hasattr(images, "shape")
    )
    return read_images(_expanded([images] if single else images))


def _expanded(images: Iterable[Any]) -> Iterator[Any]:
    for image in images:
        if isinstance(image, str) and image == "-":
            yield from (line.rstrip("\r\n") for line in sys.stdin if line.strip())
        else:
            yield image


def evaluate(
    model: Source | Model, data: Source, *, out: Source | None = None, listener: Listener = SILENT
) -> dict[str, Any]:
    """Judge a model on new labelled data: every image of every part.

    Args:
        model: A run or a bundle.
        data: What `train` takes; classes are matched by name.
        out: Where to write the answers as CSV, if anywhere.
        listener: Hears sentences and progress.

    Returns:
        `{"schema": 1, "test": …, "findings": […], "unknown_classes": {…}}`, the scores as in metrics.json.

    Raises:
        DataError: If the data share no class with the model.
    """
    from mindle import data as data_room
    from mindle.evaluation import score
    from mindle.serving.judging import judge

    opened = open_model(model)
    dataset = data_room.check(data_room.read(data), specs=(opened.spec,), listener=listener)
    tell_findings(dataset.findings, listener)
    judged = judge(opened, dataset, listener=listener)
    scores = score(judged.predictions)
    if out is not None:
        judged.write(Path(out))
    accuracy = scores["accuracy"]
    listener.say(
        f"accuracy {accuracy['value']:.1%} (95 % interval {accuracy['low']:.1%} to {accuracy['high']:.1%}, "
        f"n = {scores['n']:,})"
    )
    for name, count in judged.unknown_classes.items():
        listener.say(f"! {count:,} images of {name!r}, a class the model does not know, are not in the score")
    return {
        "schema": 1,
        "test": scores,
        "classes": list(opened.classes),
        "unknown_classes": judged.unknown_classes,
        "findings": [_finding_document(finding) for finding in dataset.findings],
    }


# ── what lists things ────────────────────────────────────────────────────────────────────────────


def list_runs(folder: Source = "runs") -> list[dict[str, Any]]:
    """The runs directly below a folder: name, state, strategy, data, accuracy, when begun."""
    found = []
    for run in find_runs(Path(folder)):
        document = run.document()
        finished = document.get("state") == FINISHED
        found.append(
            {
                "name": run.path.name,
                "path": str(run.path),
                "state": document.get("state", ""),
                "strategy": document.get("strategy", ""),
                "data": document.get("name", ""),
                "accuracy": run.metrics()["test"]["accuracy"] if finished else None,
                "created": document.get("created", ""),
            }
        )
    return found


def list_models(*, weights: Source | None = None) -> list[dict[str, Any]]:
    """What can be trained now: backbones with weights on this machine, and nets from scratch."""
    from mindle.models import listing

    return listing.list_models(None if weights is None else Path(weights))


def list_recipes() -> list[dict[str, Any]]:
    """The named recipes: name, strategy and what each is for."""
    from mindle.training import recipe

    return recipe.list_recipes()


def show_recipe(name: Source) -> dict[str, Any]:
    """One recipe: its settings, every default filled in, and its file's text."""
    from mindle.training import recipe

    return recipe.show_recipe(name)


def cache(*, prune: str | int | None = None) -> dict[str, Any]:
    """How much room decoded pixels and features take, after freeing what was used longest ago.

    Args:
        prune: How much may stay, such as "5GB" or a number of bytes; nothing is freed unless set.
    """
    from mindle.data.store import cache_dir, usage
    from mindle.data.store import prune as prune_cache
    from mindle.data.summary import parse_size

    folder = cache_dir()
    freed = 0 if prune is None else prune_cache(folder, parse_size(prune))
    return {
        "schema": 1,
        "folder": str(folder),
        "stores": [
            {"name": store.path, "rows": store.rows, "bytes": store.size_bytes} for store in usage(folder)
        ],
        "freed_bytes": freed,
    }
