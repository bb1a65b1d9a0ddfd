"""The whole way, on a folder as people have them: check, train, predict, evaluate, report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mindle
from mindle.artifacts.manifest import read_manifest
from mindle.errors import ArtifactError, DataError
from mindle.formats.parity import compare_answers
from mindle.records import SILENT
from tests.pictures import CLASSES, draw, fingerprints, photo_folder

SETTINGS: dict[str, Any] = {
    "strategy": "scratch",
    "set": {"train.epochs": 3, "train.batch_size": 16},
    "listener": SILENT,
}


@pytest.fixture(scope="module")
def trained(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[mindle.Run, Path, dict[str, tuple[str, int, int]]]:
    """A run from scratch on a dirty folder, the folder, and what was in the folder before."""
    root = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINDLE_CACHE", str(root / "cache"))
        photos = photo_folder(root / "photos", dirty=True)
        before = fingerprints(photos)
        run = mindle.train(photos, out=root / "run", **SETTINGS)
    return run, photos, before


def test_the_users_folder_is_untouched(trained: Any) -> None:
    _, photos, before = trained
    assert fingerprints(photos) == before


def test_every_file_has_a_row_and_every_reason_a_name(trained: Any) -> None:
    run, photos, _ = trained
    rows = {row.path: row for row in read_manifest(run.path / "manifest.csv")}
    assert set(rows) == {path.relative_to(photos).as_posix() for path in photos.rglob("*") if path.is_file()}
    reasons = {path: row.finding for path, row in rows.items() if row.finding}
    assert {Path(path).name for path in reasons} == {
        "잘림.png", "notes.jpg", "empty.png", "Thumbs.db", ".DS_Store", "both.png",
    }  # fmt: skip
    assert all(not rows[path].split for path in reasons)
    copy, original = rows[f"{CLASSES[0]}/copy.png"], rows[f"{CLASSES[0]}/사진 00.png"]
    assert copy.group == original.group != ""
    assert copy.split == original.split


def test_scores_are_of_the_written_predictions(trained: Any) -> None:
    run, *_ = trained
    metrics, test = run.metrics, run.folder.answers()["test"]
    assert metrics["classes"] == sorted(CLASSES)
    assert metrics["test"]["n"] == len(test.paths) > 5
    right = (test.probabilities.argmax(1) == test.labels).mean()
    accuracy = metrics["test"]["accuracy"]
    assert accuracy["value"] == pytest.approx(right)
    assert accuracy["low"] <= accuracy["value"] <= accuracy["high"]
    assert 0 < metrics["baselines"]["majority"] < 1
    assert metrics["seconds"]["total"] >= metrics["seconds"]["fit"]
    document = json.loads((run.path / "run.json").read_text(encoding="utf-8"))
    assert (document["state"], document["schema"]) == ("finished", 1)


def test_the_bundle_answers_like_the_run_on_every_test_image(trained: Any) -> None:
    run, photos, _ = trained
    paths = [photos / path for path in run.folder.answers()["test"].paths]
    columns = [f"p_{name}" for name in run.classes]
    of_bundle = mindle.load(run.path / "bundle").predict(paths)[columns].to_numpy()
    of_run = run.predict(paths, engine="torch")[columns].to_numpy()
    parity = compare_answers(of_run, of_bundle)
    assert parity.same_top1 == parity.images == len(paths)
    assert parity.largest_difference < 1e-4
    np.testing.assert_allclose(of_bundle, run.folder.answers()["test"].probabilities, atol=1e-6)


def test_prediction_takes_whatever_holds_a_picture(trained: Any, tmp_path: Path) -> None:
    run, photos, _ = trained
    image = Image.open(photos / CLASSES[1] / "사진 03.png")
    inputs = [
        str(photos / CLASSES[1] / "사진 03.png"),
        image,
        np.asarray(image),
        photos / CLASSES[1] / "notes.jpg",
    ]
    frame = run.predict([*inputs, tmp_path / "absent.png"])
    assert list(frame.columns) == [
        "path",
        "predicted",
        "confidence",
        *(f"p_{c}" for c in run.classes),
        "abstain",
        "label_set",
        "reason",
    ]
    answers = frame[[f"p_{c}" for c in run.classes]].to_numpy(dtype=float)
    np.testing.assert_allclose(answers[0], answers[1], atol=1e-6)
    np.testing.assert_allclose(answers[0], answers[2], atol=1e-6)
    assert np.isnan(answers[3:]).all()
    assert (frame["reason"] != "").tolist() == [False, False, False, True, True]
    assert len(run.predict(photos / CLASSES[0])) == 26  # 24 drawings, a copy and a truncated one
    assert run.predict([]).empty


def test_new_labelled_data_are_judged_by_class_name(trained: Any, tmp_path: Path) -> None:
    run, *_ = trained
    for kind, name in enumerate((*CLASSES[:2], "unheard of")):
        (tmp_path / "new" / name).mkdir(parents=True)
        for seed in range(100, 106):
            draw(kind, seed).save(tmp_path / "new" / name / f"{seed}.png")
    result = run.evaluate(tmp_path / "new")
    assert result["test"]["n"] == 12
    assert result["unknown_classes"] == {"unheard of": 6}
    for kind, name in enumerate("xy"):
        (tmp_path / "other" / name).mkdir(parents=True)
        draw(kind, 1).save(tmp_path / "other" / name / "1.png")
    with pytest.raises(DataError, match="class the model knows"):
        run.evaluate(tmp_path / "other")


def test_data_to_judge_by_may_be_one_picture_of_one_class(trained: Any, tmp_path: Path) -> None:
    (tmp_path / "one" / CLASSES[1]).mkdir(parents=True)
    draw(1, 77).save(tmp_path / "one" / CLASSES[1] / "a.png")
    evaluated = trained[0].evaluate(tmp_path / "one")
    assert evaluated["test"]["n"] == 1
    assert evaluated["findings"] == []


def test_the_report_can_be_written_again_in_korean(trained: Any, tmp_path: Path) -> None:
    run, *_ = trained
    english = (run.path / "report.html").read_text(encoding="utf-8")
    korean = run.report(lang="ko", out=tmp_path / "ko.html").read_text(encoding="utf-8")
    for page in (english, korean):
        assert "네모" in page
        assert "stripe &amp; &lt;b&gt;" in page
        assert CLASSES[2] not in page
        assert "http://" not in page.replace("http://www.w3.org", "")
    assert english != korean
    assert "정확도" in korean
    with pytest.raises(ValueError, match="lang"):
        run.report(lang="fr")
    with pytest.raises(ArtifactError, match="a bundle"):
        mindle.report(run.path / "bundle")


def test_a_notebook_shows_scores(trained: Any) -> None:
    run, *_ = trained
    page = run._repr_html_()
    assert f"{run.metrics['test']['accuracy']['value']:.1%}".rstrip("%").split(".")[0] in page
    assert list(run.mistakes.columns) == ["path", "label", "predicted", "confidence"]


def test_a_finished_run_is_never_overwritten(trained: Any) -> None:
    run, photos, _ = trained
    before = fingerprints(run.path)
    with pytest.raises(ValueError, match="finished run"):
        mindle.train(photos, out=run.path, **SETTINGS)
    again = mindle.train(photos, out=run.path, resume=True, **SETTINGS)
    assert again.path == run.path
    with pytest.raises(ValueError, match="seed: 0, now 1"):
        mindle.train(photos, out=run.path, resume=True, seed=1, **SETTINGS)
    assert fingerprints(run.path) == before


def test_the_same_seed_gives_the_same_numbers(trained: Any, tmp_path: Path, cache: Path) -> None:
    run, photos, _ = trained
    again = mindle.train(photos, out=tmp_path / "again", **SETTINGS)
    timed = ("seconds", "images_per_second")
    assert {k: v for k, v in again.metrics.items() if k not in timed} == {
        k: v for k, v in run.metrics.items() if k not in timed
    }
    assert (again.path / "predictions.csv").read_bytes() == (run.path / "predictions.csv").read_bytes()


@pytest.mark.slow
def test_a_probe_on_the_embedded_backbone_learns_the_shapes(tmp_path: Path, cache: Path) -> None:
    photos = photo_folder(tmp_path / "photos", 16)
    run = mindle.train(photos, strategy="probe", out=tmp_path / "run", listener=SILENT)
    assert run.metrics["strategy"] == "probe"
    assert run.metrics["test"]["accuracy"]["value"] >= 0.8
    assert run.bundle.licences[0]["licence"] == "Apache-2.0"
    frame = run.predict([draw(1, 500), draw(2, 500)])
    assert frame["predicted"].tolist() == [CLASSES[1], CLASSES[2]]


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"strategy": "probee"}, "Did you mean 'probe'"),
        ({"budget": "soon"}, "90s, 10m, 2h or 1h30m"),
        ({"device": "tpu"}, "`device` must be one of"),
        ({"lang": "fr"}, "`lang` must be one of"),
        ({"set": {"train.epoch": 3}}, "train.epochs"),
        ({"strategy": "scratch", "model": "small-resnt"}, "Did you mean 'small-resnet'"),
    ],
)
def test_wrong_arguments_are_named_before_anything_is_made(
    wrong: dict[str, Any], sentence: str, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=sentence):
        mindle.train("digits", **{"listener": SILENT, **wrong})
    assert not list(tmp_path.glob("runs/*/run.json"))


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"set": "train.epochs=3"}, "`set` must map settings to values"),
        ({"seed": "three"}, "`seed` must be a whole number. Received seed='three'"),
        ({"split_seed": 1.5}, "`split_seed` must be a whole number"),
    ],
)
def test_arguments_of_another_type_are_named(wrong: dict[str, Any], sentence: str, cache: Path) -> None:
    with pytest.raises(TypeError, match=sentence):
        mindle.train("digits", **{"listener": SILENT, **wrong})


@pytest.mark.parametrize("size", [16, "16,16", (16,), (16.0, 16)])
def test_a_size_is_a_height_and_a_width(size: Any, tmp_path: Path, cache: Path) -> None:
    with pytest.raises(TypeError, match="`size` must be a height and a width"):
        mindle.prepare("digits", tmp_path / "x.npz", size=size)
