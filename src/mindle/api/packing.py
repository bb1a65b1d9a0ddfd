"""How a trained model of images becomes a bundle that answers the test part, for classes and for numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from mindle.artifacts.bundle import Bundle
from mindle.artifacts.run import RunFolder
from mindle.records import Dataset

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from mindle.formats.parity import Parity
    from mindle.training.problem import Outcome

# Bundles are proven on this many images that were learned from or chosen by.
PARITY_IMAGES = 16


class Answering(Protocol):
    """A bundle that was opened."""

    def forward(self, pixels: NDArray[np.uint8]) -> NDArray[np.floating]:
        """Answers to pixels (image, height, width, channel), one row an image."""


def pack(
    folder: RunFolder,
    dataset: Dataset,
    outcome: Outcome,
    *,
    write: Callable[[NDArray[np.uint8]], Parity],
    opened: Callable[[Bundle], Answering],
) -> tuple[Bundle, Parity, NDArray[np.float64]]:
    """Save the model, write its bundle, open the test part, once, and let the bundle answer it.

    Args:
        folder: The run.
        dataset: Checked and split.
        outcome: What the training made.
        write: Writes the graph, and proves it on some of the user's own images.
        opened: Opens the bundle.

    Returns:
        What bundle.json will say, less scores and details; the proof; the answers to the test part, (image,
        …).
    """
    import numpy as np

    from mindle import data as data_room
    from mindle.formats.onnx import bundle_record
    from mindle.models.classifier import save_model
    from mindle.serving.predictor import forward_rows

    model = outcome.model
    save_model(model, folder.path)
    # The graph is proven on images that were learned from or chosen by: the test part stays shut until it is
    # judged.
    some = np.concatenate([dataset.rows("val"), dataset.rows("train")])[:PARITY_IMAGES]
    parity = write(data_room.pixels(dataset, some, model.spec)[np.arange(len(some))])
    bundle = bundle_record(
        model,
        folder.bundle,
        temperature=outcome.temperature,
        metrics={},
        licences=outcome.licences,
        details={},
    )
    pixels = data_room.pixels(dataset, dataset.rows("test"), model.spec)
    return bundle, parity, forward_rows(opened(bundle).forward, pixels)
