"""Pixels: decoded once, kept by content, served from arrays without a copy."""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mindle.data.common import store as store_module
from mindle.data.images.checks import check
from mindle.data.images.decoding.decode import decode
from mindle.data.images.pixels import (
    Pixels,
    content_hash,
    in_threads,
    pixel_key,
    pixel_store,
    pixels,
    thumbnail,
)
from mindle.data.images.sources.source import read
from mindle.errors import DataError
from mindle.records import ArrayImages, Dataset, InputSpec, Silent
from tests.pictures import CLASSES, photo_folder

SPEC = InputSpec(height=12, width=10)


class Heard(Silent):
    """Keeps what was said and the last progress."""

    def __init__(self) -> None:
        self.sentences: list[str] = []
        self.decoded = 0

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)

    def progress(self, stage: str, done: int, total: int) -> None:
        self.decoded = total if stage == "decode" else self.decoded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for number in range(20):
        place = tmp_path / "photos" / "ab"[number % 2]
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (20, 16, 3), np.uint8)).save(place / f"{number:02d}.png")
    return tmp_path / "photos"


def gray(height: int, width: int) -> InputSpec:
    return InputSpec(height=height, width=width, colour="gray", mean=(0.0,), std=(1.0,))


def arrays(array: NDArray[np.uint8]) -> Dataset:
    count = len(array)
    return Dataset(
        name="arrays",
        kind="npz",
        source="arrays.npz",
        classes=("a",),
        paths=tuple(f"train/{row:06d}" for row in range(count)),
        labels=np.zeros(count, np.int64),
        given=("",) * count,
        groups=("",) * count,
        images=ArrayImages(array=array),
        set_aside=("",) * count,
    )


def test_pixels_are_those_of_decode_in_the_order_of_the_rows(folder: Path, cache: Path) -> None:
    dataset = read(folder)
    rows = np.array([5, 0, 19, 5, 7])
    got = pixels(dataset, rows, SPEC)
    assert got.shape == (5, 12, 10, 3)
    assert len(got) == 5
    for position, row in enumerate(rows):
        expected = decode(folder / dataset.paths[row], SPEC)
        np.testing.assert_array_equal(got[np.array([position])][0], expected)


def test_what_was_decoded_once_is_not_decoded_again(folder: Path, cache: Path) -> None:
    dataset = check(read(folder), specs=[SPEC])
    heard = Heard()
    before = pixels(dataset, dataset.rows(), SPEC, listener=heard)[np.arange(20)]
    for file in folder.rglob("*.png"):
        file.unlink()  # nothing is left to decode
    after = pixels(dataset, dataset.rows()[::-1], replace(SPEC, mean=(0.5, 0.5, 0.5)), listener=heard)
    np.testing.assert_array_equal(after[np.arange(20)[::-1]], before)
    assert heard.decoded == 0


def test_two_specs_share_pixels_only_where_they_are_the_same() -> None:
    assert pixel_key(SPEC) == pixel_key(replace(SPEC, std=(2.0, 2.0, 2.0)))
    others = [
        replace(SPEC, **change) for change in ({"height": 13}, {"fit": "pad"}, {"interpolation": "nearest"})
    ]
    assert len({pixel_key(spec) for spec in (SPEC, gray(12, 10), *others)}) == 5


def test_copies_are_decoded_once(folder: Path, cache: Path) -> None:
    (folder / "a" / "copy.png").write_bytes((folder / "a" / "00.png").read_bytes())
    dataset = check(read(folder))
    heard = Heard()
    pixels(dataset, np.arange(len(dataset)), SPEC, listener=heard)
    assert heard.decoded == 20


def test_a_file_that_changed_since_the_check_is_refused(folder: Path, cache: Path) -> None:
    dataset = check(read(folder))
    Image.new("RGB", (5, 5), "red").save(folder / "a" / "00.png")
    with pytest.raises(DataError, match=r"a/00\.png cannot be used: It changed while mindle was running"):
        pixels(dataset, np.arange(20), SPEC)
    (folder / "a" / "00.png").unlink()
    with pytest.raises(DataError, match=r"a/00\.png cannot be used: The file does not exist"):
        pixels(dataset, np.arange(20), SPEC)


