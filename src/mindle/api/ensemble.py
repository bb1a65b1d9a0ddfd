"""`ensemble`: finished runs that answer together."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindle.api.models import Run
from mindle.api.report import require_language, write_report
from mindle.artifacts import bundle as bundles
from mindle.artifacts.files import sha256_of, write_bytes
from mindle.artifacts.manifest import read_manifest
from mindle.artifacts.run import RunFolder, claim, whole_run
from mindle.artifacts.run_log import RunLog
from mindle.console import Console
from mindle.errors import ArtifactError, DataError
from mindle.records import Dataset, InputSpec, Listener, Predictions
from mindle.version import __version__

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mindle.evaluation.compare import Comparison
    from mindle.models.classifier import Classifier

Source = str | os.PathLike[str]

STRATEGY = "ensemble"
_BATCH, _TIMED = 16, 5


@dataclass(frozen=True, kw_only=True)
class _Member:
    """One finished run, read."""

    name: str
    folder: RunFolder
    document: Mapping[str, Any]
    bundle: bundles.Bundle
    predictions: Mapping[str, Predictions]


@dataclass(frozen=True, kw_only=True)
class _Made:
    """What a method made of the members.

    Attributes:
        answers: Probabilities of the val and test parts; those of val by models that had not learned from
            the image in question.
        weights: One a member; 0 where a member has no part in it.
        temperature: What the bundle's logits are divided by; 1 where it mixes probabilities.
        note: What was chosen, in a few words.
        parity: How the bundle compares with what it was made from.
        tried: Further lines on what was tried.
    """

    answers: Mapping[str, NDArray[np.float64]]
    weights: Sequence[float]
    temperature: float
    note: str
    parity: Mapping[str, Any]
    tried: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, kw_only=True)
class _Judged:
    """What it is worth.

    Attributes:
        scores: Of each part, of the ensemble.
        best: The member with the lowest cross-entropy on val; the first where there is none.
        gain: The ensemble against that member, on test.
        cost: Milliseconds an image, of the "ensemble" and of the "best_member".
    """

    scores: Mapping[str, Any]
    best: _Member
    gain: Comparison
    cost: Mapping[str, float]

    def said(self) -> str:
        """Gain and cost in a sentence."""
        main, cost = self.gain.main, self.cost
        return (
            f"Against {self.best.name}, the best member on val: accuracy {main.value:+.1%} on test (95 % "
            f"interval {main.low:+.1%} to {main.high:+.1%}; chance alone does so in {main.chance:.0%} of "
            f"such tests), at {cost['ensemble']:.3g} ms an image against {cost['best_member']:.3g}."
        )


def ensemble(
    runs: Sequence[Source],
    *,
    method: str = "vote",
    out: Source | None = None,
    lang: str = "en",
    listener: Listener | None = None,
) -> Run:
    """Make one model of several finished runs of the same split, evaluate it, write a report and a bundle.

    Args:
        runs: Two run folders or more, with the same classes and the same parts of the same data.
        method: "vote" (mean of the answers), "weighted" (weights fitted on val), "stack" (logistic regression
            over the answers, fitted on val) or "average" (one net with the mean of the weights).
        out: The run folder of the ensemble; `runs/<data>-<n>` unless set.
        lang: Language of the report, "en" or "ko".
        listener: Hears sentences and progress; prints to standard output unless set.

    Returns:
        A run like any other; `metrics["ensemble"]` holds its gain over the best member and its cost.

    Raises:
        ValueError: If an argument is wrong, or the runs differ in classes or parts.
        ArtifactError: If a run has not finished, is damaged, or takes other pixels than the others.
        ModelError: If the weights of different nets should be averaged.
        DataError: If the data, which "average" needs, have changed or moved.

    Example:
        >>> run = ensemble(["runs/photos-1", "runs/photos-2"], method="weighted")  # doctest: +SKIP
    """
    import numpy as np

    from mindle.formats.ensemble import common_spec
    from mindle.training.images.ensemble import METHODS

    began = time.time()
    listener = listener or Console(sys.stdout)
    require_language(lang)
    if method not in METHODS:
        raise ValueError(f"`method` must be one of {', '.join(METHODS)}. Received method={method!r}.")
    members = [_read(run) for run in runs]
    _require_alike(members)
    if method != "vote" and "val" not in members[0].predictions:
        raise ValueError(f"`method` {method!r} must have val images to be fitted on. Take vote.")
    # What may be refused is refused before anything is written.
    nets = _same_nets(members) if method == "average" else []
    dataset = _same_data(members[0], listener) if method == "average" else None
    spec = common_spec([member.bundle for member in members], [member.name for member in members])

    folder, run_log = _open(members, method, None if out is None else Path(out), began, listener)
    # The same for every member.
    labels = {part: np.asarray(answers.labels) for part, answers in members[0].predictions.items()}
    with run_log.stage("fit"):
        made = (
            _mix(method, members, labels, folder, spec)
            if dataset is None
            else _average(members, nets, dataset, labels["val"], folder, listener)
        )
    with run_log.stage("evaluate", len(labels["test"])):
        judged = _judge(members, made, labels, folder)
    _write(folder, run_log, members, made, judged, method, lang)
    _tell(folder, judged, listener)
    return Run(folder.path)


def _open(
    members: Sequence[_Member], method: str, out: Path | None, began: float, listener: Listener
) -> tuple[RunFolder, RunLog]:
    """The run folder of the ensemble, which has the manifest of its members."""
    first = members[0]
    paths = [str(member.folder.path) for member in members]
    asked = {
        **{key: first.document["asked"][key] for key in ("source", "seed", "split_seed", "device")},
        "recipe": {"strategy": STRATEGY, "method": method, "members": paths},
    }
    folder, _ = claim(out, first.document["name"], asked, resume=False, say=listener.say)
    facts = {
        "asked": asked,
        "name": first.document["name"],
        "kind": first.document["kind"],
        "mindle": __version__,
        "command": shlex.join(["mindle", "ensemble", *paths, "--method", method]),
        "data": first.document["data"],
        "members": [_member_document(member) for member in members],
    }
    run_log = RunLog(folder, {}, facts, began)
    write_bytes(folder.manifest, first.folder.manifest.read_bytes())
    return folder, run_log


def _judge(
    members: Sequence[_Member], made: _Made, labels: Mapping[str, NDArray[np.int64]], folder: RunFolder
) -> _Judged:
    """Write the answers down and score them, once."""
    from mindle.evaluation import score
    from mindle.evaluation.compare import compare
    from mindle.training.images.ensemble import log_loss

    first = members[0]
    folder.write_answers(
        {
            part: Predictions(
                classes=first.bundle.classes,
                paths=_part(first, part).paths,
                probabilities=made.answers[part],
                labels=truth,
            )
            for part, truth in labels.items()
        }
    )
    written, best = folder.answers(first.folder.metrics()["task"]), first
    if len(labels.get("val", ())):
        best = min(members, key=lambda one: log_loss(_part(one, "val").probabilities, labels["val"]))
    return _Judged(
        scores={part: score(predictions) for part, predictions in written.items()},
        best=best,
        gain=compare(_part(best, "test"), written["test"]),
        cost={
            "ensemble": _milliseconds(folder.bundle / bundles.MODEL, first.bundle),
            "best_member": _milliseconds(best.bundle.model, first.bundle),
        },
    )


# ---- members ----------------------------------------------------------------------------------------------


def _read(run: Source) -> _Member:
    from mindle.serving.opened import locate
    from mindle.serving.session import proven_session

    path, is_run = locate(run)
    if not is_run:
        raise ArtifactError(
            f"A member of an ensemble must be a run. Received {os.fspath(run)!r}, a bundle, which keeps no "
            "predictions of the val part to fit on."
        )
    folder = RunFolder(path)
    if not folder.metrics()["classes"]:
        raise ValueError(
            f"A member of an ensemble must tell classes. Received {os.fspath(run)!r}, which estimates a "
            "number. `mindle compare` says which of several such runs is closest."
        )
    bundle = bundles.read_bundle(folder.bundle)
    proven_session(bundle)  # its graph is joined with others below
    with whole_run(path):
        return _Member(
            name=path.name,
            folder=folder,
            document=folder.document(),
            bundle=bundle,
            predictions=folder.answers(),
        )


def _require_alike(members: Sequence[_Member]) -> None:
    """Refuse runs that do not answer the same question about the same images."""
    if len(members) < 2:
        raise ValueError(f"An ensemble must have two runs or more. Received {len(members)}.")
    paths = [os.path.realpath(member.folder.path) for member in members]
    twice = next((path for path in paths if paths.count(path) > 1), None)
    if twice is not None:
        raise ValueError(f"Each run may be a member once. Received {twice} twice.")
    first = members[0]
    for member in members[1:]:
        ours, theirs = first.bundle.classes, member.bundle.classes
        if ours != theirs:
            raise ValueError(
                "Members of an ensemble must have the same classes in the same order. "
                f"{_differ(first.name, ours, member.name, theirs)}"
            )
        for part in ("test", "val", "train"):
            one, two = _contents(first, part), _contents(member, part)
            if one != two:
                raise ValueError(
                    f"Members of an ensemble must have the same {part} part. {first.name} and {member.name} "
                    f"differ: {len(one - two):,} images are only in the first's, {len(two - one):,} only in "
                    f"the second's. Train both with one --split-seed (they have "
                    f"{first.document['asked']['split_seed']} and {member.document['asked']['split_seed']})."
                )


def _differ(one: str, ours: Sequence[str], two: str, theirs: Sequence[str]) -> str:
    only = [
        f"only {name} has {', '.join(map(repr, sorted(classes)[:5]))}"
        for name, classes in ((one, {*ours} - {*theirs}), (two, {*theirs} - {*ours}))
        if classes
    ]
    return f"Of {one} and {two}, {' and '.join(only) or 'the order differs'}."


def _contents(member: _Member, part: str) -> set[tuple[str, str]]:
    """Content and label of every image in a part."""
    return {(row.sha256, row.label) for row in read_manifest(member.folder.manifest) if row.split == part}


def _part(member: _Member, part: str) -> Predictions:
    """A member's answers to one part; every member has them in the order of the same data."""
    return member.predictions[part]


