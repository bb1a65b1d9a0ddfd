"""From images to answers with a bundle: no torch, no HTTP, and flat memory.

Decoding runs a few batches ahead in threads (Pillow releases the interpreter there) while ONNX Runtime
answers the batch in hand.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.artifacts.arrays import Slot, shown
from mindle.artifacts.bundle import DOCUMENT, REFERENCE, Bundle
from mindle.artifacts.files import first_words, unreadable
from mindle.artifacts.runtime import open_session
from mindle.data.images.decoding.decode import UndecodableImage, decode
from mindle.data.images.pixels import Pixels
from mindle.errors import ArtifactError
from mindle.evaluation.conformal import LEVEL, Calibration, prediction_interval, read_calibration
from mindle.records import InputSpec

Forward = Callable[[NDArray[np.uint8]], NDArray[np.floating[Any]]]

BATCH = 16
# Two runtimes' float32 answers to the reference images differ by about 1e-6; a wrong kernel by far more.
REFERENCE_TOLERANCE = 1e-3


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model says about one image.

    Attributes:
        path: The image's name as it was given.
        probabilities: One value a class (or the estimate and the ends of its interval, where a number is
            told), or None where the image has no answer.
        reason: Why there is no answer; "" where there is one.
    """

    path: str
    probabilities: NDArray[np.float64] | None = None
    reason: str = ""


def answers(
    images: Iterable[tuple[str, Any]], *, spec: InputSpec, forward: Forward, batch: int = BATCH
) -> Iterator[Answer]:
    """Answer every image in order; one that cannot be read gets a reason and the rest go on.

    Args:
        images: Pairs of a name and what `mindle.data.decode` takes, or an `UndecodableImage` that already
            says why there is nothing to decode.
        spec: The pixels that `forward` takes.
        forward: Pixels uint8 (image, height, width, channel) to probabilities (image, class).
        batch: How many images `forward` gets at once.
    """

    def pixels_of(payload: Any) -> NDArray[np.uint8] | UndecodableImage:
        if isinstance(payload, UndecodableImage):
            return payload
        try:
            return decode(payload, spec)
        except UndecodableImage as error:
            return error

    workers = os.cpu_count() or 1
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    waiting: deque[tuple[str, Future[NDArray[np.uint8] | UndecodableImage]]] = deque()
    try:
        source = iter(images)
        while True:
            # Two batches ahead keep every thread busy; more would only cost memory.
            while len(waiting) < 3 * batch and (item := next(source, None)) is not None:
                waiting.append((item[0], pool.submit(pixels_of, item[1])))
            if not waiting:
                return
            turn = [waiting.popleft() for _ in range(min(batch, len(waiting)))]
            decoded = [future.result() for _, future in turn]
            good = [pixels for pixels in decoded if not isinstance(pixels, UndecodableImage)]
            rows = iter(np.asarray(forward(np.stack(good)), np.float64) if good else ())
            for (name, _), pixels in zip(turn, decoded, strict=True):
                if isinstance(pixels, UndecodableImage):
                    yield Answer(path=name, reason=str(pixels))
                else:
                    yield Answer(path=name, probabilities=next(rows))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def forward_rows(forward: Forward, pixels: Pixels) -> NDArray[np.float64]:
    """What `forward` answers to stored pixels (image, height, width, channel), a batch at a time."""
    batches = (np.arange(at, min(at + BATCH, len(pixels))) for at in range(0, len(pixels), BATCH))
    return np.concatenate([forward(pixels[rows]) for rows in batches]).astype(np.float64)


def proven_session(bundle: Bundle, threads: int | None = None) -> Any:
    """A bundle's graph in ONNX Runtime, once it has answered the reference inputs as it did when it was made.

    Args:
        bundle: Read and verified.
        threads: How many threads answer; all cores unless set.

    Raises:
        ArtifactError: If the graph cannot be read, or this machine's runtime answers otherwise.
    """
    try:
        session = open_session(bundle.model, threads)
    except PermissionError as error:
        raise unreadable(bundle.model, error) from error
    except MemoryError:  # nothing is wrong with the graph
        raise
    except Exception as error:  # ONNX Runtime raises its own unrelated classes for any unreadable graph
        raise ArtifactError(
            f"{bundle.model} must be a graph that the installed ONNX Runtime reads: {first_words(error)}. "
            "Upgrade onnxruntime, or train again."
        ) from error
    _require_fit(bundle, "takes", session.get_inputs(), bundle.inputs)
    _require_fit(bundle, "answers", session.get_outputs(), bundle.outputs)
    difference = _difference(bundle, session)
    if not difference <= REFERENCE_TOLERANCE:
        raise ArtifactError(
            f"The bundle's reference inputs must get the stored answers within {REFERENCE_TOLERANCE:g} on "
            f"this machine. Received a difference of {difference:.2g}. Its onnxruntime computes something "
            "else: upgrade or downgrade onnxruntime to the version in bundle.json."
        )
    return session


