"""`ensemble`: finished runs that answer together, through the stages of any run."""

from __future__ import annotations

import os
import timeit
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindle.api.models import Run
from mindle.api.pipeline import Packed, carry_out, fit_abstention, with_abstention
from mindle.api.report import run_of
from mindle.api.run_context import RunContext, RunRequest
from mindle.artifacts.bundle import Bundle, read_bundle
from mindle.artifacts.files import sha256_of, write_bytes
from mindle.artifacts.manifest import read_manifest
from mindle.artifacts.run import RunFolder, whole_run
from mindle.errors import DataError
from mindle.messages import Message, message
from mindle.records import Dataset, InputSpec, Listener, OutOfFold, Predictions, Task, record_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mindle.evaluation.trust.abstention import Abstention
    from mindle.evaluation.trust.fitting import Fitted
    from mindle.formats.exportable import Exportable
    from mindle.models.classifier import Classifier

Source = str | os.PathLike[str]

STRATEGY = "ensemble"
_BATCH, _TIMED = 16, 5


@dataclass(frozen=True, kw_only=True)
class Member:
    """One finished run, read."""

    name: str
    folder: RunFolder
    document: Mapping[str, Any]
    bundle: Bundle
    predictions: Mapping[str, Predictions]


@dataclass(frozen=True, kw_only=True)
class Ensembled:
    """What a method made of the members.

    Attributes:
        exported: What is written as the bundle.
        val: Its probabilities of the val split, by models that had not learned from the image in question.
        test: What the bundle answers to the test split.
        weights: One a member; 0 where a member is not used.
        note: What was chosen.
        tried: What was tried.
        temperature: What the bundle's logits are divided by; 1 where it mixes probabilities.
        model: The net, where there is one.
        features: Those that it gives the val split; None where the graph gives those of a member.
        refusing: When that member does not answer, which is when the ensemble does not; None where it always
            answers.
        codes: What it said of the val and test splits.
    """

    exported: Exportable
    val: NDArray[np.float64]
    test: Callable[[Bundle], Predictions]
    weights: Sequence[float]
    note: Message | str
    tried: Sequence[Mapping[str, Any]]
    temperature: float = 1.0
    model: Classifier | None = None
    features: NDArray[np.float32] | None = None
    refusing: Abstention | None = None
    codes: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)


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
        runs: Two run folders or more, with the same classes and the same splits of the same data.
        method: "vote" (mean of the predictions), "weighted" (weights fitted on val), "stack" (logistic
            regression over the predictions, fitted on val) or "average" (one net with the mean of the
            weights).
        out: The run folder of the ensemble; `runs/<data>-<n>` unless set.
        lang: Language of the report, "en" or "ko".
        listener: Receives messages and progress; prints to standard output unless set.

    Returns:
        A run like any other; `metrics["ensemble"]` holds its gain over the best member and its cost.

    Raises:
        ValueError: If an argument is wrong, or the runs differ in classes or splits.
        ArtifactError: If a run has not finished, is damaged, or has another input specification than the
            others.
        ModelError: If the weights of different nets should be averaged.
        DataError: If the data, which "average" needs, have changed or moved.

    Example:
        >>> run = ensemble(["runs/photos-1", "runs/photos-2"], method="weighted")  # doctest: +SKIP
    """
    from mindle.formats.ensemble import common_spec
    from mindle.training.images.ensemble import METHODS

    request = RunRequest(out=out, lang=lang, listener=listener)
    if method not in METHODS:
        raise ValueError(f"`method` must be one of {', '.join(METHODS)}. Received method={method!r}.")
    members = [_read(run, request.hears) for run in runs]
    _require_alike(members)
    if method != "vote" and "val" not in members[0].predictions:
        raise ValueError(f"`method` {method!r} must have val images to be fitted on. Take vote.")
    # What may be refused is refused before anything is written.
    spec = common_spec([member.bundle for member in members], [member.name for member in members])
    fitted = partial(_mixed, method, members, spec)
    if method == "average":
        nets = _same_nets(members)
        fitted = partial(_averaged, members, nets, _same_data(members[0], request.hears))
    pipeline = EnsemblePipeline(members=members, method=method, fitted=fitted)
    return carry_out(pipeline, request)


@dataclass(frozen=True, kw_only=True)
class EnsemblePipeline:
    """The stages of an ensemble; see `mindle.api.pipeline.Pipeline`.

    Attributes:
        members: Finished runs of the same split.
        method: How they become one.
        fitted: Carries the method out.
        pictures: None; what members got wrong stands in their reports.
    """

    members: Sequence[Member]
    method: str
    fitted: Callable[[Listener], Ensembled]
    pictures: None = None

    @property
    def name(self) -> str:
        """Of the data."""
        return str(self.members[0].document["name"])

    @property
    def kind(self) -> str:
        """Of the data."""
        return str(self.members[0].document["kind"])

    @property
    def task(self) -> Task:
        """What the members learned."""
        return self.members[0].bundle.task

    def asked(self, request: RunRequest) -> dict[str, Any]:
        """Where the data are, as the first member knows it, and what is made of which members."""
        asked = self.members[0].document["asked"]
        paths = [str(member.folder.path) for member in self.members]
        return {
            **{key: asked[key] for key in ("source", "seed", "split_seed", "device")},
            "recipe": {"strategy": STRATEGY, "method": self.method, "members": paths},
        }

    def check(self, run: RunContext) -> None:
        """The members were checked when they were read; their split is that of the ensemble."""
        first = self.members[0]
        write_bytes(run.folder.manifest, first.folder.manifest.read_bytes())
        run.log.record(data=first.document["data"], members=[_document(member) for member in self.members])

    def fit(self, run: RunContext) -> Ensembled:
        """Fit the method on the val split."""
        with run.log.stage("fit"):
            return self.fitted(run.listener)

    def known(self, outcome: Ensembled) -> None:
        """The runs of its members have examined the data."""
        return None

    def pack(self, run: RunContext, outcome: Ensembled) -> Packed:
        """Write the bundle, and let it predict the test split, once."""
        from mindle import formats
        from mindle.evaluation.compare import compare
        from mindle.models.classifier import save_model

        first = self.members[0]
        if outcome.model is not None:
            save_model(outcome.model, run.folder.path)
        parity = formats.write(formats.DEFAULT, outcome.exported, run.folder.bundle)
        licences = {
            licence.get("sha256", licence["name"]): licence
            for member in self.members
            for licence in member.bundle.licences
        }
        bundle = Bundle(
            folder=run.folder.bundle,
            classes=first.bundle.classes,
            spec=first.bundle.spec,
            temperature=outcome.temperature,
            metrics={},
            licences=tuple(licences.values()),
            details={},
        )
        val = first.predictions.get("val")
        answers = {} if val is None else {"val": _plain(val, outcome.val)}
        fitted = self._fitted(answers.get("val"), outcome)
        bundle = with_abstention(bundle, fitted.abstention)
        answers["test"] = outcome.test(bundle)
        answers = {split: _trusted(found, fitted, split) for split, found in answers.items()}
        best = _best(self.members)
        gain = compare(best.predictions["test"], answers["test"])
        cost = {
            "ensemble": _milliseconds(bundle.model, first.bundle),
            "best_member": _milliseconds(best.bundle.model, first.bundle),
        }
        weighted = [
            {**document, "weight": weight}
            for document, weight in zip(run.log.document["members"], outcome.weights, strict=True)
        ]
        described = {
            "method": self.method,
            "members": weighted,
            "best_member": best.name,
            "gain": gain.as_dict(),
            "milliseconds_per_image": cost,
        }
        return Packed(
            bundle=bundle,
            parity=parity,
            abstention=fitted.abstention,
            answers=answers,
            strategy=STRATEGY,
            baselines=first.folder.metrics()["baselines"],
            stopped=message(
                "ensemble.result",
                method=self.method,
                note=outcome.note,
                name=best.name,
                **{key: getattr(gain.main, key) for key in ("value", "low", "high", "chance")},
                **cost,
            ),
            metrics={"thresholds": {}, "ensemble": described},
            details={"members": weighted},
        )

    def facts(self, run: RunContext, outcome: Ensembled) -> dict[str, Any]:
        """Each member alone, and what else was tried."""
        import numpy as np

        alone = [
            _attempt(member.name, val.probabilities, np.asarray(val.labels), note=member.document["strategy"])
            for member in self.members
            if (val := member.predictions.get("val")) is not None
        ]
        return {"tried": [*alone, *outcome.tried]}

    def _fitted(self, val: Predictions | None, outcome: Ensembled) -> Fitted:
        """When the ensemble does not answer, by what the first member promised of its answers."""
        from mindle.training.settings import TrustSettings

        first = self.members[0]
        settings = record_of(TrustSettings, first.document["asked"]["recipe"].get("trust", {}))
        found, own = _held_out(val, outcome.features), _abstention_of(first.bundle)
        fitted = fit_abstention(found, settings, costs=None if own is None else own.costs)
        if outcome.refusing is None:
            return fitted
        refuse, limits = outcome.refusing.refuse, outcome.refusing.limits
        abstention = replace(fitted.abstention, refuse=refuse, limits=limits)
        return replace(fitted, abstention=abstention, abstain=outcome.codes.get("val"))

    def images(self, split: str) -> int:
        """How many images are in a split."""
        return len(self.members[0].predictions.get(split, ()))


def _abstention_of(bundle: Bundle) -> Abstention | None:
    """When a member does not answer; None where it says nothing of that."""
    from mindle.evaluation.trust.abstention import read_abstention

    return read_abstention(bundle.abstention, bundle.abstention_arrays()) if bundle.abstention else None


def _plain(answers: Predictions, probabilities: NDArray[np.float64]) -> Predictions:
    """Other probabilities of the same images, of which nothing else is said yet."""
    return replace(answers, probabilities=probabilities, sets=None, abstain=None, decisions=None)


def _held_out(val: Predictions | None, features: NDArray[np.float32] | None) -> OutOfFold:
    """The answers to the val split, from which no member learned."""
    import numpy as np

    count = 0 if val is None else len(val)
    return OutOfFold(
        rows=np.arange(count),
        outputs={} if val is None else {"probabilities": val.probabilities},
        truth=np.zeros(0, np.int64) if val is None else np.asarray(val.labels),
        folds=np.zeros(count, np.int64),
        groups=np.arange(count),
        learned_from=np.zeros(count, bool),
        features=features,
        blocks=() if features is None else (features.shape[1],),
    )


def _trusted(answers: Predictions, fitted: Fitted, split: str) -> Predictions:
    """The answers to a split, and how far each is to be trusted."""
    import numpy as np

    from mindle.evaluation import tasks
    from mindle.evaluation.family import Reading

    evaluation, every = tasks.of(answers.task), np.arange(len(answers))
    known = replace(fitted.abstention, refuse=0.0)  # codes are those of the bundle, or of a member
    trusted: Predictions = (
        evaluation.trusted_out_of_fold(answers, fitted, every)
        if split == "val"
        else evaluation.trusted(answers, {}, Reading(abstention=known))
    )
    return trusted


def _best(members: Sequence[Member]) -> Member:
    """The member with the lowest cross-entropy on val; the first where there is none."""
    import numpy as np

    from mindle.training.images.attempts import log_loss

    if not len(members[0].predictions.get("val", ())):
        return members[0]
    losses = [
        log_loss(val.probabilities, np.asarray(val.labels))
        for val in (member.predictions["val"] for member in members)
    ]
    return members[int(np.argmin(losses))]


def _milliseconds(graph: Path, bundle: Bundle) -> float:
    """The least time for an image in a batch of 16, in milliseconds: the least is what the machine can do."""
    import numpy as np

    from mindle.models.graph import session

    runtime, pixels = session(graph), bundle.reference()["pixels"]
    batch = np.ascontiguousarray(np.resize(pixels, (_BATCH, *pixels.shape[1:])))
    seconds = timeit.repeat(lambda: runtime({"pixels": batch}), number=1, repeat=_TIMED)
    return round(1000 * min(seconds) / _BATCH, 4)


# ---- members ----------------------------------------------------------------------------------------------


def _read(run: Source, listener: Listener) -> Member:
    from mindle.serving.session import proven_session, require_float32

    folder = run_of(run, "A member of an ensemble")
    if not folder.metrics()["classes"]:
        raise ValueError(
            f"A member of an ensemble must predict classes. Received {os.fspath(run)!r}, which estimates a "
            "number. `mindle compare` says which of several such runs is closest."
        )
    bundle = read_bundle(folder.bundle)
    require_float32(bundle, message("predict.float32-ensemble"), listener)
    proven_session(bundle)  # its graph is joined with others below
    with whole_run(folder.path):
        return Member(
            name=folder.path.name,
            folder=folder,
            document=folder.document(),
            bundle=bundle,
            predictions=folder.answers(),
        )


def _require_alike(members: Sequence[Member]) -> None:
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
        for split in ("test", "val", "train"):
            one, two = _contents(first, split), _contents(member, split)
            if one != two:
                raise ValueError(
                    f"Members of an ensemble must have the same {split} split. {first.name} and "
                    f"{member.name} differ: {len(one - two):,} images are only in the first's, "
                    f"{len(two - one):,} only in the second's. Train both with one --split-seed (they have "
                    f"{first.document['asked']['split_seed']} and {member.document['asked']['split_seed']})."
                )


def _differ(one: str, ours: Sequence[str], two: str, theirs: Sequence[str]) -> str:
    only = [
        f"only {name} has {', '.join(map(repr, sorted(classes)[:5]))}"
        for name, classes in ((one, {*ours} - {*theirs}), (two, {*theirs} - {*ours}))
        if classes
    ]
    return f"Of {one} and {two}, {' and '.join(only) or 'the order differs'}."


def _contents(member: Member, split: str) -> set[tuple[str, str]]:
    """Content and label of every image in a split."""
    return {(row.sha256, row.label) for row in read_manifest(member.folder.manifest) if row.split == split}


def _document(member: Member) -> dict[str, Any]:
    return {
        "name": member.name,
        "path": str(member.folder.path),
        "strategy": member.document["strategy"],
        "seed": member.document["asked"]["seed"],
        "sha256": sha256_of(member.bundle.model),
        "run_sha256": sha256_of(member.folder.path / "run.json"),
    }


# ---- methods ----------------------------------------------------------------------------------------------


def _mixed(method: str, members: Sequence[Member], spec: InputSpec, listener: Listener) -> Ensembled:
    """Vote, weighted vote or stack: one graph of all members' graphs."""
    import numpy as np

    from mindle.formats.ensemble import exportable, heaviest
    from mindle.training.images.ensemble import fit_mix, held_out

    order = [_aligned(members[0], member) for member in members]
    answers = {
        split: np.stack(
            [
                member.predictions[split].probabilities[rows[split]]
                for member, rows in zip(members, order, strict=True)
            ]
        )
        for split in members[0].predictions
    }
    answered = members[0].predictions.get("val")
    val = answers.get("val", np.zeros((len(members), 0, 1)))
    truth = np.zeros(0, np.int64) if answered is None else np.asarray(answered.labels)
    mix = fit_mix(method, val, truth)
    weights = mix.weights.tolist() or [1 / len(members)] * len(members)
    seen = heaviest([member.bundle for member in members], mix)
    codes = {} if seen is None else _codes(members[seen], order[seen])
    named = zip(members, weights, strict=True)
    return Ensembled(
        exported=exportable([member.bundle for member in members], mix, spec),
        val=held_out(method, val, truth),
        test=lambda _: replace(
            _plain(members[0].predictions["test"], mix(answers["test"])), abstain=codes.get("test")
        ),
        refusing=_abstention_of(members[seen or 0].bundle) if codes else None,
        codes=codes,
        weights=weights,
        note=message(
            f"ensemble.{method}",
            weights=", ".join(f"{member.name} {weight:.2f}" for member, weight in named),
            strength=mix.settings.get("strength", 0),
        ),
        # How each way of mixing does on val, for whoever wants to try another.
        tried=[
            _attempt(each, held_out(each, val, truth), truth, chosen=each == method)
            for each in ("vote", "weighted", "stack")
            if len(truth)
        ],
    )