def _member_document(member: _Member) -> dict[str, Any]:
    return {
        "name": member.name,
        "path": str(member.folder.path),
        "strategy": member.document["strategy"],
        "seed": member.document["asked"]["seed"],
        "sha256": sha256_of(member.bundle.model),
        "run_sha256": sha256_of(member.folder.path / "run.json"),
    }


# ---- methods ----------------------------------------------------------------------------------------------


def _mix(
    method: str,
    members: Sequence[_Member],
    labels: Mapping[str, NDArray[np.int64]],
    folder: RunFolder,
    spec: InputSpec,
) -> _Made:
    """Vote, weighted vote or stack: one graph of all members' graphs."""
    import numpy as np

    from mindle import formats
    from mindle.formats.ensemble import exportable
    from mindle.training.images.ensemble import fit_mix, held_out

    names = [member.name for member in members]
    order = [_aligned(members[0], member) for member in members]
    answers = {
        part: np.stack(
            [
                _part(member, part).probabilities[rows[part]]
                for member, rows in zip(members, order, strict=True)
            ]
        )
        for part in labels
    }
    val, truth = answers.get("val", np.zeros((len(members), 0, 1))), labels.get("val", np.zeros(0, np.int64))
    mix = fit_mix(method, val, truth)
    exported = exportable([member.bundle for member in members], mix, spec)
    parity = formats.write(formats.DEFAULT, exported, folder.bundle)
    mixed = {"test": mix(answers["test"])}
    if "val" in answers:
        mixed = {"val": held_out(method, val, truth), **mixed}
    weights = mix.weights.tolist() or [1 / len(members)] * len(members)
    told = {
        "vote": "the mean of all members' answers",
        "weighted": ", ".join(f"{name} {weight:.2f}" for name, weight in zip(names, weights, strict=True)),
        "stack": f"logistic regression, strength {mix.settings.get('strength', 0):g}",
    }
    return _Made(
        answers=mixed,
        weights=weights,
        temperature=1.0,
        note=told[method],
        parity=parity.as_dict(),
        tried=_other_mixes(method, val, truth) if len(truth) else (),
    )


