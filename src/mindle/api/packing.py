"""How a trained model of images becomes a bundle that answers the test part, for classes and for numbers."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from mindle.artifacts.bundle import MODEL, Bundle
from mindle.artifacts.run import RunFolder
from mindle.records import Answers, Dataset, InputSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mindle.formats.parity import Parity
    from mindle.models.classifier import Classifier
    from mindle.training.images.plan import Plan
    from mindle.training.images.problem import Outcome

# Bundles are proven on this many images that were learned from or chosen by.
PARITY_IMAGES = 16


def pack(
    folder: RunFolder,
    dataset: Dataset,
    outcome: Outcome,
    *,
    write: Callable[[NDArray[np.uint8]], Parity],
) -> tuple[Bundle, Parity, Answers]:
    """Save the model, write its bundle, open the test part, once, and let the bundle answer it.

    Args:
        folder: The run.
        dataset: Checked and split.
        outcome: What the training made.
        write: Writes the graph, and proves it on some of the user's own images.

    Returns:
        What bundle.json will say, less scores and most details; the proof; the answers to the test part.
    """
    from mindle import data as data_room
    from mindle.formats.onnx import bundle_record
    from mindle.models.classifier import save_model
    from mindle.serving.opened import open_bundle

    model = outcome.model
    save_model(model, folder.path)
    parity = write(_some_pixels(dataset, model.spec))
    bundle = bundle_record(
        model,
        folder.bundle,
        temperature=outcome.temperature,
        metrics={},
        licences=outcome.licences,
        details={"thresholds": dict(zip(dataset.classes, outcome.thresholds, strict=False))},
    )
    rows = dataset.rows("test")
    test = open_bundle(bundle).answer_stored(
        data_room.pixels(dataset, rows, model.spec),
        tuple(dataset.paths[row] for row in rows.tolist()),
        truth=dataset.targets[rows] if len(dataset.targets) else dataset.labels[rows],
    )
    return bundle, parity, test


def _some_pixels(dataset: Dataset, spec: InputSpec) -> NDArray[np.uint8]:
    """What a graph is proven on: the test part stays shut until it is judged."""
    import numpy as np

    from mindle import data as data_room

    some = np.concatenate([dataset.rows("val"), dataset.rows("train")])[:PARITY_IMAGES]
    return data_room.pixels(dataset, some, spec)[np.arange(len(some))]


# ---- how long that will take ------------------------------------------------------------------------------


def rehearsed(plan: Plan, dataset: Dataset) -> float:
    """Seconds that packing, judging and the report will take, from doing it twice on little.

    The first time pays for what is only loaded once. What each backbone below a head adds, the training
    knows.

    Args:
        plan: What will be trained.
        dataset: Checked and split; its test part is not looked at.
    """
    from mindle.training.images.nets import untrained
    from mindle.training.images.plan import SELECTING
    from mindle.training.images.problem import Problem

    problem, recipe = Problem.of(dataset, typical_size=plan.typical_size), plan.options.recipe
    small = _small_net()
    card = plan.cards[0] if plan.cards else None
    nets = [small, small if recipe.strategy in SELECTING else untrained(problem, recipe, card)]
    seconds = [_seconds(partial(_pack_untrained, net, dataset)) for net in nets]
    return seconds[-1] + _judging_seconds(plan, dataset) + _picture_seconds(dataset)


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _small_net() -> Classifier:
    from mindle.models.classifier import layers_classifier

    spec = InputSpec(height=16, width=16, mean=(0.5,) * 3, std=(0.5,) * 3)
    layers = [{"kind": "flatten"}, {"kind": "dense", "units": "classes"}]
    return layers_classifier(layers, spec=spec, classes=("a", "b"), seed=0)


def _pack_untrained(net: Classifier, dataset: Dataset) -> None:
    """As `pack`, thrown away afterwards."""
    from mindle.formats.onnx import reference_pixels, write_graph, write_number_graph
    from mindle.models.classifier import Estimator, save_model
    from mindle.models.graph import session

    with TemporaryDirectory() as path:
        folder, pixels = Path(path), reference_pixels(net.spec, PARITY_IMAGES)
        save_model(net, folder)
        if isinstance(net, Estimator):
            write_number_graph(net, folder, pixels=pixels)
        else:
            write_graph(net, folder, temperature=1.0, pixels=pixels)
        session(folder / MODEL).run(None, {"pixels": pixels})


def _judging_seconds(plan: Plan, dataset: Dataset) -> float:
    """What the baselines will take that a model is compared with."""
    import sklearn.linear_model  # noqa: F401  # loaded now, so that it is not timed

    from mindle.training.images import tasks
    from mindle.training.images.baselines import some_of
    from mindle.training.images.nets import net_spec
    from mindle.training.images.problem import Problem

    problem, task = Problem.of(dataset, typical_size=plan.typical_size), tasks.of(dataset.task)
    spec = plan.specs[0] if plan.specs else net_spec(plan.options.recipe, plan.typical_size, problem.gray)
    few, share = some_of(dataset, task.baseline_rows(dataset, 64))
    return share * _seconds(lambda: task.baselines(few, spec))


def _picture_seconds(dataset: Dataset) -> float:
    """What the pictures of mistakes in the report will take."""
    from mindle.api.reports import PICTURES
    from mindle.data.images.thumbnails import thumbnail

    some = dataset.rows("train")[:4].tolist()
    seconds = _seconds(lambda: [thumbnail(dataset, row) for row in some])
    return seconds * min(PICTURES, len(dataset.rows("test"))) / len(some)
