"""Images from their source to a bundle: what the stages of a run do with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from timeit import timeit
from typing import TYPE_CHECKING, Any, ClassVar

from mindle.api.beside import Beside
from mindle.api.borders import borders_of_test
from mindle.api.decisions import Decisions, asked_of
from mindle.api.doctor import Known
from mindle.api.neighbours import carried
from mindle.api.pipeline import Packed, fit_abstention, places_of, with_abstention
from mindle.api.run_context import RunContext, RunRequest
from mindle.artifacts.bundle import INTERVALS, MODEL, Bundle, Precision
from mindle.artifacts.files import write_arrays
from mindle.data.reading import ReadingOptions
from mindle.messages import message
from mindle.records import Answers, Dataset, InputSpec, Listener, Task, of_rows

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mindle.data import Pixels
    from mindle.engines import Arrays
    from mindle.evaluation.trust.costs import Costs
    from mindle.evaluation.trust.fitting import Fitted
    from mindle.evaluation.trust.limits import Inputs
    from mindle.formats.parity import Parity
    from mindle.models.classifier import Classifier
    from mindle.serving.opened import Opened
    from mindle.serving.session import Graph
    from mindle.training.images.features import FrozenBodies
    from mindle.training.images.plan import Plan
    from mindle.training.images.problem import Outcome

# Bundles are proven on this many images that were learned from or chosen by.
PARITY_IMAGES = 8
# So many of each kind of picture show what the model would refuse that it never saw.
IRRELEVANT_IMAGES = 16
# What a bundle of another precision may lose where it answers in float32, as a share of the test split.
FLOAT32_MARGIN = 0.01
# What is timed of it, on so many invented images with so many features, and pixels.
_FEW, _FEATURES, _TIMED = 300, 1280, 4
# A process checks so many images: to begin one takes as long as to check 50, and it sends 200 bytes of each.
WORTH_A_PROCESS, MOST_SENT = 200, 50_000


@dataclass(kw_only=True)
class ImagePipeline:
    """The stages of a run on images; see `mindle.api.pipeline.Pipeline`.

    Attributes:
        dataset: As it was read; checked and split once `check` has run.
        plan: What will be trained.
        reading: How the data were read.
        device: What was asked for.
        checked: Waits for what a check that began before found, see `begin_check`.
        decisions: What was decided about labels, if anything.
        costs: What decisions of the model cost, if that was said.
        with_neighbours: Whether the bundle carries small training images.
        searched: Whether a search chooses the recipe, and uses up the time.
    """

    searched: ClassVar[bool] = False

    dataset: Dataset
    plan: Plan
    reading: ReadingOptions
    device: str
    checked: Callable[[], Mapping[str, Any]] | None = None
    decisions: Decisions | None = None
    costs: Costs | None = None
    with_neighbours: bool = False
    _test_embedded: Callable[[], Any] | None = field(default=None, init=False)
    _confirmed: NDArray[np.bool_] | None = field(default=None, init=False)
    _tested: tuple[Opened, Answers] | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        """Of the data."""
        return self.dataset.name

    @property
    def kind(self) -> str:
        """Of the data, such as "folder"."""
        return self.dataset.kind

    @property
    def task(self) -> Task:
        """What is learned."""
        return self.dataset.task

    @property
    def pictures(self) -> Dataset:
        """Images of which the report shows some."""
        return self.dataset

    def asked(self, request: RunRequest) -> dict[str, Any]:
        """Every setting of the call, as run.json keeps it."""
        return {
            "source": self.dataset.source,
            **self.plan.options.as_dict(),
            "seed": request.seed,
            "split_seed": request.split_seed,
            "device": self.device,
            **self.reading.as_dict(),
            **asked_of(self.decisions),
            **({} if self.costs is None else {"cost": self.costs.document()}),
            **({"with_neighbours": True} if self.with_neighbours else {}),
        }

    def check(self, run: RunContext) -> None:
        """Check the images, decode them once, split them, and write down what they are."""
        from mindle.data.common.summary import ready, require_learnable
        from mindle.training.images.plan import begin, expectation

        with run.log.stage("check", len(self.dataset)):
            if self.checked is not None:
                begin(self.plan, run.listener)
            check = self.checked or partial(_checked, self.dataset, self.plan.specs, run.listener)
            found = check()
            self.dataset = ready(replace(self.dataset, **found), seed=run.request.split_seed)
            if self.decisions is not None:
                decided = self.decisions.of(self.dataset, run)
                self.dataset, self._confirmed = decided.applied, decided.confirmed
                require_learnable(self.dataset)
        run.record_data(self.dataset)
        if not self.searched:
            run.listener.say(expectation(self.plan, self.dataset))

    def fit(self, run: RunContext) -> Outcome:
        """Carry the plan out."""
        from mindle.training.images.plan import carry_out
        from mindle.training.images.problem import Problem

        outcome = carry_out(
            self.plan,
            Problem.of(self.dataset, typical_size=self.plan.typical_size),
            run.training(),
            spent_seconds=run.log.spent(),
            rehearse=partial(rehearsed, self.plan, self.dataset),
            searched=self.searched,
            frozen=partial(self._embed_test, run),
        )
        run.add_stages(outcome.seconds, outcome.images)
        if outcome.history:
            run.folder.write_history(outcome.history)
        return outcome

    def _embed_test(self, run: RunContext, frozen: FrozenBodies) -> None:
        """Embed the test split, into the cache, where nobody looks at it before the bundle is written."""
        from mindle import data as data_room

        rows = self.dataset.rows("test")
        if len(rows):
            stored = data_room.pixels(self.dataset, rows, frozen.spec)
            keys = [self.dataset.sha256[row] for row in rows.tolist()]
            work = partial(frozen.features, stored, keys, go_on=run.beside.wanted)
            self._test_embedded = run.beside.start(work)

    def known(self, outcome: Outcome) -> Known:
        """What the data are examined by."""
        found = replace(outcome.out_of_fold, rows=self.of_data(outcome.out_of_fold.rows))
        settings = self.plan.options.recipe.doctor
        return Known(data=self.dataset, found=found, settings=settings, confirmed=self._confirmed)

    def pack(self, run: RunContext, outcome: Outcome) -> Packed:
        """Save the model, write its bundle, and evaluate that on the test split, once."""
        from mindle.models.classifier import save_model
        from mindle.serving.opened import open_bundle
        from mindle.training.images import tasks
        from mindle.training.images.attempts import both

        dataset, seed = self.dataset, run.request.seed
        baselines = run.beside.start(
            lambda: tasks.of(self.task).baselines(dataset, outcome.model.spec, seed=seed)
        )
        save_model(outcome.model, run.folder.path)
        bundle, parity = self._bundle(run, outcome)
        settings = self.plan.options.recipe.trust
        inputs = self._inputs(outcome) if settings.refuse else None
        fitted = fit_abstention(outcome.out_of_fold, settings, inputs, costs=self.costs, seed=seed)
        bundle = with_abstention(bundle, fitted.abstention)
        opened = open_bundle(bundle)
        test = self._test_answers(opened, outcome)
        self._tested = opened, test
        if self.with_neighbours:
            count = carried(opened, dataset, bundle.folder, run.listener)
            bundle = replace(bundle, details={**bundle.details, "neighbours": count})
        bundle = self._with_float32(bundle, outcome, test)
        named = {"target": dataset.target} if dataset.target else {"thresholds": bundle.details["thresholds"]}
        kept = ("precision", "neighbours")
        named |= {name: value for name, value in bundle.details.items() if name in kept}
        return Packed(
            bundle=bundle,
            parity=parity,
            answers={"val": self._val_answers(outcome, fitted), "test": test},
            strategy=outcome.strategy,
            baselines=baselines(),
            stopped=both(outcome.stopped, _precision_said(bundle), "sentences"),
            train_scores=outcome.train_scores,
            advice=outcome.advice,
            diagnoses=outcome.diagnoses,
            abstention=fitted.abstention,
            metrics=named,
            details=named,
        )

    def _bundle(self, run: RunContext, outcome: Outcome) -> tuple[Bundle, Parity]:
        """The bundle, proven on images that were learned from, all but its document written."""
        from mindle import formats
        from mindle.formats.images import exportable
        from mindle.serving.session import rounding

        model, folder = outcome.model, run.folder.bundle
        graphs = outcome.frozen.graphs if outcome.frozen else ()
        some = _some_pixels(self.dataset, model.spec)
        parity = formats.write(formats.DEFAULT, exportable(model, some, outcome.temperature, graphs), folder)
        if outcome.calibration is not None:
            write_arrays(folder / INTERVALS, outcome.calibration.arrays())
        bundle = Bundle(
            folder=folder,
            classes=tuple(model.classes),
            spec=model.spec,
            temperature=outcome.temperature,
            metrics={},
            licences=outcome.licences,
            details={"thresholds": dict(zip(self.dataset.classes, outcome.thresholds, strict=False))},
        )
        precision = outcome.frozen.precision if outcome.frozen else "float32"
        if precision != "float32":
            stated = Precision(
                name=precision,
                reference_difference=rounding(bundle, precision),
                float32_is_as_good=False,
            )
            bundle = replace(bundle, details={**bundle.details, "precision": asdict(stated)})
        return bundle, parity

    def _with_float32(self, bundle: Bundle, outcome: Outcome, test: Answers) -> Bundle:
        """The bundle, which knows how well it answers the test split where all is computed in float32."""
        from mindle.evaluation.compare import as_good, compare
        from mindle.serving.opened import open_bundle

        precision = bundle.precision
        if precision.name == "float32" or not len(test):
            return bundle
        stored = self._test_pixels(outcome)
        exact = open_bundle(bundle, precision="float32").answer_stored(stored, test.paths, truth=test.truth)
        comparison = compare(test, exact)
        found = replace(
            precision,
            float32_is_as_good=as_good(comparison, FLOAT32_MARGIN),
            float32=comparison.as_dict()["differences"],
        )
        return replace(bundle, details={**bundle.details, "precision": asdict(found)})

    def of_data(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The images that rows of the problem are."""
        import numpy as np

        known: NDArray[np.int64] = np.union1d(self.dataset.rows("train"), self.dataset.rows("val"))[rows]
        return known

    def _inputs(self, outcome: Outcome) -> Inputs:
        """What is known of the images that were answered out of fold beside their features."""
        from mindle import data as data_room
        from mindle.evaluation.trust.limits import leaves_out

        rows, spec = self.of_data(outcome.out_of_fold.rows), outcome.model.spec
        found = pictures_of(self.dataset, rows, spec)
        # Of three classes and more, one that is left out stands for what was never seen.
        if leaves_out(outcome.out_of_fold):
            return found
        return replace(found, others=_irrelevant(outcome, data_room.pixels(self.dataset, rows, spec)))

    def _val_answers(self, outcome: Outcome, fitted: Fitted) -> Answers:
        """What the training answered for the val split."""
        import numpy as np

        from mindle.evaluation import tasks
        from mindle.evaluation.family import Reading

        dataset, rows, evaluation = self.dataset, self.dataset.rows("val"), tasks.of(self.task)
        thresholds = np.array(outcome.thresholds) if outcome.thresholds else None
        found: Answers = evaluation.answers(
            evaluation.outputs_of(outcome.val_answers),
            Reading(classes=dataset.classes, thresholds=thresholds),
            _names(dataset, rows),
            dataset.truth[rows],
        )
        known = self.of_data(outcome.out_of_fold.rows)
        trusted: Answers = evaluation.trusted_out_of_fold(found, fitted, places_of(rows, known))
        return trusted

    def _test_answers(self, opened: Opened, outcome: Outcome) -> Answers:
        """What the bundle answers for the test split.

        A bundle of frozen bodies holds the very graphs that embedded the train and val splits: they embed the
        test split as well, and the head answers these features, if a sample that goes through the whole
        bundle gets the same.
        """
        import numpy as np

        from mindle.data.images.quality import measure_stored
        from mindle.formats.images import head_outputs

        dataset, rows = self.dataset, self.dataset.rows("test")
        paths, truth = _names(dataset, rows), dataset.truth[rows]
        limits, sides = opened.source.limits, np.minimum(dataset.heights, dataset.widths)
        noticed = limits.too_small(sides[rows]) if limits and len(sides) else ()
        stored = self._test_pixels(outcome)
        if self._test_embedded is not None:
            self._test_embedded()
        if outcome.frozen is not None and len(rows):
            features = outcome.frozen.features(stored, of_rows(dataset.sha256, rows))
            outputs = head_outputs(outcome.model, features, outcome.temperature)
            if _alike(opened.graph, outputs, stored, outcome.model.outputs.scale):
                quality = measure_stored(stored)
                return opened.answers(outputs, paths, truth=truth, noticed=noticed, quality=quality)
        return opened.answer_stored(stored, paths, truth=truth, noticed=noticed)

    def _test_pixels(self, outcome: Outcome) -> Pixels:
        from mindle import data as data_room

        return data_room.pixels(self.dataset, self.dataset.rows("test"), outcome.model.spec)

    def facts(self, run: RunContext, outcome: Outcome) -> dict[str, Any]:
        """What else of the fit stands in run.json."""
        precision = outcome.frozen.precision if outcome.frozen else "float32"
        found = {"tried": list(outcome.tried), "parameters": _parameters(outcome), "precision": precision}
        if self._tested is not None:
            opened, answers = self._tested
            found["borders"] = borders_of_test(opened, self._test_pixels(outcome), answers, run.listener)
        return found

    def images(self, split: str) -> int:
        """How many images are in a split."""
        return len(self.dataset.rows(split))