def _aligned(first: _Member, member: _Member) -> dict[str, NDArray[np.int64]]:
    """Where in a member's predictions the first member's images stand: by content, then by order."""
    import numpy as np

    def keys(one: _Member, part: str) -> list[tuple[str, int]]:
        content = {row.path: row.sha256 for row in read_manifest(one.folder.manifest)}
        met: dict[str, int] = {}
        found = []
        for path in _part(one, part).paths:
            met[content[path]] = met.get(content[path], -1) + 1
            found.append((content[path], met[content[path]]))
        return found

    rows = {}
    for part in first.predictions:
        place = {key: row for row, key in enumerate(keys(member, part))}
        rows[part] = np.array([place[key] for key in keys(first, part)], np.int64)
    return rows


def _other_mixes(
    method: str, answers: NDArray[np.float64], labels: NDArray[np.int64]
) -> list[dict[str, Any]]:
    """How each way of mixing does on val, cross-validated, for whoever wants to try another."""
    from mindle.training.images.ensemble import held_out

    return [
        _attempt(each, held_out(each, answers, labels), labels, chosen=each == method)
        for each in ("vote", "weighted", "stack")
    ]


def _attempt(
    name: str,
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    *,
    chosen: bool = False,
    note: str = "",
) -> dict[str, Any]:
    from mindle.evaluation import wilson
    from mindle.training.images.ensemble import log_loss

    right = int((probabilities.argmax(axis=1) == labels).sum())
    low, high = wilson(right, len(labels))
    loss = f"log loss {log_loss(probabilities, labels):.3f} on val"
    return {
        "name": name,
        "value": right / len(labels),
        "low": low,
        "high": high,
        "note": f"{loss}; {note}" if note else loss,
        "chosen": chosen,
    }