_TYPES = {"tensor(uint8)": "u1", "tensor(float)": "f4", "tensor(double)": "f8", "tensor(string)": "U"}


def _require_fit(bundle: Bundle, verb: str, nodes: Sequence[Any], slots: Mapping[str, Slot]) -> None:
    """Refuse a graph that takes or answers something else than the document says."""
    found = {node.name: (_TYPES.get(node.type, node.type), tuple(node.shape)) for node in nodes}
    needed = {name for name, slot in slots.items() if not slot.optional}
    if needed <= set(found) <= set(slots) and all(slots[name].holds(*each) for name, each in found.items()):
        return
    raise ArtifactError(
        f"{bundle.folder / DOCUMENT} must describe its graph, which {verb} "
        f"{', '.join(f'{name} {shown(*each)}' for name, each in found.items()) or 'nothing'}. Received a "
        f"document of one that {verb} {', '.join(f'{name} {slot}' for name, slot in slots.items())}. Copy "
        "the whole folder again."
    )


def _difference(bundle: Bundle, session: Any) -> float:
    """How far this machine's answers to the reference inputs lie from the stored ones, at most."""
    arrays = bundle.reference()
    outputs = [node.name for node in session.get_outputs()]
    inputs = {node.name: arrays[node.name] for node in session.get_inputs() if node.name in arrays}
    try:
        answers = dict(zip(outputs, session.run(outputs, inputs), strict=True))
    except MemoryError:
        raise
    except Exception as error:  # as above
        raise ArtifactError(
            f"{bundle.model} must answer its reference inputs: {first_words(error)}. Copy the whole folder "
            "again."
        ) from error
    shapes = {name: answer.shape for name, answer in answers.items()}
    if shapes != {name: array.shape for name, array in arrays.items() if name not in inputs}:
        raise ArtifactError(
            f"{bundle.folder / REFERENCE} must hold the answers of its graph, of the shapes {shapes}. "
            "Received others. Copy the whole folder again."
        )
    return max(
        float((np.abs(answer - arrays[name]) / np.maximum(np.abs(arrays[name]), 1)).max())
        for name, answer in answers.items()
    )


class Predictor:
    """A bundle that answers with classes.

    Attributes:
        bundle: What it says of itself.
        spec: The pixels that `forward` takes.

    Example:
        >>> from mindle.artifacts.bundle import read_bundle
        >>> predictor = Predictor(read_bundle(Path("runs/photos-1/bundle")))  # doctest: +SKIP
        >>> predictor.forward(pixels).shape  # doctest: +SKIP
        (8, 5)
    """

    def __init__(self, bundle: Bundle, *, threads: int | None = None) -> None:
        if not isinstance(bundle.spec, InputSpec):
            raise ArtifactError(
                f"The bundle must be one that takes images. Received {bundle.folder}, which takes rows."
            )
        self.bundle = bundle
        self.spec = bundle.spec
        self._session = proven_session(bundle, threads)

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the probabilities."""
        return self.bundle.classes

    def forward(self, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Pixels uint8 (image, height, width, channel) to probabilities float32 (image, class)."""
        return np.asarray(self._session.run(None, {"pixels": np.ascontiguousarray(pixels)})[0])

    def answers(self, images: Iterable[tuple[str, Any]], *, batch: int = BATCH) -> Iterator[Answer]:
        """Answer named images in order; see `answers`."""
        return answers(images, spec=self.spec, forward=self.forward, batch=batch)


class NumberPredictor:
    """A bundle that estimates a number.

    Attributes:
        bundle: What it says of itself.
        spec: The pixels that `forward` takes.
        names: What the numbers of an answer are: "predicted", and "low" and "high" where there are intervals.
    """

    def __init__(self, bundle: Bundle, *, threads: int | None = None) -> None:
        if not isinstance(bundle.spec, InputSpec) or bundle.classes:
            raise ArtifactError(
                "The bundle must be one that estimates a number from images. Received "
                f"{bundle.folder}, which {'names classes' if bundle.classes else 'takes rows'}."
            )
        self.bundle = bundle
        self.spec = bundle.spec
        self._session = proven_session(bundle, threads)
        arrays = bundle.intervals()
        self._calibration = read_calibration(arrays) if arrays else None
        self.names = ("predicted", "low", "high") if arrays else ("predicted",)

    def forward(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
        """Pixels uint8 (image, height, width, channel) to float64 (image, name), as `names` says."""
        answers = self._session.run(["estimate", "fold_estimates"], {"pixels": np.ascontiguousarray(pixels)})
        return with_intervals(*answers, calibration=self._calibration)


def with_intervals(
    estimates: NDArray[np.float64], folds: NDArray[np.float64], *, calibration: Calibration | None
) -> NDArray[np.float64]:
    """Estimates (image,) beside the ends of their prediction intervals: (image, 3), or (image, 1) without."""
    if calibration is None:
        return np.asarray(estimates, np.float64)[:, None]
    low, high = prediction_interval(calibration, folds, level=LEVEL)
    return np.stack([estimates, low, high], axis=1)
