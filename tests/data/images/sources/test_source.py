"""What a user may type as data or as images to predict, and what comes of it."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import mindle.data as data
from mindle.data.common.findings import kinds
from mindle.data.images.decoding.decode import UndecodableImage, decode
from mindle.data.images.sources.pictures import load, read_images, typical_size
from mindle.data.images.sources.source import read
from mindle.data.reading import ReadingOptions
from mindle.errors import DataError
from mindle.records import InputSpec
from tests.processes import python


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
        assert {one.kind for one in dataset.findings} <= set(kinds())


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


def test_what_is_not_there_is_said_before_what_was_asked_about_it(tmp_path: Path) -> None:
    for asked in ({"target": "y"}, {"kinds": {"a": "number"}, "target": "y"}, {"label_from": "{class}"}):
        with pytest.raises(DataError, match="which does not exist"):
            ReadingOptions(**asked).read(tmp_path / "nothere.csv")
    with pytest.raises(ValueError, match="`target` must be left out"):
        ReadingOptions(target="y").read("digits")


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
    done = python(script)
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


def gif() -> bytes:
    stream = io.BytesIO()
    Image.new("L", (3, 2), 90).save(stream, "GIF")
    return stream.getvalue()


def test_images_come_as_bytes_open_files_and_columns(tmp_path: Path) -> None:
    data = gif()
    (tmp_path / "a.gif").write_bytes(data)
    typed = str(tmp_path / "a.gif")
    spent = io.BytesIO(data)
    spent.read()
    with open(typed, "rb") as file:
        for given, names in (
            (data, ["image-000001"]),
            (bytearray(data), ["image-000001"]),
            (memoryview(data), ["image-000001"]),
            (io.BytesIO(data), ["image-000001"]),
            (spent, ["image-000001"]),
            (file, [typed]),
            ([data, io.BytesIO(data), typed], ["image-000001", "image-000002", typed]),
            ((each for each in [data, typed]), ["image-000001", typed]),
            (pd.Series([typed, typed], index=[7, 3]), [typed, typed]),
            (pd.Series([data]), ["image-000001"]),
            (pd.Index([typed]), [typed]),
            (np.array([typed, typed]), [typed, typed]),
            (np.array([Path(typed), data], object), [typed, "image-000001"]),
            ([pd.Series([typed]), data], [typed, "image-000001"]),
            (np.zeros((2, 4, 5, 3), np.uint8), ["image-000001", "image-000002"]),
            ([None, float("nan")], ["image-000001", "image-000002"]),
        ):
            found = list(read_images(given))
            assert [name for name, _ in found] == names
            for _, image in found:
                if isinstance(image, UndecodableImage):
                    assert image.detail == "No image is given."
                else:
                    decode(image, InputSpec(height=4, width=4))


@pytest.mark.parametrize(
    "given",
    [
        {"path": "a.jpg"}, {"a.jpg"}, frozenset(), 3, 1.5, True, object(), range(3), [["a.jpg"]], [b"", 7],
        pd.DataFrame({"path": ["a.jpg"]}), io.StringIO("a.jpg"), [io.StringIO()], len, [{"path": 1}],
    ],
    ids=lambda given: type(given).__name__,
)  # fmt: skip
def test_anything_else_is_refused_by_the_name_of_its_type(given: object) -> None:
    inner = given[-1] if isinstance(given, list | range) else given
    with pytest.raises(TypeError, match=rf"Received {type(inner).__name__}\b"):
        list(read_images(given))


def test_pipes_and_devices_are_answered_with_a_reason(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "pipe.jpg").symlink_to("pipe")
    (tmp_path / "a.gif").write_bytes(gif())
    named = [str(tmp_path / name) for name in ("zero.jpg", "pipe", "pipe.jpg", "/dev/zero")]
    for given in (str(tmp_path), named):
        found = dict(read_images(given))
        for name, image in found.items():
            if not name.endswith(".gif"):
                with pytest.raises(UndecodableImage, match="a device or a socket; it is not opened"):
                    decode(image, InputSpec(height=4, width=4))
        assert len(found) == 4


def test_pipes_and_devices_among_photos_are_set_aside(tmp_path: Path) -> None:
    for label in ("oak", "birch"):
        (tmp_path / label).mkdir()
        (tmp_path / label / "a.gif").write_bytes(gif())
    os.mkfifo(tmp_path / "oak" / "pipe")
    (tmp_path / "oak" / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "birch" / "pipe.jpg").symlink_to("../oak/pipe")
    dataset = read(tmp_path)
    (finding,) = [each for each in dataset.findings if each.kind == "special"]
    assert set(finding.files) == {"oak/pipe", "oak/zero.jpg", "birch/pipe.jpg"}
    assert set(dataset.paths) == {"oak/a.gif", "birch/a.gif"}


def test_a_list_may_name_a_device(tmp_path: Path) -> None:
    (tmp_path / "a.gif").write_bytes(gif())
    rows = ["a.gif,oak", "/dev/zero,birch", "/dev/null,birch", "a.gif,oak"]
    (tmp_path / "list.csv").write_text("\n".join(["path,label", *rows]))
    with contextlib.suppress(DataError):
        checked = data.check(data.read(tmp_path / "list.csv"))
        assert "special" in {finding.kind for finding in checked.findings}
