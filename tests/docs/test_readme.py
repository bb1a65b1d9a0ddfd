"""README.md and README.ko.md say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks

ENGLISH, KOREAN = ROOT / "README.md", ROOT / "README.ko.md"


def headings(page: Path) -> list[str]:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    return re.findall(r"^(#+) ", text, flags=re.MULTILINE)


def test_both_have_the_same_headings() -> None:
    assert headings(ENGLISH) == headings(KOREAN)


def test_both_have_the_same_commands() -> None:
    assert [block[:2] for block in blocks(ENGLISH)] == [block[:2] for block in blocks(KOREAN)]


def test_both_have_as_many_list_items() -> None:
    counts = [
        len(re.findall(r"^- ", page.read_text(encoding="utf-8"), flags=re.MULTILINE))
        for page in (ENGLISH, KOREAN)
    ]
    assert counts[0] == counts[1]


@pytest.mark.parametrize(("page", "other"), [(ENGLISH, KOREAN), (KOREAN, ENGLISH)], ids=["en", "ko"])
def test_each_links_to_the_other(page: Path, other: Path) -> None:
    assert f"]({other.name})" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", [ENGLISH, KOREAN], ids=["en", "ko"])
def test_files_they_name_exist(page: Path) -> None:
    names = re.findall(r"`((?:docs/)?[\w./-]+\.(?:md|ipynb|txt))`", page.read_text(encoding="utf-8"))
    named = set(names) - {"quickstart.md"}  # said to be in docs/
    assert named
    assert [each for each in sorted(named) if not (ROOT / each).is_file()] == []