def pictures_of(dataset: Dataset, rows: NDArray[np.int64], spec: InputSpec) -> Inputs:
    """What is known of images beside their features, as a model sees them."""
    import numpy as np

    from mindle import data as data_room
    from mindle.data.images.quality import STATISTICS, measure_stored
    from mindle.evaluation.trust.limits import Inputs

    sizes = np.minimum(dataset.heights, dataset.widths)
    return Inputs(
        statistics=STATISTICS,
        quality=measure_stored(data_room.pixels(dataset, rows, spec)),
        sides=sizes[rows] if len(sizes) else np.zeros(len(rows), np.int64),
        model_side=min(spec.height, spec.width),
    )


def _precision_said(bundle: Bundle) -> str:
    """In which precision its backbones compute, and whether float32 would do as well; "" of float32."""
    from mindle.serving.session import scores_said

    stated = bundle.precision
    if stated.name == "float32":
        return ""
    code = "as-good" if stated.float32_is_as_good else "alone"
    return message(f"selection.precision.{code}", precision=stated.name, scores=scores_said(stated))


def begin_check(
    dataset: Dataset, specs: Sequence[InputSpec], beside: Beside, listener: Listener
) -> Callable[[], Mapping[str, Any]] | None:
    """Let a process check images, where there are enough to make that worth it and few enough to send.

    Returns:
        What waits for the fields of the data set that the check changed; None where there is no process.
    """
    if not WORTH_A_PROCESS <= len(dataset) <= MOST_SENT:
        return None
    return beside.fork(partial(_checked, dataset, specs), listener)


