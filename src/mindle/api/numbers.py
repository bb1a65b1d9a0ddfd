"""How a run that estimates numbers from images is packed and judged; all else is as for classes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mindle.api.packing import pack
from mindle.artifacts import bundle as bundles
from mindle.artifacts.files import write_arrays
from mindle.artifacts.run import RunFolder
from mindle.artifacts.run_log import RunLog
from mindle.records import Dataset, Estimates

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mindle.formats.parity import Parity
    from mindle.training.images.problem import Outcome


def judge_numbers(
    folder: RunFolder, dataset: Dataset, outcome: Outcome, run_log: RunLog, *, seed: int
) -> dict[str, Any]:
    """Write the model and its bundle; open the test part, once; score what the bundle answers.

    Args:
        folder: The run.
        dataset: Checked and split.
        outcome: What the training made.
        run_log: Keeper of run.json.
        seed: Of the bootstrap, and of the baselines.

    Returns:
        What metrics.json holds.
    """
    from mindle.evaluation import score_estimates
    from mindle.evaluation.conformal import LEVEL
    from mindle.formats.onnx import write_number_graph
    from mindle.models.classifier import Estimator
    from mindle.training.images.baselines import number_baselines

    model, rows = outcome.model, {part: dataset.rows(part) for part in ("val", "test")}
    if not isinstance(model, Estimator):
        raise TypeError(f"`outcome` must hold an estimator of numbers. Received {type(model).__name__}.")

    def write(pixels: NDArray[np.uint8]) -> Parity:
        parity = write_number_graph(model, folder.bundle, pixels=pixels)
        if outcome.calibration is not None:
            write_arrays(folder.bundle / bundles.INTERVALS, outcome.calibration.arrays())
        return parity

    with run_log.stage("evaluate", len(rows["test"])):
        bundle, parity, test = pack(folder, dataset, outcome, write=write)
        parts = {"val": _estimates(dataset, rows["val"], outcome.val_answers[:, 0]), "test": test}
        folder.write_answers({part: answers for part, answers in parts.items() if answers.paths})
        scores = {
            part: score_estimates(answers, seed=seed, level=LEVEL)
            for part, answers in folder.answers(dataset.task).items()
        }
    metrics = {
        "task": "regression",
        "classes": [],
        "target": dataset.target,
        **scores,
        "train": dict(outcome.train_scores),
        "baselines": number_baselines(dataset, model.spec, seed=seed),
        "strategy": outcome.strategy,
        "seconds": run_log.seconds(),
        "images_per_second": run_log.rates(),
    }
    folder.write_metrics(metrics)
    details = bundles.origin(
        task=dataset.task,
        strategy=outcome.strategy,
        data=run_log.document["data"]["fingerprint"],
        parity=parity.as_dict(),
    )
    bundles.write_bundle_document(
        replace(bundle, metrics=scores["test"], details={**details, "target": dataset.target})
    )
    return metrics


def _estimates(dataset: Dataset, rows: NDArray[np.int64], answers: NDArray[np.float64]) -> Estimates:
    return Estimates(
        paths=tuple(dataset.paths[row] for row in rows.tolist()),
        values=answers,
        targets=dataset.targets[rows],
    )
