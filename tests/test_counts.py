"""What speed rests on, by counting: forward passes, tensor operations, bytes and modules, never seconds."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from torch.utils._python_dispatch import TorchDispatchMode

import mindle
from benchmarks._weights import card_of, random_weights
from mindle.models.classifier import ClassScores, layers_model
from mindle.models.nets.zoo import ZOO
from mindle.records import SILENT, InputSpec
from mindle.training.images.features import Engine
from mindle.training.loop.callbacks import Callback, FitState
from mindle.training.loop.fit import fit
from mindle.training.loop.job import TrainingData
from mindle.training.recipe import read_recipe, with_settings
from tests.pictures import photo_folder

BACKBONE, SIDE = "test_resnet", 32
# Of each split so many images go through a whole graph again, as its proof, whatever the size of the folder.
PROVEN_ON = 16


@pytest.mark.slow
def test_an_image_of_any_split_passes_the_backbone_once(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: Counter[bytes] = Counter()
    run = onnxruntime.InferenceSession.run

    def counting(session: Any, names: Any, feed: dict[str, Any], *rest: Any) -> Any:
        passed.update(row.tobytes() for rows in feed.values() if rows.dtype == np.uint8 for row in rows)
        return run(session, names, feed, *rest)

    monkeypatch.setenv("MINDLE_ENGINE", "onnxruntime")
    monkeypatch.setattr(onnxruntime.InferenceSession, "run", counting)
    photos = photo_folder(tmp_path / "photos", 100)
    mindle.train(
        photos,
        weights=random_weights(tmp_path / "weights", BACKBONE, SIDE),
        model=BACKBONE,
        strategy="probe",
        set={"probe.heads": ["logistic"], "probe.views": 0},
        out=tmp_path / "run",
        listener=SILENT,
    )
    del passed[bytes(SIDE * SIDE * 3)]  # what fills a batch up
    assert len(passed) >= 3 * 100
    assert sum(times > 1 for times in passed.values()) <= 4 * PROVEN_ON


def test_embedding_more_images_takes_no_more_memory(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINDLE_ENGINE", "onnxruntime")
    engine = Engine(card_of(BACKBONE, None, tmp_path, SIDE))
    pixels = np.lib.format.open_memmap(tmp_path / "pixels.npy", "w+", np.uint8, (600, SIDE, SIDE, 3))

    def peak(rows: slice) -> int:
        keys = [f"{row:064x}" for row in range(600)][rows]
        tracemalloc.start()
        features = engine.embed(pixels[rows], keys)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most - features.nbytes

    peak(slice(0, 40))
    few, many = peak(slice(40, 140)), peak(slice(140, 600))
    assert many - few < 360 * 2_000  # keys and features; the pixels of an image are 3,072 bytes


class Operations(TorchDispatchMode):
    """Counts the operations on tensors, and the bytes they give."""

    calls = 0
    size_bytes = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = func(*args, **(kwargs or {}))
        self.calls += 1
        self.size_bytes += sum(
            getattr(each, "nbytes", 0) for each in (given if isinstance(given, tuple) else (given,))
        )
        return given


class EachStep(Callback):
    """Operations and bytes of each step."""

    def __init__(self, operations: Operations) -> None:
        self.operations, self.seen = operations, [(0, 0)]

    def on_step(self, state: FitState) -> None:
        self.seen.append((self.operations.calls, self.operations.size_bytes))

    def differences(self) -> list[tuple[int, int]]:
        return [(b[0] - a[0], b[1] - a[1]) for a, b in zip(self.seen[:-1], self.seen[1:], strict=True)]


def steps(batch: int) -> list[tuple[int, int]]:
    """Operations and bytes of each step of a short training with full augmentation."""
    card, rng = ZOO["catsdogs-cnn"], np.random.default_rng(0)
    recipe = with_settings(
        read_recipe("catsdogs-cnn"),
        {"train.epochs": 1, "train.batch_size": batch},
    )
    spec = InputSpec(height=48, width=48, mean=(0.5,) * 3, std=(0.25,) * 3)
    model = layers_model(card.layers(48, 48), ClassScores(("a", "b")), spec=spec, seed=0)
    pixels = rng.integers(0, 256, (8 * batch, 48, 48, 3), np.uint8)
    labels = rng.integers(0, 2, len(pixels))
    data = TrainingData(train=pixels, train_labels=labels, val=pixels[:4], val_labels=labels[:4])
    with Operations() as operations:
        watch = EachStep(operations)
        fit(model, data, recipe, callbacks=[watch])
    return watch.differences()


def test_a_step_makes_as_much_as_the_step_before() -> None:
    small, large = steps(4)[2:], steps(16)[2:]
    calls = [calls for calls, _ in small]
    assert max(calls) - min(calls) < 20  # an average of the weights is taken in some steps only
    assert max(size for _, size in large) < 4.1 * max(size for _, size in small)
    assert large[-1][1] == pytest.approx(large[0][1], rel=0.05)
