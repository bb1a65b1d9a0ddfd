"""The generated parts of the manual are what the code says now."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import manual
from tests.docs.pages import ROOT


def test_pages_match_the_code() -> None:
    stale = [page.relative_to(ROOT).as_posix() for page in manual.stale()]
    assert stale == [], "`make manual` writes them anew"


def test_a_docstring_becomes_markdown() -> None:
    text = manual.markdown(
        "Do it.\n\nArgs:\n    size: How big,\n        in pixels | cells.\n\nReturns:\n    A <thing>."
    )
    table = "| argument | meaning |\n|---|---|\n| `size` | How big, in pixels \\| cells. |"
    assert text == f"Do it.\n\n{table}\n\n**Returns:** A <thing>."


def test_a_signature_shows_types_and_keywords() -> None:
    def train(data: str, *, seed: int = 0) -> Path:
        return Path(data) / str(seed)

    assert (
        manual.signature("mindle.train", train)
        == "```text\nmindle.train(data: str, *, seed: int = 0) -> Path\n```"
    )
    assert manual.signature("mindle.hand_over_the_whole_folder_of_photos_and_wait_for_it", train) == (
        "```text\nmindle.hand_over_the_whole_folder_of_photos_and_wait_for_it(\n"
        "    data: str,\n    *,\n    seed: int = 0,\n) -> Path\n```"
    )


def test_objects_lose_their_addresses() -> None:
    nobody = object()

    def wait(listener: object = nobody) -> None:
        del listener

    assert manual.signature("wait", wait) == "```text\nwait(listener: object = object()) -> None\n```"


def test_a_page_without_markers_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="must hold the two markers once each"):
        manual.renewed("# no markers", "text", tmp_path / "page.md")


def test_help_with_angle_brackets_survives_a_table() -> None:
    assert manual.cell("runs/<data>-<n> | `p_<class>`") == "runs/&lt;data>-&lt;n> \\| `p_<class>`"


def test_check_says_which_pages_to_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "docs" / "cli" / "train.md"
    page.parent.mkdir(parents=True)
    page.write_text(f"# train\n\n{manual.BEGIN}\nold\n{manual.END}\n\nrest\n", encoding="utf-8")
    monkeypatch.setattr(manual, "DOCS", tmp_path / "docs")
    monkeypatch.setattr(manual, "pages", lambda: {page: "new"})
    assert manual.main(["--check"]) == 1
    assert "is out of date: run `make manual`" in capsys.readouterr().out
    assert manual.main([]) == 0
    assert page.read_text(encoding="utf-8") == f"# train\n\n{manual.BEGIN}\n\nnew\n\n{manual.END}\n\nrest\n"
    assert manual.main(["--check"]) == 0
