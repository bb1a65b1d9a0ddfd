"""What a user may type as data or as images to predict, and what comes of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mindle.data as data
from mindle.data.decode import UndecodableImage, decode
from mindle.data.sources import READ_KINDS, load, read, read_images, typical_size
from mindle.errors import DataError
from mindle.records import InputSpec


def picture(file: Path, height: int = 12, width: int = 16, value: int = 200) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (width, height), (value, value, value)).save(file, "PNG")
    return file


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Two classes of two pictures, with litter and a text file."""
    for name in ("cat/1.png", "cat/deep/2.png", "dog/1.png", "dog/2.png"):
        picture(tmp_path / "pets" / name)
    (tmp_path / "pets" / "cat" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "pets" / "dog" / "Thumbs.db").write_bytes(b"x")
    return tmp_path / "pets"


def test_every_kind_of_source_is_told_apart(pets: Path, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path,label\npets/cat/1.png,cat\npets/dog/1.png,dog\n")
    np.savez(tmp_path / "set.npz", data=np.zeros((4, 3, 3), np.uint8), targets=np.array([0, 1, 0, 1]))
    sources: list[tuple[Any, str]] = [
        (pets, "folder"),
        (tmp_path / "list.csv", "csv"),
        (tmp_path / "set.npz", "npz"),
        ("digits", "builtin"),
    ]
    for source, kind in sources:
        dataset = read(source)
        assert (dataset.kind, dataset.source) == (kind, os.fspath(source))
        assert {one.kind for one in dataset.findings} <= set(READ_KINDS)


def test_names(pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my list.csv").write_text("path,label\npets/cat/1.png,cat\n")
    assert read(pets).name == "pets"
    assert read(f"{pets}/").name == "pets"
    assert read(tmp_path / "my list.csv").name == "my list"
    assert read(pets, name="animals").name == "animals"
    monkeypatch.chdir(pets)
    assert (read(".").name, read(".").source) == ("pets", ".")


def test_an_existing_folder_comes_before_a_built_in_name(
    pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    pets.rename(tmp_path / "digits")
    assert read("digits").kind == "folder"


def test_what_is_not_there_says_what_is_near(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pets.parent)
    with pytest.raises(DataError, match=r"'digit', which does not exist\. Did you mean 'digits'\?"):
        read("digit")
    with pytest.raises(DataError, match="Did you mean 'pets'"):
        read("pest")
    with pytest.raises(DataError, match=r"existing folder or file.*Check the path"):
        read("something entirely else")
    with pytest.raises(DataError, match="which does not exist"):
        read("")


def test_a_file_of_another_kind_says_what_is_needed(pets: Path) -> None:
    with pytest.raises(DataError, match=r"folder, a \.csv or an \.npz.*mindle predict"):
        read(pets / "cat" / "1.png")
    with pytest.raises(TypeError, match="Received bytes"):
        read(os.fsencode(pets))  # type: ignore[arg-type]


def test_load_gives_bytes_of_files_and_pixels_of_arrays(pets: Path) -> None:
    dataset = read(pets)
    row = dataset.paths.index("cat/deep/2.png")
    assert load(dataset, row) == (pets / "cat" / "deep" / "2.png").read_bytes()
    digit = load(read("digits"), 3)
    assert isinstance(digit, np.ndarray)
    assert digit.shape == (8, 8)


def test_load_of_a_file_that_went_away(pets: Path) -> None:
    dataset = read(pets)
    (pets / "dog" / "2.png").unlink()
    with pytest.raises(UndecodableImage, match="does not exist") as caught:
        load(dataset, dataset.paths.index("dog/2.png"))
    assert caught.value.kind == "missing"


def test_typical_size_is_a_median_that_skips_the_unreadable(tmp_path: Path) -> None:
    for number, height in enumerate((10, 20, 20, 30, 900)):
        picture(tmp_path / "a" / f"{number}.png", height, height * 2)
    (tmp_path / "a" / "broken.png").write_bytes(b"no picture")
    picture(tmp_path / "b" / "1.png", 20, 40)
    assert typical_size(read(tmp_path)) == (20, 40)
    assert typical_size(read("digits")) == (8, 8)


def test_typical_size_samples_the_same_rows_every_time(tmp_path: Path) -> None:
    for number in range(40):
        picture(tmp_path / "ab"[number % 2] / f"{number}.png", 10 + number, 20)
    dataset = read(tmp_path)
    assert typical_size(dataset, sample=5) == typical_size(dataset, sample=5)


def test_typical_size_without_a_readable_image_is_an_error(tmp_path: Path) -> None:
    for name in ("a/1", "a/2", "b/1", "b/2"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"no picture")
    with pytest.raises(DataError, match="`mindle check` says why"):
        typical_size(read(tmp_path))


# --- images to predict -----------------------------------------------


def names(sources: object) -> list[str]:
    return [name for name, _ in read_images(sources)]  # type: ignore[arg-type]


def test_folders_are_searched_in_order_and_without_litter(pets: Path) -> None:
    (pets / ".hidden").mkdir()
    picture(pets / ".hidden" / "3.png")
    expected = ["cat/1.png", "cat/deep/2.png", "dog/1.png", "dog/2.png"]
    assert names([pets]) == [os.path.join(pets, *one.split("/")) for one in expected]
    assert names(str(pets)) == names([pets])


def test_names_are_as_typed(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pets)
    assert names(["./dog/1.png", "cat", "dog/*.png"]) == [
        "./dog/1.png",
        os.path.join("cat", "1.png"),
        os.path.join("cat", "deep", "2.png"),
        os.path.join("dog", "1.png"),
        os.path.join("dog", "2.png"),
    ]


def test_globs_find_files_below(pets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(pets)
    assert names(["**/2.png"]) == [os.path.join("cat", "deep", "2.png"), os.path.join("dog", "2.png")]
    assert names(["*"]) == names(["cat", "dog"])
    assert sorted(names(["**"])) == names(["cat", "dog"])


def test_a_name_with_brackets_is_a_name_before_it_is_a_pattern(tmp_path: Path) -> None:
    file = picture(tmp_path / "photo [1].png")
    assert [payload for _, payload in read_images([str(file)])] == [file]


def test_what_is_missing_is_a_row_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    sources = [tmp_path / "none.jpg", tmp_path / "*.jpg", tmp_path / "empty"]
    payloads = [payload for _, payload in read_images(sources)]
    assert names(sources) == [str(source) for source in sources]
    assert [str(one) for one in payloads] == [
        "The file does not exist.",
        "No file matches this pattern.",
        "The folder holds no files.",
    ]
    assert all(isinstance(one, UndecodableImage) and one.kind == "missing" for one in payloads)


def test_images_in_memory(tmp_path: Path) -> None:
    opened = Image.open(picture(tmp_path / "1.png"))
    with opened:
        mixed = [np.zeros((4, 4), np.uint8), opened, np.zeros((2, 4, 4, 3), np.uint8), Image.new("L", (3, 3))]
        found = list(read_images(mixed))
        assert [name for name, _ in found] == [
            "image-000001",
            str(tmp_path / "1.png"),
            "image-000003",
            "image-000004",
            "image-000005",
        ]
        spec = InputSpec(height=2, width=2)
        assert all(decode(payload, spec).shape == (2, 2, 3) for _, payload in found)


def test_nothing_is_read_ahead(pets: Path) -> None:
    asked = []

    def endless() -> object:
        while True:
            asked.append(1)
            yield pets / "cat" / "1.png"

    images = read_images(endless())  # type: ignore[arg-type]
    for _ in range(3):
        next(images)
    assert len(asked) == 3


def test_importing_the_room_is_light() -> None:
    script = "import sys, mindle.data; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {"torch", "sklearn", "scipy", "pandas", "matplotlib", "timm", "onnxruntime"}
    assert not heavy & set(done.stdout.split())


def test_the_public_names_are_sorted_and_there() -> None:
    assert list(data.__all__) == sorted(data.__all__)
    assert all(getattr(data, name).__doc__ for name in data.__all__)


@pytest.mark.shared
def test_the_shared_photo_folders(shared: Path) -> None:
    flowers = read(shared / "data" / "flowers5")
    assert flowers.classes == ("daisy", "dandelion", "roses", "sunflowers", "tulips")
    assert (flowers.given.count("train"), flowers.given.count("test")) == (1500, 450)
    assert typical_size(flowers) == (224, 224)
    trash = read(shared / "data" / "trashnet-150")
    assert np.bincount(trash.labels).tolist() == [403, 501, 410, 594, 482, 137]
    assert set(trash.given) == {""}
