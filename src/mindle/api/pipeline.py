"""The stages of a run after its fit, the same for images and rows, classes and numbers.

examination of the data → bundle → its predictions for the test split, once → scores → report. What
differs between images and rows is behind `Pipeline`, what differs between tasks behind
`mindle.evaluation.tasks.of`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from mindle.api.beside import Beside
from mindle.api.doctor import Known, examine, examine_answers
from mindle.api.evaluate import tell_trust
from mindle.api.models import Run
from mindle.api.report import write_report
from mindle.api.run_context import RunContext, RunRequest, begin_tracking
from mindle.artifacts import bundle as bundles
from mindle.artifacts.environment import peak_memory_bytes
from mindle.artifacts.files import write_arrays
from mindle.artifacts.run import FINISHED, claim
from mindle.artifacts.run_log import RunLog
from mindle.messages import message, speaking
from mindle.records import Answers, Dataset, Diagnosis, OutOfFold, Task
from mindle.version import __version__

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mindle.evaluation.trust.abstention import Abstention
    from mindle.evaluation.trust.costs import Costs
    from mindle.evaluation.trust.fitting import Fitted
    from mindle.evaluation.trust.limits import Inputs
    from mindle.formats.parity import Parity
    from mindle.training.settings import TrustSettings

O = TypeVar("O")  # noqa: E741  # what a fit made


# What of run.json an interrupted search has found already.
FOUND = ("search", "recipe")


def _nothing() -> dict[str, Any]:
    return {}


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A model as a bundle, how it came about, and what the bundle answered.

    Attributes:
        bundle: What bundle.json will say, less its scores.
        parity: Proof that the bundle answers like the model.
        answers: To the val and test splits.
        strategy: What was trained.
        baselines: What simple models reach.
        stopped: Why nothing more was tried.
        train_scores: How well the model knows what it learned from.
        advice: What would probably help, or "".
        diagnoses: What was wrong with the training.
        abstention: When the bundle says that it should not answer.
        protocol: What else stands with the scores of test: how they came about.
        metrics: What else stands in metrics.json.
        details: What else stands in bundle.json.
    """

    bundle: bundles.Bundle
    parity: Parity
    answers: Mapping[str, Answers]
    strategy: str
    baselines: Mapping[str, float]
    stopped: str
    train_scores: Mapping[str, Any] = field(default_factory=_nothing)
    advice: str = ""
    diagnoses: tuple[Diagnosis, ...] = ()
    abstention: Abstention | None = None
    protocol: Mapping[str, Any] = field(default_factory=_nothing)
    metrics: Mapping[str, Any] = field(default_factory=_nothing)
    details: Mapping[str, Any] = field(default_factory=_nothing)


def fit_abstention(
    found: OutOfFold,
    settings: TrustSettings,
    inputs: Inputs | None = None,
    *,
    costs: Costs | None = None,
    seed: int = 0,
) -> Fitted:
    """When a model should not answer, by what it answered out of fold."""
    from mindle.evaluation.trust.fitting import fit_abstention

    return fit_abstention(
        found,
        level=settings.level,
        per_class=settings.per_class,
        sets=settings.sets,
        refuse=settings.refuse,
        inputs=inputs,
        costs=costs,
        seed=seed,
    )