def _codes(member: Member, order: Mapping[str, NDArray[np.int64]]) -> dict[str, NDArray[np.str_]]:
    """Why a member would not answer the images of each split; nothing where it was not asked."""
    said = {split: answered.abstain for split, answered in member.predictions.items()}
    return {split: codes[order[split]] for split, codes in said.items() if codes is not None}


def _aligned(first: Member, member: Member) -> dict[str, NDArray[np.int64]]:
    """Where in a member's predictions the first member's images stand: by content, then by order."""
    import numpy as np

    def by_content(one: Member, split: str) -> NDArray[np.int64]:
        content = {row.path: row.sha256 for row in read_manifest(one.folder.manifest)}
        return np.argsort([content[path] for path in one.predictions[split].paths], kind="stable")

    rows = {split: np.empty(len(known), np.int64) for split, known in first.predictions.items()}
    for split, row in rows.items():
        row[by_content(first, split)] = by_content(member, split)
    return rows


def _attempt(
    name: str,
    probabilities: NDArray[np.float64],
    labels: NDArray[np.int64],
    *,
    chosen: bool = False,
    note: str = "",
) -> dict[str, Any]:
    from mindle.evaluation.intervals import wilson
    from mindle.training.images.attempts import log_loss

    right = int((probabilities.argmax(axis=1) == labels).sum())
    low, high = wilson(right, len(labels))
    loss = message("ensemble.loss", loss=log_loss(probabilities, labels))
    return {
        "name": name,
        "value": right / len(labels),
        "low": low,
        "high": high,
        "note": message("selection.remarks", first=loss, second=note) if note else loss,
        "chosen": chosen,
    }