def _checked(dataset: Dataset, specs: Sequence[InputSpec], listener: Listener) -> dict[str, Any]:
    """The fields of a data set that its check changes."""
    from mindle import data as data_room

    checked = data_room.check(dataset, specs=specs, listener=listener)
    found = {each.name: getattr(checked, each.name) for each in fields(Dataset)}
    return {name: value for name, value in found.items() if value is not getattr(dataset, name)}


def _irrelevant(outcome: Outcome, stored: Pixels) -> dict[str, NDArray[np.float32]]:
    """Features of pictures that show nothing which the model knows, by what was done to make them."""
    import numpy as np

    from mindle.data.images.corruptions import IRRELEVANT, corrupted
    from mindle.formats.images import reference_pixels
    from mindle.training.images.nets import evenly, forward_with_features

    if outcome.out_of_fold.features is None or not len(stored):
        return {}
    some = stored[evenly(len(stored), IRRELEVANT_IMAGES)]
    contents = list(map(str, range(len(some))))
    pictures = {each.name: corrupted(some, each, 1, contents, 0) for each in IRRELEVANT}
    pictures["waves"] = reference_pixels(outcome.model.spec, IRRELEVANT_IMAGES)
    found = {
        name: outcome.frozen.run(pixels)
        if outcome.frozen
        else forward_with_features(outcome.model, pixels, np.arange(len(pixels)))[1]
        for name, pixels in pictures.items()
    }
    return {name: features for name, features in found.items() if features is not None}


