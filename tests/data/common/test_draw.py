"""A part of a large set: what is drawn, that it is drawn before decoding, and what is refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mindle.data import check, read, split
from mindle.data.common.counts import set_aside_counts
from mindle.data.common.draw import draw, parse_per_class
from mindle.data.common.summary import describe, split_counts
from mindle.errors import DataError
from mindle.records import NOT_DRAWN, Dataset

WHOLE = "train=4,val=2,test=3"


@pytest.fixture
def photos(tmp_path: Path) -> Callable[..., Path]:
    """Makes folders of pictures that differ: so many files in each."""

    def make(**folders: int) -> Path:
        random = np.random.default_rng(0)
        for folder, count in folders.items():
            place = tmp_path / "photos" / folder.replace("__", "/")
            place.mkdir(parents=True)
            for number in range(count):
                picture = random.integers(0, 255, (12, 12, 3), np.uint8)
                Image.fromarray(picture).save(place / f"{number:02d}.png")
        return tmp_path / "photos"

    return make


def counts(dataset: Dataset) -> dict[str, Counter[str]]:
    parts: dict[str, Counter[str]] = {}
    for row in dataset.rows().tolist():
        parts.setdefault(dataset.classes[dataset.labels[row]], Counter())[dataset.splits[row]] += 1
    return parts


def ready(dataset: Dataset) -> Dataset:
    return split(check(dataset))


@pytest.mark.parametrize(
    ("value", "count", "parts"),
    [
        (500, 500, {}),
        (" 500 ", 500, {}),
        ("train=1000, val=500,test=500", 0, {"train": 1000, "val": 500, "test": 500}),
        ({"training": 3, "validation": 1}, 0, {"train": 3, "val": 1}),
    ],
)
def test_numbers_are_read(value: object, count: int, parts: dict[str, int]) -> None:
    assert parse_per_class(value) == (count, parts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "value", ["", "0", 0, -1, True, "many", "train=", "cat=3", "train=1,training=2", {}, "1.5"]
)
def test_what_is_no_number_is_a_wrong_call(value: object) -> None:
    with pytest.raises(ValueError, match="per_class"):
        parse_per_class(value)  # type: ignore[arg-type]


def test_exactly_these_parts_are_made(photos: Callable[..., Path]) -> None:
    dataset = ready(draw(read(photos(cat=14, dog=11)), WHOLE))
    asked = Counter(train=4, val=2, test=3)
    assert counts(dataset) == {"cat": asked, "dog": asked}
    assert set_aside_counts(dataset) == {NOT_DRAWN: 7}
    assert split_counts(dataset)["cat"] == {**asked, "set_aside": 0}
    assert "18 of 25 images" in next(one for one in dataset.findings if one.kind == NOT_DRAWN).message
    assert describe(dataset)[-1].endswith("7 not-drawn")


def test_one_number_is_split_as_usual(photos: Callable[..., Path]) -> None:
    dataset = ready(draw(read(photos(cat=30, dog=25)), 20))
    assert counts(dataset) == dict.fromkeys(("cat", "dog"), Counter(train=14, val=3, test=3))


def test_chance_comes_from_the_seed(photos: Callable[..., Path]) -> None:
    whole = read(photos(cat=14, dog=14))
    drawn = [draw(whole, 5, seed=seed).set_aside for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_given_parts_are_kept(photos: Callable[..., Path]) -> None:
    folder = photos(train__cat=12, train__dog=12, val__cat=6, val__dog=6, test__cat=6, test__dog=6)
    dataset = ready(draw(read(folder), WHOLE))
    assert all(part == given for part, given in zip(dataset.splits, dataset.given, strict=True) if part)
    assert counts(dataset)["dog"] == Counter(train=4, val=2, test=3)
    spread = ready(draw(read(folder), 12))
    assert counts(spread)["dog"] == Counter(train=6, val=3, test=3)
    some = ready(draw(read(folder), "test=2"))
    assert counts(some)["dog"] == Counter(train=12, val=6, test=2)


def test_a_part_without_labels_is_no_given_part(photos: Callable[..., Path]) -> None:
    folder = photos(train__cat=12, train__dog=12, test1=6)
    assert counts(ready(draw(read(folder), WHOLE)))["cat"] == Counter(train=4, val=2, test=3)


def test_validation_is_cut_from_a_given_train_part(photos: Callable[..., Path]) -> None:
    folder = photos(train__cat=12, train__dog=12, test__cat=6, test__dog=6)
    assert counts(ready(draw(read(folder), WHOLE)))["cat"] == Counter(train=4, val=2, test=3)
    with pytest.raises(ValueError, match="go into val, which"):
        draw(read(folder), "train=4,test=2")


def test_a_part_without_a_number_is_a_wrong_call(photos: Callable[..., Path]) -> None:
    with pytest.raises(ValueError, match="go into val and test, which"):
        draw(read(photos(cat=9, dog=9)), "train=4")


@pytest.mark.parametrize("per_class", [10, "train=8,val=1,test=1"])
def test_too_few_images_are_named(photos: Callable[..., Path], per_class: int | str) -> None:
    with pytest.raises(DataError, match="Received 'dog' with 9, of 10 asked for"):
        draw(read(photos(cat=11, dog=9)), per_class)
    with pytest.raises(DataError, match="'cat' with 2"):
        draw(read(photos(train__cat=2, train__dog=9, test__cat=9, test__dog=9)), "train=3,val=1,test=1")


def test_an_unusable_image_is_replaced_by_the_next(photos: Callable[..., Path]) -> None:
    folder = photos(cat=14, dog=14)
    first = draw(read(folder), WHOLE)
    broken = [first.paths[row] for row in first.rows().tolist()[:3]]
    for path in broken:
        (folder / path).write_bytes(b"no picture")
    dataset = ready(draw(read(folder), WHOLE))
    assert counts(dataset)["cat"] == Counter(train=4, val=2, test=3)
    assert {
        path for path, why in zip(dataset.paths, dataset.set_aside, strict=True) if why == "not-an-image"
    } == set(broken)


def test_too_few_usable_images_are_named(photos: Callable[..., Path]) -> None:
    folder = photos(cat=9, dog=9)
    (folder / "cat/00.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match="'cat' with 8, of 9 asked for"):
        check(draw(read(folder), WHOLE))


def test_what_is_not_drawn_is_never_read(photos: Callable[..., Path]) -> None:
    folder = photos(cat=9, dog=9)
    drawn = draw(read(folder), 4)
    for path, why in zip(drawn.paths, drawn.set_aside, strict=True):
        if why == NOT_DRAWN:
            (folder / path).unlink()
    checked = check(drawn)
    assert len(checked.rows()) == 8
    assert {bool(sha256) for sha256, why in zip(checked.sha256, checked.set_aside, strict=True) if why} == {
        False
    }


def test_copies_stay_on_one_side(photos: Callable[..., Path]) -> None:
    folder = photos(cat=9, dog=9)
    for number in range(1, 4):
        (folder / f"cat/{number:02d}.png").write_bytes((folder / "cat/00.png").read_bytes())
    dataset = ready(draw(read(folder), WHOLE))
    copies = {
        dataset.splits[row]
        for row, path in enumerate(dataset.paths)
        if path[:6] in ("cat/00", "cat/01", "cat/02", "cat/03")
    }
    assert len(copies) == 1


def test_numbers_to_estimate_have_no_classes() -> None:
    digits = read("digits")
    numbers = replace(digits, classes=(), targets=digits.labels.astype(float), target="digit")
    with pytest.raises(ValueError, match="has no classes"):
        draw(numbers, 5)