def places_of(rows: NDArray[np.int64], among: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each of some rows is among others, all of which are different; -1 where it is not.

    Example:
        >>> import numpy as np
        >>> places_of(np.array([7, 3, 9]), np.array([3, 5, 7])).tolist()
        [2, 0, -1]
    """
    import numpy as np

    order = np.argsort(among)
    places = order[np.minimum(np.searchsorted(among, rows, sorter=order), len(among) - 1)]
    return np.where(among[places] == rows, places, -1)


def with_abstention(bundle: bundles.Bundle, abstention: Abstention) -> bundles.Bundle:
    """The bundle, which says when not to answer; what that is measured by is written into its folder."""
    arrays = abstention.arrays()
    if arrays:
        write_arrays(bundle.folder / bundles.ABSTENTION, arrays)
    return replace(bundle, details={**bundle.details, "abstention": abstention.document()})


class Pipeline(Protocol[O]):
    """A source of data with all that is done to it; one for images, one for rows."""

    @property
    def name(self) -> str:
        """Of the data."""

    @property
    def kind(self) -> str:
        """Of the data, as in run.json."""

    @property
    def task(self) -> Task:
        """What is learned."""

    @property
    def pictures(self) -> Dataset | None:
        """Images of which the report shows some; None of rows."""

    def asked(self, request: RunRequest) -> dict[str, Any]:
        """Every setting of the call, as run.json keeps it."""

    def check(self, run: RunContext) -> None:
        """Check the data, split them, and write down what they are."""

    def fit(self, run: RunContext) -> O:
        """Train on the train and val splits."""

    def known(self, outcome: O) -> Known | None:
        """What the data are examined by; None where nothing was learned from data here."""

    def pack(self, run: RunContext, outcome: O) -> Packed:
        """Write the bundle, and let it predict the test split, once."""

    def facts(self, run: RunContext, outcome: O) -> dict[str, Any]:
        """What else of the fit stands in run.json."""

    def images(self, split: str) -> int:
        """How many images are in a split, for rates of images a second; 0 of rows."""


def carry_out(pipeline: Pipeline[Any], request: RunRequest, beside: Beside | None = None) -> Run:
    """All stages of a run in its folder, tracked: check, fit, and what `conclude` does.

    Args:
        pipeline: Of the data.
        request: How the run is stored and followed.
        beside: Does what need not wait for the stage that is under way; it ends with the run.

    Returns:
        The run; nothing is done where it is finished already.

    Raises:
        ValueError: If `out` holds a finished run, something else than a run, or a run with other settings.
    """
    from mindle.training.tracking import tracking

    asked, listener = pipeline.asked(request), request.hears
    out = None if request.out is None else Path(request.out)
    with speaking(request.lang):
        folder, stored = claim(out, pipeline.name, asked, resume=request.resume, say=listener.say)
        if stored.get("state") == FINISHED:
            listener.say(message("commands.finished", folder=str(folder.path), report=str(folder.report)))
            return Run(folder.path)
        facts = {"asked": asked, "name": pipeline.name, "kind": pipeline.kind, "mindle": __version__}
        found = {name: stored[name] for name in FOUND if name in stored}
        log = RunLog(folder, stored, {**facts, "command": request.command, **found}, request.began)
        with tracking(request.track, listener) as tracked, beside or Beside() as beside:
            begin_tracking(tracked, request.track, folder, log, stored)
            run = RunContext(
                folder=folder, log=log, stored=stored, request=request, listener=tracked, beside=beside
            )
            pipeline.check(run)
            conclude(pipeline, run, pipeline.fit(run))
            tracked.end(folder.path, folder.metrics())
    return Run(folder.path)


def conclude(pipeline: Pipeline[O], run: RunContext, outcome: O) -> None:
    """Examination of the data, bundle, evaluation and report of what was fitted."""
    examine(pipeline, run, outcome)
    packed, metrics = evaluate(pipeline, run, outcome)
    examine_answers(pipeline, run, outcome, packed.answers["test"])
    run.log.record(
        strategy=packed.strategy,
        stopped=packed.stopped,
        advice=packed.advice,
        **pipeline.facts(run, outcome),
        licences=[dict(licence) for licence in packed.bundle.licences],
        temperature=packed.bundle.temperature,
        diagnoses=[asdict(found) for found in packed.diagnoses],
        peak_memory_bytes=peak_memory_bytes(),
        finished=datetime.now(UTC).isoformat(timespec="minutes"),
    )
    write_report(run.folder, pipeline.pictures, lang=run.request.lang, out=run.folder.report)
    run.log.finish()
    _tell_result(run, pipeline.task, metrics, packed)


def evaluate(pipeline: Pipeline[O], run: RunContext, outcome: O) -> tuple[Packed, dict[str, Any]]:
    """Write the bundle, score what it answers, and write both down.

    Args:
        pipeline: Of the data.
        run: Gets the files.
        outcome: What was fitted.

    Returns:
        The bundle with its answers, and what metrics.json holds.
    """
    folder = run.folder
    with run.log.stage("evaluate", pipeline.images("test")):
        packed = pipeline.pack(run, outcome)
        folder.write_answers({split: answers for split, answers in packed.answers.items() if len(answers)})
        # ONNX Runtime ends probabilities in float32, predictions.csv in eight decimals: scores are of what is
        # written.
        scores = {
            split: _scores(answers, packed, run.request.seed)
            for split, answers in folder.answers(pipeline.task).items()
        }
    scores["test"].update(packed.protocol)
    metrics = {
        "task": pipeline.task,
        "classes": list(packed.bundle.classes),
        **scores,
        "train": dict(packed.train_scores),
        "baselines": dict(packed.baselines),
        "strategy": packed.strategy,
        **packed.metrics,
        **_foreign(packed),
        "seconds": run.log.seconds(),
        "images_per_second": run.log.rates(),
    }
    folder.write_metrics(metrics)
    details = {
        "task": pipeline.task,
        "strategy": packed.strategy,
        "data": run.log.document["data"]["fingerprint"],
        "parity": packed.parity.as_dict(),
        **packed.bundle.details,
        **packed.details,
    }
    bundles.write_bundle_document(replace(packed.bundle, metrics=scores["test"], details=details))
    return packed, metrics


def _scores(answers: Answers, packed: Packed, seed: int) -> dict[str, Any]:
    """How good answers are, and how far they can be trusted."""
    from mindle.evaluation import tasks

    task, abstention = tasks.of(answers.task), packed.abstention
    scores = task.score(answers, seed=seed)
    if abstention is not None:
        temperature = packed.bundle.temperature
        scores |= task.trust_scores(answers, abstention, temperature=temperature, seed=seed)
    return scores


def _foreign(packed: Packed) -> dict[str, Any]:
    """What the model would refuse that it never saw, where that was found out."""
    limits = None if packed.abstention is None else packed.abstention.limits
    return {"abstention": limits.foreign(packed.bundle.classes)} if limits else {}


def _tell_result(run: RunContext, task: Task, metrics: Mapping[str, Any], packed: Packed) -> None:
    """Close with the score, its error bar and where to look."""
    from mindle.evaluation import tasks

    evaluation, test, say = tasks.of(task), metrics["test"], run.listener.say
    baselines = [
        evaluation.constant_baseline(value)
        if name == evaluation.baseline
        else message(f"commands.baseline.{name}", value=evaluation.number.format(value))
        for name, value in metrics["baselines"].items()
    ]
    facts = {
        "headline": evaluation.headline(test),
        "baselines": baselines,
        "seconds": metrics["seconds"]["total"],
    }
    say("")
    if "protocol" in test:
        say(message("commands.result_by", protocol=test["protocol"], **facts))
    else:
        say(message("commands.result", **facts))
    tell_trust(test, evaluation, run.listener)
    if metrics.get("thresholds"):
        say(message("commands.thresholds"))
    for line in (packed.stopped, packed.advice):
        if line:
            say(line)
    for found in packed.diagnoses:
        say(message("commands.diagnosis", kind=found.kind, message=found.message, remedy=found.remedy))
    say(message("commands.report", path=str(run.folder.report)))
    say(message("commands.bundle", path=str(run.folder.bundle)))
