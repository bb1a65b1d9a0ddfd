"""What a certificate is measured on: the right images and rows, unchanged, and not those of the training."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mindle.artifacts.manifest import read_manifest
from mindle.artifacts.run import RunFolder
from mindle.certification.images import PictureSample
from mindle.certification.samples import Chosen, Sample, sample_of
from mindle.data.images.pixels import content_hash
from mindle.errors import DataError
from mindle.records import SILENT
from mindle.serving.opened import Opened, open_model
from tests.certification.models import data_of, given, recorded, rows
from tests.pictures import photo_folder

READING = dict.fromkeys(("target", "separator", "header", "label_from"))
NAMES = pytest.mark.parametrize("name", ["shapes-0", "discs", "iris", "diabetes"])


@NAMES
def test_a_sample_is_answered_as_it_is_and_corrupted(name: str, tmp_path: Path) -> None:
    opened, sample = given(name, tmp_path)
    some = sample.some(rows(3, 0, 5))
    plain = opened.answer_stored(some.stored(), tuple(some.names), truth=some.truth)
    assert plain.paths == tuple(sample.names[row] for row in (3, 0, 5))
    assert list(some.contents) == [sample.contents[row] for row in (3, 0, 5)]
    for corruption in (*some.corruptions, *some.irrelevant):
        worst = max(corruption.severities)
        stored = some.corrupted(corruption, worst, 0)
        assert len(opened.answer_stored(stored, tuple(some.names), truth=some.truth)) == 3


@NAMES
def test_corruptions_do_not_depend_on_what_is_beside(name: str, tmp_path: Path) -> None:
    opened, sample = given(name, tmp_path)

    def answered(some: Sample) -> bytes:
        stored = some.corrupted(some.corruptions[0], 3, 0)
        found = opened.answer_stored(stored, tuple(some.names))
        values = getattr(found, "probabilities", None)
        return np.round(values[-1] if values is not None else found.values[-1:], 5).tobytes()  # type: ignore[attr-defined]

    assert answered(sample.some(rows(4))) == answered(sample.some(rows(0, 2, 4)))


@NAMES
def test_something_is_shown_of_every_corruption(name: str, tmp_path: Path) -> None:
    _, sample = given(name, tmp_path)
    shown = sample.shown(0)
    for corruption in (*sample.corruptions, *sample.irrelevant):
        entries = shown[corruption.name]
        assert len(entries) == len(corruption.amounts)
        assert all(entry.get("picture") or entry.get("cells") for entry in entries)


@NAMES
def test_requests_answer_as_many_as_asked(name: str, tmp_path: Path) -> None:
    opened, sample = given(name, tmp_path)
    answered = sample.request(opened, 8)()
    assert len(answered) == 8  # type: ignore[arg-type]


def test_a_gray_model_sees_nothing_without_colour(tmp_path: Path) -> None:
    _, colour = given("shapes-0", tmp_path)
    assert isinstance(colour, PictureSample)
    spec = replace(colour.spec, colour="gray", mean=(0.5,), std=(0.5,))
    names = [{one.name for one in sample.corruptions} for sample in (colour, replace(colour, spec=spec))]
    assert names[0] - names[1] == {"gray"}


def test_a_bundle_must_be_given_data(tmp_path: Path) -> None:
    opened = open_model(recorded("shapes-0", tmp_path) / "bundle")
    with pytest.raises(ValueError, match="`data` must be given for a bundle"):
        sample_of(opened, Chosen(data=None, run=None, reading=READING, listener=SILENT))


def test_a_table_that_was_cross_validated_has_no_test_part(tmp_path: Path) -> None:
    run = recorded("iris", tmp_path)
    with pytest.raises(ValueError, match=r"has no test part: a cross-validation evaluated it"):
        sample_of(open_model(run), Chosen(data=None, run=RunFolder(run), reading=READING, listener=SILENT))


def test_rows_that_the_run_learned_from_are_left_out(tmp_path: Path) -> None:
    run = recorded("iris", tmp_path)
    chosen = Chosen(data=data_of("iris", tmp_path), run=RunFolder(run), reading=READING, listener=SILENT)
    with pytest.raises(DataError, match="Received 150 images or rows of its own training"):
        sample_of(open_model(run), chosen)


def test_rows_without_the_target_are_refused(tmp_path: Path) -> None:
    opened = open_model(recorded("iris", tmp_path) / "bundle")
    frame = data_of("iris", tmp_path).drop(columns="target")
    with pytest.raises(DataError, match="must have the target 'target'"):
        sample_of(opened, Chosen(data=frame, run=None, reading=READING, listener=SILENT))


@pytest.fixture
def trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Opened, Chosen]:
    """The recorded run beside its data, drawn anew, with the hashes that these have here."""
    run = recorded("shapes-0", tmp_path)
    photos = photo_folder(tmp_path / "shapes", 16)
    monkeypatch.chdir(tmp_path)
    text = (run / "manifest.csv").read_text(encoding="utf-8")
    for row in read_manifest(run / "manifest.csv"):
        text = text.replace(row.sha256, content_hash((photos / row.path).read_bytes()))
    (run / "manifest.csv").write_text(text, encoding="utf-8")
    return open_model(run), Chosen(data=None, run=RunFolder(run), reading=READING, listener=SILENT)


def test_a_run_takes_its_own_test_part(trained: tuple[Opened, Chosen]) -> None:
    opened, chosen = trained
    sample = sample_of(opened, chosen)
    assert set(sample.names) == set(chosen.test_part())
    stored = chosen.run.answers()["test"]  # type: ignore[union-attr]
    again = opened.answer_stored(sample.stored(), tuple(sample.names), truth=sample.truth)
    order = [again.paths.index(path) for path in stored.paths]
    assert np.allclose(again.probabilities[order], stored.probabilities, atol=1e-4)  # type: ignore[attr-defined]
    assert again.labels[order].tolist() == stored.labels.tolist()  # type: ignore[attr-defined]


def test_a_changed_test_part_is_refused(trained: tuple[Opened, Chosen]) -> None:
    opened, chosen = trained
    first, other = list(chosen.test_part())[:2]
    Path("shapes", first).write_bytes(Path("shapes", other).read_bytes())
    with pytest.raises(DataError, match=f"1 changed since, first '{first}'"):
        sample_of(opened, chosen)
    os.remove(Path("shapes", first))
    with pytest.raises(DataError, match=r"are gone from shapes, first"):
        sample_of(opened, chosen)
