"""Sets are found by name or given directly, and some classes of one become a small .npz."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mindle.data import read
from mindle.data.images.export import find_file, find_set, pack
from mindle.errors import DataError


def photos(root: Path, parts: tuple[str, ...] = ("",)) -> Path:
    for part in parts:
        for number, name in enumerate(("daisy", "rose", "tulip")):
            folder = root / part / name
            folder.mkdir(parents=True)
            for i in range(4):
                shade = 40 * number + 10 * i + 5 * len(part)
                Image.new("RGB", (30, 20), (shade, 99, 200 - shade)).save(folder / f"{i}.png")
    return root


def test_a_set_is_found_by_one_of_its_names_or_given_itself(tmp_path: Path) -> None:
    place = photos(tmp_path / "sets" / "flowers")
    assert find_set(tmp_path / "sets", ("flowers5", "flowers"), what="flowers") == place
    assert find_set(place, ("flowers5", "flowers"), what="flowers") == place


def test_where_there_is_no_such_set_the_message_says_what_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "cifar10").mkdir()
    (tmp_path / "cifar10" / "strip.webp").write_bytes(b"")
    with pytest.raises(DataError, match=r"hold photos of flowers.*cifar10 holds neither"):
        find_set(tmp_path, ("cifar10",), what="photos of flowers")
    with pytest.raises(DataError, match="does not exist"):
        find_set(tmp_path / "nowhere", ("cifar10",), what="photos of flowers")


def test_classes_are_packed_with_their_split(tmp_path: Path) -> None:
    source = photos(tmp_path / "flowers", ("train", "val"))
    (source / "train" / "daisy" / "broken.jpg").write_bytes(b"no picture")
    packed = pack(source, tmp_path / "out" / "two.npz", classes=("daisy", "tulip"), side=8)
    dataset = read(packed)
    assert dataset.classes == ("daisy", "tulip")
    assert sorted(dataset.given) == ["test"] * 8 + ["train"] * 8  # a single held-out part judges
    assert dataset.images.array.shape == (16, 8, 8, 3)  # type: ignore[union-attr]
    assert np.bincount(dataset.labels).tolist() == [8, 8]


def test_what_is_packed_already_is_kept(tmp_path: Path) -> None:
    source = photos(tmp_path / "flowers")
    packed = pack(source, tmp_path / "two.npz", classes=(), side=8)
    before = packed.read_bytes()
    assert len(read(packed)) == 12
    pack(source, packed, classes=("rose",), side=16)
    assert packed.read_bytes() == before


def test_a_class_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="daisy, oak"):
        pack(photos(tmp_path / "flowers"), tmp_path / "x.npz", classes=("daisy", "oak"), side=8)


def test_a_table_is_found_by_one_of_its_names_or_given_itself(tmp_path: Path) -> None:
    file = tmp_path / "tabular" / "boston.csv"
    file.parent.mkdir()
    file.write_text("1,2\n")
    names = ("tabular/boston.csv", "boston.csv")
    assert [find_file(given, names, what="houses") for given in (tmp_path, file.parent, file)] == [file] * 3
    with pytest.raises(DataError, match=r"`data` must be houses, or a folder that holds it as iris.csv or"):
        find_file(tmp_path, ("iris.csv", "wine.csv"), what="houses")