def test_a_file_that_cannot_be_decoded_is_named(folder: Path, cache: Path) -> None:
    (folder / "a" / "00.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"a/00\.png cannot be used.*mindle check"):
        pixels(read(folder), np.arange(20), SPEC)
    # What was decoded before the bad file is kept.
    assert not list(cache.rglob("*.tmp"))


def test_damage_is_said_and_mended(folder: Path, cache: Path) -> None:
    dataset = check(read(folder), specs=[SPEC])
    before = pixels(dataset, np.arange(20), SPEC)[np.arange(20)].copy()
    file = next((cache / "pixels" / pixel_key(SPEC)).glob("*.rows"))
    data = bytearray(file.read_bytes())
    data[400] ^= 1
    file.write_bytes(bytes(data))
    store_module._SOUND.clear()  # as a new process
    heard = Heard()
    after = pixels(dataset, np.arange(20), SPEC, listener=heard)
    assert heard.sentences == ["1 image in the cache was damaged and is decoded again."]
    np.testing.assert_array_equal(after[np.arange(20)], before)


def test_threads_may_read_at_the_same_time(folder: Path, cache: Path) -> None:
    got = pixels(read(folder), np.arange(20), SPEC)
    whole = got[np.arange(20)]
    results: list[bool] = []

    def fetch(seed: int) -> None:
        for rows in np.random.default_rng(seed).integers(0, 20, (40, 16)):
            results.append(np.array_equal(got[rows], whole[rows]))

    threads = [threading.Thread(target=fetch, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 160
    assert all(results)


def test_an_array_of_the_right_size_is_the_store(cache: Path) -> None:
    array = np.random.default_rng(0).integers(0, 256, (9, 8, 6), np.uint8)
    rows = np.array([8, 2, 2])
    got = pixels(arrays(array), rows, gray(8, 6))
    np.testing.assert_array_equal(got[np.arange(3)], array[rows][..., None])
    coloured = pixels(arrays(array), rows, InputSpec(height=8, width=6))
    assert coloured.shape == (3, 8, 6, 3)
    for position, row in enumerate(rows):
        expected = decode(array[row], InputSpec(height=8, width=6))
        np.testing.assert_array_equal(coloured[np.array([position])][0], expected)
    assert not cache.exists()


@pytest.mark.parametrize("channels", [(), (1,), (3,), (4,)])
@pytest.mark.parametrize("spec", [InputSpec(height=8, width=6), gray(8, 6), InputSpec(height=16, width=16)])
def test_arrays_of_every_kind_are_decoded_alike(
    cache: Path, channels: tuple[int, ...], spec: InputSpec
) -> None:
    array = np.random.default_rng(1).integers(0, 256, (5, 8, 6, *channels), np.uint8)
    got = pixels(arrays(array), np.arange(5), spec)
    np.testing.assert_array_equal(got[np.arange(5)], np.stack([decode(image, spec) for image in array]))


def test_pixels_of_an_array() -> None:
    array = np.arange(24, dtype=np.uint8).reshape(4, 3, 2, 1)
    chosen = Pixels.of(array, np.array([3, 1]))
    np.testing.assert_array_equal(chosen[np.array([1, 0])], array[[1, 3]])
    with pytest.raises(ValueError, match="uint8"):
        Pixels.of(array.astype(np.float32))  # type: ignore[arg-type]


def test_batches_are_gathered_across_segments(tmp_path: Path) -> None:
    spec = InputSpec(height=16, width=16)
    store = pixel_store(spec, tmp_path)
    store.segment_bytes = 5 * store.row_bytes
    made = np.random.default_rng(0).integers(0, 256, (23, *spec.shape), np.uint8)
    with store.writer() as writer:
        for row in made:
            writer.add(content_hash(row), row)
    rows = store.rows([content_hash(row) for row in made])
    picked = np.array([22, 0, 11, 11, 4])
    np.testing.assert_array_equal(rows[picked], made[picked])


def test_content_hashes_tell_shapes_apart() -> None:
    assert content_hash(np.zeros((2, 3), np.uint8)) != content_hash(np.zeros((3, 2), np.uint8))
    turned = np.arange(6, dtype=np.uint8).reshape(2, 3).T
    assert content_hash(turned) == content_hash(turned.copy())


def test_threads_keep_the_order_and_read_only_a_few_items_ahead() -> None:
    taken: list[int] = []

    def items() -> object:
        for number in range(10_000):
            taken.append(number)
            yield number

    results = in_threads(lambda number: number * 2, items())  # type: ignore[arg-type]
    assert [next(results) for _ in range(5)] == [0, 2, 4, 6, 8]
    assert len(taken) < 1000
    results.close()  # type: ignore[attr-defined]


def test_an_error_in_a_thread_reaches_the_caller() -> None:
    def work(number: int) -> int:
        if number == 50:
            raise ValueError("number 50")
        return number

    with pytest.raises(ValueError, match="number 50"):
        list(in_threads(work, range(100)))


def test_a_thumbnail_is_a_small_jpeg_and_a_lost_file_none(tmp_path: Path) -> None:
    dataset = read(photo_folder(tmp_path / "photos", 2))
    picture = thumbnail(dataset, 0)
    assert picture is not None
    assert Image.open(io.BytesIO(picture)).format == "JPEG"
    assert len(picture) < 20_000
    (tmp_path / "photos" / CLASSES[0] / "사진 00.png").unlink()
    row = dataset.paths.index(f"{CLASSES[0]}/사진 00.png")
    assert thumbnail(dataset, row) is None