def _same_nets(members: Sequence[_Member]) -> list[Classifier]:
    """The members' models, where their weights stand for the same things."""
    from mindle.models.classifier import load_model
    from mindle.training.images.ensemble import require_same_net

    models = [load_model(member.folder.path) for member in members]
    require_same_net(models, [member.name for member in members])
    return models


def _average(
    members: Sequence[_Member],
    models: Sequence[Classifier],
    dataset: Dataset,
    labels: NDArray[np.int64],
    folder: RunFolder,
    listener: Listener,
) -> _Made:
    """One net with the mean of the members' weights: needs the data, to choose members and to answer."""
    import numpy as np

    from mindle import data as data_room
    from mindle import formats
    from mindle.evaluation import fit_temperature
    from mindle.formats.images import exportable, torch_outputs
    from mindle.models.classifier import save_model
    from mindle.training.images.attempts import log_softmax
    from mindle.training.images.ensemble import greedy_soup
    from mindle.training.images.nets import forward

    names = [member.name for member in members]
    images = {
        part: data_room.pixels(dataset, dataset.rows(part), models[0].spec, listener=listener)
        for part in ("train", "val", "test")
    }
    soup = greedy_soup(models, images["val"], labels, images["train"])
    logits = forward(soup.model, images["val"], np.arange(len(images["val"])))
    temperature = fit_temperature(log_softmax(logits), labels)
    sample = images["val"][np.arange(min(_BATCH, len(images["val"])))]
    parity = formats.write(formats.DEFAULT, exportable(soup.model, sample, temperature), folder.bundle)
    save_model(soup.model, folder.path)
    test = np.concatenate(
        [
            torch_outputs(soup.model, images["test"][rows], temperature)["probabilities"]
            for rows in np.array_split(np.arange(len(images["test"])), -(-len(images["test"]) // 256))
        ]
    )
    told = " + ".join(names[member] for member in soup.members)
    return _Made(
        answers={"val": np.exp(log_softmax(logits / temperature)), "test": test},
        weights=[float(k in soup.members) / len(soup.members) for k in range(len(members))],
        temperature=temperature,
        note=f"the mean weights of {told}",
        parity=parity.as_dict(),
        tried=[
            {
                "name": "weights of " + " + ".join(names[member] for member in some),
                "value": None,
                "note": f"log loss {loss:.3f} on val",
                "chosen": some == soup.members,
            }
            for some, loss in soup.tried
        ],
    )


def _same_data(member: _Member, listener: Listener) -> Dataset:
    """The data of a run, checked and split as it was."""
    from mindle import data as data_room
    from mindle.artifacts.manifest import fingerprint
    from mindle.data.reading import ReadingOptions

    asked = member.document["asked"]
    reading = ReadingOptions.from_dict(asked)
    dataset = reading.read_images(asked["source"], split_seed=asked["split_seed"])
    checked = data_room.check(dataset, listener=listener)
    dataset = data_room.split(checked, seed=asked["split_seed"])
    if fingerprint(dataset) != member.document["data"]["fingerprint"]:
        raise DataError(
            f"Averaging weights needs the images that the runs were made of. {asked['source']} has changed "
            f"since {member.name}. Put it back, or take --method vote."
        )
    return dataset


# ---- what stands on disk ----------------------------------------------------------------------------------


def _milliseconds(graph: Path, bundle: bundles.Bundle) -> float:
    """The least time for an image in a batch of 16, in milliseconds: the least is what the machine can do."""
    import numpy as np

    from mindle.models.graph import session

    runtime, pixels = session(graph), bundle.reference()["pixels"]
    batch = np.ascontiguousarray(np.resize(pixels, (_BATCH, *pixels.shape[1:])))
    seconds = []
    for _ in range(_TIMED):
        started = time.perf_counter()
        runtime.run(None, {"pixels": batch})
        seconds.append(time.perf_counter() - started)
    return round(1000 * min(seconds) / _BATCH, 4)


def _write(
    folder: RunFolder,
    run_log: RunLog,
    members: Sequence[_Member],
    made: _Made,
    judged: _Judged,
    method: str,
    lang: str,
) -> None:
    """metrics.json, bundle.json, report.html and the last word in run.json."""
    first = members[0]
    own = first.folder.metrics()
    metrics = {
        "task": own["task"],
        "classes": list(first.bundle.classes),
        **judged.scores,
        "train": {},
        "baselines": own["baselines"],
        "strategy": STRATEGY,
        "thresholds": {},
        "ensemble": {
            "method": method,
            "members": [
                {**document, "weight": weight}
                for document, weight in zip(run_log.document["members"], made.weights, strict=True)
            ],
            "best_member": judged.best.name,
            "gain": judged.gain.as_dict(),
            "milliseconds_per_image": dict(judged.cost),
        },
        "seconds": run_log.seconds(),
        "images_per_second": run_log.rates(),
    }
    folder.write_metrics(metrics)
    licences = {
        licence["sha256"] if "sha256" in licence else licence["name"]: licence
        for member in members
        for licence in member.bundle.licences
    }
    bundles.write_bundle_document(
        bundles.Bundle(
            folder=folder.bundle,
            classes=first.bundle.classes,
            spec=first.bundle.spec,
            temperature=made.temperature,
            metrics=judged.scores["test"],
            licences=tuple(licences.values()),
            details={
                **bundles.origin(
                    task=own["task"],
                    strategy=STRATEGY,
                    data=first.document["data"]["fingerprint"],
                    parity=made.parity,
                ),
                "members": metrics["ensemble"]["members"],
            },
        )
    )
    run_log.record(
        strategy=STRATEGY,
        tried=[*_member_attempts(members), *made.tried],
        stopped=f"{method}: {made.note}. {judged.said()}",
        advice="",
        licences=[dict(licence) for licence in licences.values()],
        temperature=made.temperature,
        finished=datetime.now(UTC).isoformat(timespec="minutes"),
    )
    write_report(folder, None, lang=lang, out=folder.report)
    run_log.finish()


def _member_attempts(members: Sequence[_Member]) -> list[dict[str, Any]]:
    """Each member alone, on val."""
    import numpy as np

    return [
        _attempt(member.name, val.probabilities, np.asarray(val.labels), note=member.document["strategy"])
        for member in members
        if (val := member.predictions.get("val")) is not None
    ]


def _tell(folder: RunFolder, judged: _Judged, listener: Listener) -> None:
    """The result, in three sentences."""
    test = judged.scores["test"]
    accuracy = test["accuracy"]
    listener.say(
        f"test accuracy {accuracy['value']:.1%} (95 % interval {accuracy['low']:.1%} to "
        f"{accuracy['high']:.1%}, n = {test['n']:,})"
    )
    listener.say(judged.said())
    listener.say(f"report  {folder.report}")
    listener.say(f"bundle  {folder.bundle}")