def _names(dataset: Dataset, rows: NDArray[np.int64]) -> tuple[str, ...]:
    return tuple(dataset.paths[row] for row in rows.tolist())


def _alike(graph: Graph, outputs: Arrays, stored: Pixels, scale: float) -> bool:
    """Whether a graph gives some pixels the outputs that were found for them in another way."""
    from mindle.formats.parity import TOLERANCE, compare_outputs, features_differ
    from mindle.training.images.nets import evenly

    some = evenly(len(stored), PARITY_IMAGES)
    found = {name: rows[some] for name, rows in outputs.items()}
    answered = graph({"pixels": stored[some]})
    parity = compare_outputs(answered, found, scale=scale, tolerance=TOLERANCE)
    return parity.within(TOLERANCE) and not features_differ(answered, found)


def _parameters(outcome: Outcome) -> dict[str, int]:
    """How many numbers the model has, and how many of them this training could change."""
    from mindle.models.nets.layers import count_parameters

    model = outcome.model
    if outcome.strategy != "probe":
        return {"all": count_parameters(model), "trainable": count_parameters(model, trainable=True)}
    # What a head learned are tensors of its state, and the backbones were frozen.
    head = sum(tensor.numel() for tensor in model.head.state_dict().values())
    bodies = sum(count_parameters(body) for body in model.bodies)
    return {"all": head + bodies, "trainable": head}


