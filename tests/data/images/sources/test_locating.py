"""Files that a list names: by path, by name alone, with or without ending."""

from __future__ import annotations

from pathlib import Path

from mindle.data.images.sources.locating import Locator
from tests.discs import write_discs


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
