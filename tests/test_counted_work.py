"""Work that is done once: files opened, images decoded and bytes hashed, counted where commands answer.

Seconds differ from machine to machine and hide a second pass over the data; counts do neither.
"""

from __future__ import annotations

import gc
import hashlib
import os
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mindle
from mindle.records import SILENT
from mindle.training.loop.callbacks import Callback, FitState
from mindle.training.loop.fit import fit
from mindle.training.recipe import Recipe
from mindle.training.settings import AugmentSettings, TrainSettings
from tests.pictures import photo_folder
from tests.training.nets import data, net, stripes

PER_CLASS, CLASSES = 8, 3
EVERY = PER_CLASS * CLASSES
ONE_EPOCH = {"strategy": "scratch", "set": {"train.epochs": 1}}


@dataclass
class Counted:
    """What was done with files: how often each was opened, how many images were decoded, how many hashed."""

    opened: Counter[str] = field(default_factory=Counter)
    decoded: int = 0
    hashed: int = 0


_WATCHED: list[tuple[str, Counter[str]]] = []


def _hear(event: str, arguments: tuple[Any, ...]) -> None:
    """Files below a watched folder as they are opened; a hook of the interpreter stays, so it is one."""
    if event == "open" and _WATCHED and isinstance(arguments[0], (str, bytes, os.PathLike)):
        path = os.fsdecode(arguments[0])
        for folder, opened in _WATCHED:
            if path.startswith(folder) and path.endswith(".png"):
                opened[path] += 1


sys.addaudithook(_hear)


@contextmanager
def counted(folder: Path) -> Iterator[Counted]:
    """Inside the `with` block whatever is done with the files below a folder is counted."""
    found = Counted()
    lengths = {path.stat().st_size for path in folder.rglob("*.png")}
    decode, digest = Image.open, hashlib.sha256

    def opening(*given: Any, **options: Any) -> Image.Image:
        found.decoded += 1
        return decode(*given, **options)

    def hashing(text: bytes = b"", **options: Any) -> Any:
        found.hashed += len(text) in lengths
        return digest(text, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Image, "open", opening)
        patch.setattr(hashlib, "sha256", hashing)
        _WATCHED.append((f"{folder}{os.sep}", found.opened))
        try:
            yield found
        finally:
            _WATCHED.pop()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two dozen drawings."""
    return photo_folder(tmp_path_factory.mktemp("drawn") / "photos", PER_CLASS)


@pytest.fixture(scope="module")
def runs(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two runs on them, which differ by their seed."""
    folder = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        mindle.train(photos, seed=seed, out=folder / f"{seed}", listener=SILENT, **ONE_EPOCH)
    return folder / "0", folder / "1"


@pytest.mark.parametrize(
    ("call", "opens"),
    [
        (lambda photos, run, out: mindle.check(photos), 1),
        (lambda photos, run, out: mindle.prepare(photos, out=out / "prepared"), 2),  # checked, and copied
        (lambda photos, run, out: mindle.predict(run, photos), 1),
        (lambda photos, run, out: mindle.evaluate(run, photos), 1),
    ],
    ids=["check", "prepare", "predict", "evaluate"],
)
def test_each_image_is_read_hashed_and_decoded_once(
    call: Callable[[Path, Path, Path], object],
    opens: int,
    photos: Path,
    runs: tuple[Path, Path],
    cache: Path,
    tmp_path: Path,
) -> None:
    with counted(photos) as found:
        call(photos, runs[0], tmp_path)
    assert set(found.opened.values()) == {opens}
    assert (len(found.opened), found.decoded) == (EVERY, EVERY)
    assert found.hashed <= opens * EVERY


def test_what_was_checked_before_is_not_decoded_again(
    photos: Path, runs: tuple[Path, Path], cache: Path
) -> None:
    mindle.evaluate(runs[0], photos)
    with counted(photos) as found:
        mindle.evaluate(runs[0], photos)
    assert (found.decoded, set(found.opened.values())) == (0, {1})


def test_an_ensemble_reads_the_answers_of_its_members_and_a_picture_or_two(
    photos: Path, runs: tuple[Path, Path], tmp_path: Path, cache: Path
) -> None:
    with counted(photos) as found:
        mindle.ensemble(list(runs), out=tmp_path / "blend")
    assert found.decoded < EVERY / 4  # what its page shows


@pytest.mark.slow
def test_more_trials_read_no_image_again(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    for trials in (1, 3):
        monkeypatch.setenv("MINDLE_CACHE", str(tmp_path / f"cache {trials}"))
        with counted(photos) as found:
            mindle.tune(
                photos, trials=trials, out=tmp_path / f"{trials}", listener=SILENT, recipe="scratch",
                set={"train.epochs": 1},
            )  # fmt: skip
        seen.append((sum(found.opened.values()), found.decoded))
    assert abs(seen[0][0] - seen[1][0]) <= 3  # pictures of its page
    assert abs(seen[0][1] - seen[1][1]) <= 3


class Memory(Callback):
    """Python's memory in use, and objects that can be reached, after each step."""

    def __init__(self) -> None:
        self.used: list[tuple[int, int]] = []

    def on_step(self, state: FitState) -> None:
        """Measure."""
        gc.collect()
        self.used.append((tracemalloc.get_traced_memory()[0], len(gc.get_objects())))


def test_the_memory_of_an_epoch_does_not_grow_with_its_steps() -> None:
    augment = AugmentSettings(flip="horizontal", shift=0.1, random_erasing=0.5, brightness=0.1)
    recipe = Recipe(train=TrainSettings(epochs=1, batch_size=4), augment=augment)
    memory = Memory()
    gc.collect()
    gc.freeze()  # what other tests left is neither counted nor looked at after each step
    tracemalloc.start()
    try:
        fit(net(), data(stripes(600), stripes(6)), recipe, callbacks=[memory])
    finally:
        tracemalloc.stop()
        gc.unfreeze()
    assert len(memory.used) == 150
    early, late = (np.median(part, axis=0) for part in (memory.used[30:60], memory.used[-30:]))
    grown, objects = late - early
    assert objects < 10, "tensors and the like that 90 steps left behind"
    # Blocks that PyTorch frees past Python count until they are used again: 40 kB here, and no more later.
    assert grown < 90 * 1000, "bytes that 90 steps left behind"


def test_the_memory_of_predictions_does_not_grow_with_the_images(
    photos: Path, runs: tuple[Path, Path], cache: Path
) -> None:
    peaks = []
    mindle.predict(runs[0], photos)  # what is imported and opened once
    for times in (2, 6):
        tracemalloc.start()
        try:
            mindle.predict(runs[0], [photos] * times)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert (peaks[1] - peaks[0]) / (4 * EVERY) < 48 * 48, (
        "bytes an image, of which its pixels alone have 6,912"
    )
