"""Outputs never lie on what is read, whatever it is called."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from mindle.artifacts.outputs import files_below, is_inside, keep_apart, outputs_of, require_ending


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of photos, a table, a list of the photos and a run, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos" / "oak").mkdir(parents=True)
    (tmp_path / "photos" / "oak" / "1.jpg").write_bytes(b"photo")
    (tmp_path / "shop.csv").write_text("price,town\n1,Bonn\n")
    (tmp_path / "list.csv").write_text("label;file\noak;photos/oak/1.jpg\n")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text('{"schema": 1, "asked": {"source": "photos"}}')
    return tmp_path


def link(make: Callable[[str, str], None], name: str) -> str:
    make(os.path.abspath("photos/oak/1.jpg"), name)
    return name


@pytest.mark.parametrize(
    ("out", "given"),
    [
        ("shop.csv", "shop.csv"),
        ("./photos/../shop.csv", "shop.csv"),
        ("shop.csv", "s*.csv"),
        ("photos/oak/1.jpg", "photos/oak/*.jpg"),
        ("photos/oak/1.jpg", "list.csv"),
        ("photos/new.csv", "photos"),
        ("photos/deep/er", "photos"),
        ("photos", "photos"),
        ("photos/new.html", "run"),
        ("run/run.json", "shop.csv"),
    ],
)
@pytest.mark.usefixtures("data")
def test_an_output_on_or_among_what_is_read_is_refused(out: str, given: str) -> None:
    with pytest.raises(
        ValueError, match=r"`--out` must (not be a file that is read|lie outside of the data)"
    ):
        keep_apart({"--out": out}, [given])


@pytest.mark.parametrize("make", [os.link, os.symlink])
@pytest.mark.parametrize("given", ["photos", "photos/oak/1.jpg", "list.csv"])
@pytest.mark.usefixtures("data")
def test_links_to_what_is_read_are_seen_through(make: Callable[[str, str], None], given: str) -> None:
    with pytest.raises(ValueError, match=r"`--json` must (not be a file that is read|lie outside)"):
        keep_apart({"--json": link(make, "other.json")}, [given])


@pytest.mark.usefixtures("data")
def test_what_a_linked_photo_leads_to_is_data() -> None:
    Path("far.jpg").write_bytes(b"far")
    Path("photos/oak/2.jpg").symlink_to(os.path.abspath("far.jpg"))
    with pytest.raises(ValueError, match="must not be a file that is read"):
        keep_apart({"--out": "far.jpg"}, ["photos"])


@pytest.mark.usefixtures("data")
def test_the_draft_of_an_output_is_no_input_either() -> None:
    Path("a.csv.partial").write_text("price\n1\n")
    with pytest.raises(ValueError, match="must not be a file that is read"):
        keep_apart({"--out": "a.csv"}, ["a.csv.partial"])


@pytest.mark.usefixtures("data")
def test_new_answers_may_lie_in_a_folder_that_leaves_them_out_but_on_no_file_of_it() -> None:
    keep_apart({"--out": "photos/answers.csv"}, ["photos"], among=True)
    Path("photos/answers.csv").write_text("path,predicted,confidence\n")
    keep_apart({"--out": "photos/answers.csv"}, ["photos"], among=True)  # of an earlier call
    Path("photos/labels.csv").write_text("file,label\n")
    for taken in ("photos/labels.csv", "photos/oak/1.jpg"):
        with pytest.raises(ValueError, match="must not be a file that is read"):
            keep_apart({"--out": taken}, ["photos"], among=True)


@pytest.mark.usefixtures("data")
def test_what_is_elsewhere_is_fine() -> None:
    keep_apart(
        {"--out": "new.csv", "--json": "-"}, ["shop.csv", "photos", "list.csv", "missing", "no/*.jpg", 3]
    )
    keep_apart({"--out": "run/report.html", "--json": os.devnull}, ["run"])
    keep_apart({"--out": None}, ["photos"])
    keep_apart({"--out": "photographs"}, ["photos"])
    keep_apart({"--out": "digits"}, ["digits"])  # a name, no path


@pytest.mark.usefixtures("data")
def test_two_outputs_are_two_files() -> None:
    with pytest.raises(ValueError, match="`--out` and `--json` must be different files"):
        outputs_of({"--out": "a.json", "--json": "./a.json"})


def test_loops_are_walked_once(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "file").touch()
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    assert list(files_below(tmp_path)) == [str(tmp_path / "a" / "file")]
    (tmp_path / "alias").symlink_to(tmp_path / "a")
    assert is_inside(tmp_path / "alias" / "new", tmp_path / "a")


@pytest.mark.parametrize("name", ["answers.xlsx", "answers", "answers.txt", "a.csv.gz"])
def test_a_name_that_promises_another_format_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"`--out` must end in \.csv or \.json"):
        require_ending("--out", name, (".csv", ".json"))
    require_ending("--out", "A.CSV", (".csv",))
    require_ending("--out", "-", (".csv",))
    require_ending("--out", os.devnull, (".csv",))
