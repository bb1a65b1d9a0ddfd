"""What images might be distinguished by: from the cache, from file names."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from mindle.data import check, read
from mindle.data.images.cues import cues
from mindle.records import Cue
from tests.pictures import scene


def cues_of(names: list[str], folder: Path) -> dict[str, Cue]:
    for number, name in enumerate(names):
        path = folder / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        scene(70 + number % 5, 70, seed=number).save(path)
    found = check(read(folder / "photos"), cache=folder / "cache")
    return {cue.name: cue for cue in cues(found, found.rows(), cache=folder / "cache")}


def test_looks_and_files_are_known_of_every_image(tmp_path: Path) -> None:
    found = cues_of([f"{kind}/{n}.jpg" for kind in "ab" for n in range(4)], tmp_path)
    known = ("border", "white-point", "exposure", "sharpness", "mean-colour", "image-size", "aspect")
    for name in (*known, "jpeg-quality", "file-size"):
        assert len(found[name].values) == 8
        assert np.isfinite(found[name].values).all()
    assert np.isnan(found["date"].values).all()
    assert "camera" not in found
    assert found["image-size"].values.tolist()[:2] == [[70.0, 70.0], [70.0, 71.0]]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ("cat/cat{n}.png", "dog/dog{n}.png", ()),  # the name of the class is no clue
        ("cat/scan_cat{n}.png", "dog/dog{n}.png", ("scan",)),
        ("cat/IMG{n}.png", "dog/IMG{n}_n.png", ("img", "n")),
        ("cat/a1b{n}c.png", "dog/x{n}y9z.png", ()),  # hashes are no words
    ],
)
def test_words_of_file_names(first: str, second: str, expected: tuple[str, ...], tmp_path: Path) -> None:
    names = [form.format(n=n) for form in (first, second) for n in range(6)]
    found = cues_of(names, tmp_path)
    assert (found["words"].parts if "words" in found else ()) == expected


def test_numbers_of_file_names_tell_only_where_all_are_counted_together(tmp_path: Path) -> None:
    apart = [f"{kind}/{n}.png" for kind in "ab" for n in range(1, 12)]
    assert "order" not in cues_of(apart, tmp_path / "apart")
    together = [f"{kind}/{n + start}.png" for kind, start in (("a", 0), ("b", 20)) for n in range(1, 12)]
    assert "order" in cues_of(together, tmp_path / "together")


def test_what_the_cache_has_lost_is_unknown(tmp_path: Path) -> None:
    for number in range(4):
        path = tmp_path / "photos" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        scene(70, 70, seed=number).save(path)
    found = check(read(tmp_path / "photos"), cache=tmp_path / "cache")
    shutil.rmtree(tmp_path / "cache")
    assert np.isnan(cues(found, found.rows(), cache=tmp_path / "cache")[0].values).all()


def test_of_images_of_a_few_pixels_everything_is_the_subject(tmp_path: Path) -> None:
    digits = check(read("digits"), cache=tmp_path)
    found = cues(digits, digits.rows()[:50], cache=tmp_path)
    assert {cue.content for cue in found} == {"all"}
    assert not {"file-size", "words", "order"} & {cue.name for cue in found}