def _same_nets(members: Sequence[Member]) -> list[Classifier]:
    """The members' models, where their weights stand for the same things."""
    from mindle.models.classifier import load_model
    from mindle.training.images.ensemble import require_same_net

    models = [load_model(member.folder.path) for member in members]
    require_same_net(models, [member.name for member in members])
    return models


def _averaged(
    members: Sequence[Member], models: Sequence[Classifier], dataset: Dataset, listener: Listener
) -> Ensembled:
    """One net with the mean of the members' weights: needs the data, to choose members and to answer."""
    import numpy as np

    from mindle import data as data_room
    from mindle.evaluation.calibration import fit_temperature
    from mindle.formats.images import exportable
    from mindle.serving.opened import open_bundle
    from mindle.training.images.attempts import log_softmax
    from mindle.training.images.ensemble import greedy_soup
    from mindle.training.images.nets import forward_with_features

    def pixels(split: str) -> data_room.Pixels:
        return data_room.pixels(dataset, dataset.rows(split), models[0].spec, listener=listener)

    def test(bundle: Bundle) -> Predictions:
        known = members[0].predictions["test"]
        found: Any = open_bundle(bundle).answer_stored(pixels("test"), known.paths, truth=known.labels)
        answered: Predictions = found
        return answered

    names, val = [member.name for member in members], pixels("val")
    labels = np.asarray(members[0].predictions["val"].labels)
    soup = greedy_soup(models, val, labels, pixels("train"))
    logits, features = forward_with_features(soup.model, val, np.arange(len(val)))
    temperature = fit_temperature(log_softmax(logits), labels)
    return Ensembled(
        exported=exportable(soup.model, val[np.arange(min(_BATCH, len(val)))], temperature),
        val=np.exp(log_softmax(logits / temperature)),
        test=test,
        weights=[float(k in soup.members) / len(soup.members) for k in range(len(members))],
        note=message("ensemble.average", names=" + ".join(names[member] for member in soup.members)),
        tried=[
            {
                "name": message("ensemble.weights", names=" + ".join(names[member] for member in some)),
                "value": None,
                "note": message("ensemble.loss", loss=loss),
                "chosen": some == soup.members,
            }
            for some, loss in soup.tried
        ],
        temperature=temperature,
        model=soup.model,
        features=features,
    )


def _same_data(member: Member, listener: Listener) -> Dataset:
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
