"""Lists of images under any heading, one-hot lists, and lists beside the pictures in a folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mindle.data import read
from mindle.data.images.sources.headings import Locator, image_list
from mindle.data.reading import ReadingOptions
from mindle.errors import DataError
from mindle.records import Dataset, Finding
from tests.discs import write_discs


def is_table(data: Any, target: str | None = None) -> bool:
    return ReadingOptions(target=target).is_table(data)


CELLS: dict[str, Callable[[str, int], str]] = {
    "path": lambda label, number: f"photos/{label}/{label}{number}.png",
    "name": lambda label, number: f"{label}{number}.png",
    "bare": lambda label, number: f"{label}{number}",
    "backslashes": lambda label, number: f"photos\\{label}\\{label}{number}.png",
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """photos/oak/oak0.png … photos/birch/birch3.png."""
    root = tmp_path_factory.mktemp("lists")
    for label in ("oak", "birch"):
        for number in range(4):
            file = root / "photos" / label / f"{label}{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (number, 0, 0)).save(file)
    return root


def write(root: Path, header: str, row: Callable[[str, int], str], name: str = "list.csv") -> Path:
    lines = [row(label, number) for label in ("oak", "birch") for number in range(4)]
    (root / name).write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    return root / name


def finding(dataset: Dataset, kind: str) -> Finding:
    found = [one for one in dataset.findings if one.kind == kind]
    assert len(found) == 1, dataset.findings
    return found[0]


@pytest.mark.parametrize("heading", ["image", "id", "file", "filename", "img_path", "Photo", "x"])
@pytest.mark.parametrize("cell", CELLS)
def test_a_column_that_names_pictures_is_one_under_any_heading(
    pictures: Path, heading: str, cell: str
) -> None:
    file = write(pictures, f"{heading},breed", lambda label, number: f"{CELLS[cell](label, number)},{label}")
    assert not is_table(file)
    assert not is_table(file, "breed")
    for dataset in (read(file), read(file, target="breed", task="classification")):
        assert dataset.classes == ("birch", "oak")
        assert not any(dataset.set_aside)
        assert dataset.paths[0] == "photos/birch/birch0.png"
    assert f"{heading!r} names the files" in finding(read(file), "image-list").message


def test_the_only_other_column_tells_classes_or_numbers(pictures: Path) -> None:
    file = write(pictures, ",image,grade", lambda label, number: f"{number},{label}{number}.png,{number % 2}")
    assert read(file).classes == ("0", "1")
    file = write(pictures, "image,height", lambda label, number: f"{label}{number}.png,{number + 0.5}")
    assert read(file).targets.max() == 3.5
    assert read(file, task="classification").classes == ("0.5", "1.5", "2.5", "3.5")
    assert read(file, target="height").task == "regression"


def test_several_columns_need_a_target(pictures: Path) -> None:
    file = write(
        pictures, "image,kind,age", lambda label, number: f"{label}{number}.png,{label},{number}{label}"
    )
    with pytest.raises(DataError, match="--target"):
        read(file)
    assert read(file, target="kind").classes == ("birch", "oak")


def test_words_for_missing_are_no_labels(pictures: Path) -> None:
    file = write(
        pictures,
        "path,label",
        lambda label, number: f"photos/{label}/{label}{number}.png,{label if number else 'NaN'}",
    )
    dataset = read(file)
    assert dataset.classes == ("birch", "oak")
    assert dataset.set_aside.count("unlabelled") == 2
    assert "'NaN'" in finding(dataset, "missing-words").message


def test_a_table_stays_a_table(pictures: Path) -> None:
    (pictures / "1.png").write_bytes((pictures / "photos/oak/oak0.png").read_bytes())
    tables = (
        ("name,y", lambda label, number: f"{label},{number}"),
        ("link,y", lambda label, number: f"https://a.b/{label}{number}.png,1"),
        ("id,a,y", lambda label, number: f"{number},{label},{number}"),
        ("a,b", lambda label, number: f"{number},{number}.5"),
    )
    for header, row in tables:
        file = write(pictures, header, row)
        assert image_list(file) is None
        assert is_table(file)
    (pictures / "1.png").unlink()


def test_a_list_whose_pictures_are_gone_is_a_list_all_the_same(tmp_path: Path) -> None:
    dataset = read(write(tmp_path, "image,label", lambda label, number: f"{label}{number}.jpg,{label}"))
    assert set(dataset.set_aside) == {"missing"}


# ------------------------------------------------------------------------------ lists beside the pictures


@pytest.fixture
def flat(pictures: Path, tmp_path: Path) -> Callable[[str], Path]:
    """Copies the pictures into a folder, without class folders."""

    def make(folder: str) -> Path:
        place = tmp_path / "export" / folder
        place.mkdir(parents=True)
        for file in (pictures / "photos").rglob("*.png"):
            shutil.copy(file, place / f"img_{file.name}")
        return place

    return make


def hot(label: str, number: int) -> str:
    return f"img_{label}{number}.png,{int(label == 'oak')}, {int(label == 'birch')}"


def test_a_one_hot_list_beside_its_pictures(flat: Callable[[str], Path]) -> None:
    place = flat("train")
    file = write(place, "filename, oak, birch", hot, "_classes.csv")
    for data in (place, place.parent, file):
        dataset = read(data)
        assert dataset.classes == ("birch", "oak")
        assert np.bincount(dataset.labels).tolist() == [4, 4]
        assert not any(dataset.set_aside)


def test_one_hot_lists_in_parts(flat: Callable[[str], Path]) -> None:
    places = [flat(part) for part in ("train", "valid", "test")]
    for place in places:
        write(place, "filename, oak, birch", hot, "_classes.csv")
    dataset = read(places[0].parent)
    assert [dataset.given.count(part) for part in ("train", "val", "test")] == [8, 8, 8]
    assert dataset.classes == ("birch", "oak")
    assert dataset.paths[0] == "test/img_birch0.png"


def test_several_labels_a_picture_are_refused(flat: Callable[[str], Path]) -> None:
    place = flat("train")
    write(place, "filename,oak,birch", lambda label, number: f"img_{label}{number}.png,1,1", "_classes.csv")
    with pytest.raises(DataError, match="One label per picture is needed"):
        read(place)


@pytest.mark.parametrize(
    ("images", "name"), [("images", "labels.csv"), ("", "labels.csv"), ("train", "train.csv")]
)
def test_a_list_at_the_top_names_the_pictures_of_a_folder(
    flat: Callable[[str], Path], images: str, name: str
) -> None:
    place = flat(images)
    root = place.parent if images else place
    write(root, "id,breed", lambda label, number: f"img_{label}{number},{label}", name)
    dataset = read(root)
    assert dataset.classes == ("birch", "oak")
    assert len(dataset.rows()) == 8


def test_pictures_that_no_list_names_are_said(flat: Callable[[str], Path]) -> None:
    place = flat("photos")
    write(place, "file,label", lambda label, number: f"img_{label}{min(number, 2)}.png,{label}")
    assert finding(read(place), "unlabelled").files == ("img_birch3.png", "img_oak3.png")


def test_two_lists_of_the_same_pictures_are_refused(flat: Callable[[str], Path]) -> None:
    place = flat("photos")
    for name in ("a.csv", "b.csv"):
        write(place, "file,label", lambda label, number: f"img_{label}{number}.png,{label}", name)
    with pytest.raises(DataError, match="Give one of them as DATA"):
        read(place)


def test_a_list_with_several_columns_in_a_folder_points_to_the_target(flat: Callable[[str], Path]) -> None:
    place = flat("photos")
    write(place, "file,kind,age", lambda label, number: f"img_{label}{number}.png,{label},{number}.5")
    with pytest.raises(DataError, match="Give the list as DATA, and name the one with --target"):
        read(place)


def test_a_template_is_refused_where_a_list_tells_the_labels(pictures: Path) -> None:
    file = write(pictures, "image,label", lambda label, number: f"{label}{number}.PNG,{label}")
    assert not any(read(file).set_aside)  # capitals do not matter
    for data in (file, "digits"):
        with pytest.raises(ValueError, match="`label_from` must be left out"):
            read(data, label_from="{class}_{n}")


def test_names_are_found_below_the_list(tmp_path: Path) -> None:
    for name in ("a/1.jpg", "a/2.jpg", "b/2.jpg", "b/c/3.png", "x.jpg", ".hidden/4.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    locator = Locator(tmp_path)
    assert locator.locate("a/1.jpg") == ("a/1.jpg", "a/1.jpg", True)
    assert locator.locate("a\\1.jpg") == ("a/1.jpg", "a/1.jpg", True)
    assert locator.locate("1.jpg")[0] == locator.locate("1")[0] == "a/1.jpg"
    assert locator.locate("3")[0] == "b/c/3.png"
    assert locator.locate("a/2")[0] == locator.locate(".\\A\\2.JPG")[0] == "a/2.jpg"
    assert locator.locate("b/c/3")[0] == "b/c/3.png"
    assert not locator.locate("c/3")[2]
    assert locator.locate("x") == ("x.jpg", "x.jpg", True)
    assert not locator.locate("2.jpg")[2]  # two files are called so
    assert not locator.locate("4.jpg")[2]
    assert locator.locate("gone/1.jpg") == ("gone/1.jpg", "gone/1.jpg", False)


def test_content_decides_what_a_picture_is(tmp_path: Path) -> None:
    write_discs(tmp_path / "discs", 1)
    picture = next((tmp_path / "discs").rglob("*.png"))
    (tmp_path / "text.png").write_text("no picture")
    locator = Locator(tmp_path)
    assert locator.is_picture(str(picture))
    assert not locator.is_picture("text.png")
    assert not locator.is_picture("gone.png")
