"""Labels in file names: templates, and what is told from names alone."""

from __future__ import annotations

import pytest

from mindle.data.common.filenames import (
    infer_template,
    is_picture_name,
    parse_template,
    stem,
    suggest_template,
)
from mindle.errors import DataError


def files(*names: str, of: int = 5, mark: str = "_") -> list[str]:
    return [f"{name}{mark}{number}.jpg" for name in names for number in range(of)]


@pytest.mark.parametrize("mark", [".", "_", "-"])
def test_class_and_number_are_told(mark: str) -> None:
    template = infer_template(files("Maine_Coon", "beagle", mark=mark))
    assert template is not None
    assert template.text == f"{{class}}{mark}{{n}}"
    assert template.label(f"a/Maine_Coon{mark}12.PNG") == "Maine_Coon"
    assert template.label("other_1.jpg") is None


@pytest.mark.parametrize(
    "names",
    [
        files("cat"),
        files("cat", "dog", of=4),
        files("IMG", "dog"),
        files("WhatsApp Image 2021", "dog"),
        files("train", "test"),
        files("1", "2"),
        files("cat", "dog") + ["x.jpg"],
        files(*(f"n{'abcdefghijklmnopqrstuvwxyz'[k % 26]}{'x' * k}" for k in range(201))),
        [],
    ],
)
def test_doubt_is_no_template(names: list[str]) -> None:
    assert infer_template(names) is None


def test_one_in_twenty_may_be_called_otherwise() -> None:
    assert infer_template([*files("cat", "dog", of=10), "x.jpg"]) is not None


@pytest.mark.parametrize(
    ("text", "name", "label"),
    [
        ("{class}_{n}", "cat_1.jpg", "cat"),
        ("{class}_{n}", "Maine_Coon_12.JPEG", "Maine_Coon"),
        ("{class}_{n}.jpg", "cat_1.PNG", "cat"),
        ("{class} ({n})", "cat (3).jpg", "cat"),
        ("{n}-{class}", "12-고양이.jpg", "고양이"),
        ("{class}_{*}", "cat_x_y.jpg", "cat"),
        ("{class}.+{n}", "cat.+1.jpg", "cat"),
        ("{class}.+{n}", "catxx1.jpg", None),
        ("{class}_{n}", "cat_x.jpg", None),
    ],
)
def test_a_template_is_text_with_placeholders(text: str, name: str, label: str | None) -> None:
    assert parse_template(text).label(name) == label


@pytest.mark.parametrize("name", ["_1.jpg", " _1.jpg", "._1.jpg", ".._1.jpg"])
def test_a_class_needs_a_name(name: str) -> None:
    with pytest.raises(DataError, match="must give every file that fits a class with a name"):
        parse_template("{class}_{n}").label(name)


def test_a_template_is_proposed() -> None:
    assert suggest_template([f"cat ({n}).jpg" for n in range(3)] + ["dog (1).jpg"]) == "{class} ({n})"


def test_endings() -> None:
    assert stem("a/cat.0.jpg") == "cat.0"
    assert stem("cat.0") == "cat.0"
    assert [is_picture_name(name) for name in ("a.jpg", "a", "a.csv", "a.h5")] == [True, True, False, False]