def _some_pixels(dataset: Dataset, spec: InputSpec) -> NDArray[np.uint8]:
    """What a graph is proven on: the test split stays sealed until it is evaluated."""
    import numpy as np

    from mindle import data as data_room

    some = np.concatenate([dataset.rows("val"), dataset.rows("train")])[:PARITY_IMAGES]
    return data_room.pixels(dataset, some, spec)[np.arange(len(some))]


# ---- how long that will take ------------------------------------------------------------------------------


def rehearsed(plan: Plan, dataset: Dataset) -> float:
    """Seconds that export, evaluation and the report will take, from doing it twice on little.

    The first time pays for what is only loaded once. What each backbone below a head adds, the training
    knows.

    Args:
        plan: What will be trained.
        dataset: Checked and split; its test split is not looked at.
    """
    from mindle.training.images.nets import untrained
    from mindle.training.images.options import SELECTING
    from mindle.training.images.problem import Problem

    problem, recipe = Problem.of(dataset, typical_size=plan.typical_size), plan.options.recipe
    small = _small_net()
    card = plan.cards[0] if plan.cards else None
    nets = [small, small if recipe.strategy in SELECTING else untrained(problem, recipe, card)]
    seconds = [timeit(partial(_pack_untrained, net), number=1) for net in nets]
    later = _baseline_seconds(plan, dataset) + _picture_seconds(dataset)
    return seconds[-1] + later + (_trust_seconds(dataset) if recipe.trust.refuse else 0.0)


def _small_net() -> Classifier:
    from mindle.models.classifier import ClassScores, layers_model

    spec = InputSpec(height=16, width=16, mean=(0.5,) * 3, std=(0.5,) * 3)
    layers = [{"kind": "flatten"}, {"kind": "dense", "units": "classes"}]
    return layers_model(layers, ClassScores(("a", "b")), spec=spec, seed=0)


def _pack_untrained(net: Classifier) -> None:
    """Write and open a bundle that is thrown away afterwards."""
    from mindle import formats
    from mindle.formats.images import exportable, reference_pixels
    from mindle.models.classifier import save_model
    from mindle.models.graph import session

    with TemporaryDirectory() as path:
        folder, pixels = Path(path), reference_pixels(net.spec, PARITY_IMAGES)
        save_model(net, folder)
        formats.write(formats.DEFAULT, exportable(net, pixels), folder)
        session(folder / MODEL)({"pixels": pixels})


def _trust_seconds(dataset: Dataset) -> float:
    """What finding out when not to answer will take, from as many invented images as have little to say."""
    import numpy as np

    from mindle.data.images.quality import measure
    from mindle.evaluation.trust.fitting import fit_abstention
    from mindle.evaluation.trust.unknown import MOST_VECTORS
    from mindle.records import OutOfFold
    from mindle.training.images.backbones import MOST_IMAGES

    few, rng = np.arange(_FEW), np.random.default_rng(0)
    found = OutOfFold(
        rows=few,
        outputs={"estimate": rng.random(_FEW)},
        truth=few % 2,
        folds=few % 5,
        groups=few,
        learned_from=np.ones(_FEW, np.bool_),
        features=rng.random((_FEW, _FEATURES), np.float32),
        blocks=(_FEATURES,),
    )
    rows = min(len(dataset.rows("train")) + len(dataset.rows("val")), MOST_IMAGES)
    pairs = rows * min(rows, MOST_VECTORS) / _FEW**2  # distances, of which these are one unit
    pictures = np.zeros((_TIMED, 224, 224, 3), np.uint8)
    looking = rows / _TIMED * timeit(lambda: measure(pictures), number=1)
    return looking + pairs * timeit(lambda: fit_abstention(found, refuse=0.05), number=1)


def _baseline_seconds(plan: Plan, dataset: Dataset) -> float:
    """What the baselines will take that a model is compared with."""
    from mindle.training.images import tasks
    from mindle.training.images.baselines import some_of
    from mindle.training.images.options import net_spec
    from mindle.training.images.problem import Problem

    problem, task = Problem.of(dataset, typical_size=plan.typical_size), tasks.of(dataset.task)
    spec = plan.specs[0] if plan.specs else net_spec(plan.options.recipe, plan.typical_size, problem.gray)
    few, share = some_of(dataset, task.baseline_rows(dataset, 64))
    return share * timeit(lambda: task.baselines(few, spec), number=1)


def _picture_seconds(dataset: Dataset) -> float:
    """What the pictures of mistakes in the report will take."""
    from mindle.api.report import PICTURES
    from mindle.data.images.pixels import thumbnail

    some = dataset.rows("train")[:4].tolist()
    seconds = timeit(lambda: [thumbnail(dataset, row) for row in some], number=1)
    return seconds * min(PICTURES, len(dataset.rows("test"))) / len(some)
