"""A training that is given what a person decided about labels: on images of every source, and on tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import mindle
from mindle.artifacts.files import read_rows, write_rows
from mindle.artifacts.manifest import ManifestRow, read_manifest
from mindle.artifacts.run import RunFolder
from mindle.records import SILENT, Silent
from mindle.training.recipe import Recipe
from mindle.training.settings import InputSettings, ModelSettings, TrainSettings
from tests.pictures import CLASSES, fingerprints, photo_folder

LAYERS = ({"kind": "flatten"}, {"kind": "dense", "units": "classes"})
SCRATCH: dict[str, Any] = {
    "recipe": Recipe(
        strategy="scratch",
        model=ModelSettings(layers=LAYERS),
        input=InputSettings(height=16, width=16),
        train=TrainSettings(epochs=1, batch_size=16),
    ),
    "listener": SILENT,
}
QUICK: dict[str, Any] = {"model": "linear", "folds": 3, "repeats": 1, "listener": SILENT}


class Heard(Silent):
    """Keeps every sentence."""

    def __init__(self, sentences: list[str]) -> None:
        self.sentences = sentences

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)


def document(run: mindle.Run) -> dict[str, Any]:
    return RunFolder(run.path).document()


def manifest(run: mindle.Run) -> dict[str, ManifestRow]:
    return {row.path: row for row in read_manifest(run.path / "manifest.csv")}


def decided(run: mindle.Run, out: Path, **verdicts: tuple[str, str]) -> Path:
    """label_issues.csv of a run with a verdict on the first row of each split that is named."""
    rows = read_rows(run.path / "label_issues.csv")
    for split, (verdict, new) in verdicts.items():
        row = next(each for each in rows if each["split"] == split and not each["verdict"])
        row |= {"verdict": verdict, "new_label": new if row["label"] != new else CLASSES[1]}
    write_rows(out, rows)
    return out


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> tuple[mindle.Run, Path]:
    root = tmp_path_factory.mktemp("plain")
    photos = photo_folder(root / "photos", 20, dirty=True)
    return mindle.train(photos, out=root / "run", **SCRATCH), photos


def test_every_label_of_train_and_val_is_listed(plain: Any) -> None:
    run, _ = plain
    rows = read_rows(run.path / "label_issues.csv")
    known = manifest(run)
    assert {row["path"] for row in rows} == {
        path for path, row in known.items() if row.split in ("train", "val")
    }
    for row in rows:
        there = known[row["path"]]
        assert (row["sha256"], row["split"], row["label"]) == (there.sha256, there.split, there.label)
        assert row["verdict"] == row["new_label"] == ""
    scores = [float(row["score"]) for row in rows if row["score"]]
    assert scores == sorted(scores)
    assert {row["split"] for row in rows if row["score"]} == {"val"}  # a net has seen the rest


def test_decisions_change_train_and_val_and_never_the_test_split(plain: Any, tmp_path: Path) -> None:
    run, photos = plain
    before, files = fingerprints(photos), manifest(run)
    file = decided(run, tmp_path / "d.csv", train=("relabel", CLASSES[0]), val=("set_aside", ""))
    test = next(row for row in files.values() if row.split == "test")
    with file.open("a", encoding="utf-8") as more:
        more.write(f"{test.path},{test.sha256},test,,,,set_aside,\n")
        more.write(f"{test.path},{'0' * 64},test,,,,set_aside,\n")
    after = mindle.train(photos, out=tmp_path / "run", decisions=file, **SCRATCH)
    now, written = manifest(after), document(after)
    assert {path: row.split for path, row in now.items() if row.split == "test"} == {
        path: row.split for path, row in files.items() if row.split == "test"
    }
    changed = {path: (row.label, row.finding) for path, row in now.items() if row != files[path]}
    assert sorted(finding for _, finding in changed.values()) == ["decided", "relabelled"]
    assert written["label_decisions"] == {
        "relabelled": 1,
        "set_aside": 1,
        "kept": 0,
        "on_test": 1,
        "outdated": 1,
    }
    kinds = {finding["kind"] for finding in written["data"]["findings"]}
    assert kinds > {"relabelled", "decided", "decision-on-test", "decision-outdated"}
    assert written["data"]["fingerprint"] != document(run)["data"]["fingerprint"]
    assert fingerprints(photos) == before


def test_a_resumed_run_must_have_the_same_decisions(plain: Any, tmp_path: Path) -> None:
    run, photos = plain
    file = decided(run, tmp_path / "d.csv", train=("relabel", CLASSES[0]))
    after = mindle.train(photos, out=tmp_path / "run", decisions=file, **SCRATCH)
    again = {"out": after.path, "resume": True, **SCRATCH}
    copy = tmp_path / "copy.csv"
    copy.write_text(file.read_text("utf-8").replace(",", ";"), "utf-8")
    mindle.train(photos, decisions=copy, **again)
    with pytest.raises(ValueError, match="decisions"):
        mindle.train(photos, **again)
    other = decided(run, tmp_path / "other.csv", val=("set_aside", ""))
    with pytest.raises(ValueError, match="decisions.sha256"):
        mindle.train(photos, decisions=other, **again)


@pytest.mark.parametrize("source", ["arrays", "list"])
def test_decisions_on_other_sources(plain: Any, tmp_path: Path, source: str) -> None:
    run, photos = plain
    if source == "arrays":
        data = mindle.prepare(photos, tmp_path / "photos.npz", size=(24, 24)).path
    else:
        data = tmp_path / "list.csv"
        rows = [row for row in manifest(run).values() if row.split]
        write_rows(data, [{"path": str(photos / row.path), "label": row.label} for row in rows])
    first = mindle.train(data, out=tmp_path / "one", **SCRATCH)
    file = decided(first, tmp_path / "d.csv", train=("relabel", CLASSES[0]), val=("set_aside", ""))
    after = mindle.train(data, out=tmp_path / "two", decisions=file, **SCRATCH)
    assert sorted(
        row.finding for row in manifest(after).values() if row.finding in ("decided", "relabelled")
    ) == [
        "decided",
        "relabelled",
    ]


def iris_with_flips(path: Path, rows: int, *, given: bool = False) -> tuple[Path, list[int]]:
    """The iris table, repeated with noise, with some labels exchanged."""
    import numpy as np
    from sklearn.datasets import load_iris

    frame = load_iris(as_frame=True).frame
    generator = np.random.default_rng(0)
    frame = frame.iloc[generator.integers(0, 150, rows)].reset_index(drop=True)
    frame.iloc[:, :4] += generator.normal(0, 0.05, (rows, 4))
    frame["target"] = frame["target"].map({0: "a", 1: "b", 2: "c"})
    flipped = np.flatnonzero(frame["target"] == "a")[: rows // 50].tolist()
    frame.loc[flipped, "target"] = "c"
    frame.to_csv(path, index=False)
    return path, flipped


@pytest.mark.parametrize("rows", [300, 2100])
def test_suggestions_of_a_table_are_applied(tmp_path: Path, rows: int) -> None:
    table, flipped = iris_with_flips(tmp_path / "iris.csv", rows)
    first = mindle.train(table, target="target", out=tmp_path / "one", **QUICK)
    issues = read_rows(first.path / "label_issues.csv")
    top = {row["path"] for row in issues[: len(flipped)]}
    known = manifest(first)
    wrong = {f"row {row + 1}" for row in flipped if known[f"row {row + 1}"].split != "test"}
    assert len(top & wrong) > 0.9 * len(wrong)
    suggested = f"suggested:{first.path}"
    after = mindle.train(table, target="target", out=tmp_path / "two", decisions=suggested, **QUICK)
    counts = document(after)["label_decisions"]
    assert counts["relabelled"] >= 0.5 * len(wrong)
    assert counts["on_test"] == counts["outdated"] == 0
    marked = {path for path, row in manifest(after).items() if row.finding == "relabelled"}
    assert len(marked & wrong) > 0.7 * len(marked)  # a linear model misses some classes as well
    # Both are evaluated on the same rows by the same truth.
    truths = [
        {
            row["path"]: row["label"]
            for row in read_rows(run.path / "predictions.csv")
            if row["split"] == "test"
        }
        for run in (first, after)
    ]
    assert truths[0] == truths[1]
    compared = mindle.compare([first.path, after.path], out=tmp_path / "both.html")
    assert compared.pairs[0][2].n == len(truths[0])
    said = f"“two” was trained after decisions on labels ({counts['relabelled']} changed, 0 set aside)"
    assert said in compared.sentences()[0]
    assert "“two” 실행은 레이블" in compared.sentences("ko")[0]
    assert compared.as_dict()["runs"][0]["decisions"] is None
    assert f"<td>{counts['relabelled']} / 0</td>" in (tmp_path / "both.html").read_text("utf-8")


def test_a_label_that_was_kept_is_not_suggested_again(tmp_path: Path) -> None:
    first = mindle.train("iris", out=tmp_path / "one", **QUICK)
    rows = read_rows(first.path / "label_issues.csv")
    doubted = rows[0]["path"]
    rows[0]["verdict"] = "keep"
    write_rows(tmp_path / "d.csv", rows)
    after = mindle.train("iris", out=tmp_path / "two", decisions=tmp_path / "d.csv", **QUICK)
    last = read_rows(after.path / "label_issues.csv")[-1]
    assert (last["path"], last["suggested"]) == (doubted, "")
    assert document(after)["label_decisions"]["kept"] == 1


def test_rows_set_aside_of_a_small_table_are_still_evaluated(tmp_path: Path) -> None:
    first = mindle.train("iris", out=tmp_path / "one", **QUICK)
    rows = read_rows(first.path / "label_issues.csv")
    for row in rows[:5]:
        row["verdict"] = "set_aside"
    write_rows(tmp_path / "d.csv", rows)
    after = mindle.train("iris", out=tmp_path / "two", decisions=tmp_path / "d.csv", **QUICK)
    assert after.metrics["test"]["n"] == 150
    assert len([row for row in read_rows(after.path / "label_issues.csv") if row["score"]]) == 145


def test_decisions_that_are_none(tmp_path: Path, plain: Any) -> None:
    from mindle.errors import ArtifactError, DataError

    heard: list[str] = []
    (tmp_path / "empty.csv").write_text("path,sha256,verdict,new_label\n", "utf-8")
    listener = Heard(heard)
    mindle.train(
        "iris", decisions=tmp_path / "empty.csv", out=tmp_path / "r", **{**QUICK, "listener": listener}
    )
    assert any("no decisions to apply" in sentence for sentence in heard)
    with pytest.raises(DataError, match="which is not there"):
        mindle.train("iris", decisions=tmp_path / "none.csv", **QUICK)
    numbers = mindle.train("diabetes", out=tmp_path / "numbers", **QUICK)
    with pytest.raises(ArtifactError, match="suggests labels"):
        mindle.train("diabetes", decisions=f"suggested:{numbers.path}", **QUICK)
