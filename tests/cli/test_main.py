"""The command line as people meet it: exit codes, one paragraph for an error, JSON where asked."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests import processes
from tests.pictures import CLASSES, fingerprints, photo_folder

mindle = partial(processes.mindle, check=False)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with photos, a trained run in runs/photos-1, and another cache."""
    root = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MINDLE_CACHE", str(root / "cache"))
        _prepare(root)
        yield root


def _prepare(root: Path) -> None:
    photo_folder(root / "photos", 12, dirty=True)
    done = mindle(
        "train", "photos", "--strategy", "scratch", "--set", "train.epochs=2", "--json", "-", cwd=root
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["run"] == str(Path("runs", "photos-1"))
    assert "test accuracy" in done.stderr


def test_check_asks_for_a_decision_and_names_every_file(work: Path) -> None:
    before = fingerprints(work / "photos")
    done = mindle("check", "photos", "--json", "-", cwd=work)
    findings = json.loads(done.stdout)["findings"]
    assert done.returncode == 1  # one picture under two labels
    named = {file for finding in findings for file in finding["files"]}
    assert {f"{CLASSES[1]}/both.png", f"{CLASSES[2]}/both.png", f"{CLASSES[0]}/잘림.png"} <= named
    assert all(set(finding) >= {"kind", "files", "action"} for finding in findings)
    assert fingerprints(work / "photos") == before


def test_predict_reads_folders_globs_and_standard_input(work: Path) -> None:
    folder = f"photos/{CLASSES[0]}"
    for arguments, stdin in (
        ([folder], None),
        ([f"{folder}/*.png"], None),
        (["-"], "\n".join(str(Path(folder, f.name)) for f in sorted((work / folder).iterdir()))),
    ):
        done = mindle("predict", "runs/photos-1", *arguments, input=stdin, cwd=work)
        assert done.returncode == 0, done.stderr
        rows = list(csv.DictReader(done.stdout.splitlines()))
        assert len(rows) == 14
        assert sum(bool(row["reason"]) for row in rows) == 1
        columns = {"path", "predicted", "confidence", "abstain", "label_set", "reason"}
        assert set(rows[0]) == columns | {f"p_{c}" for c in CLASSES}
        assert all(row["predicted"] in json.loads(row["label_set"]) for row in rows if not row["reason"])


def test_predict_says_so_where_nothing_could_be_answered(work: Path) -> None:
    broken = f"photos/{CLASSES[0]}/잘림.png"
    done = mindle("predict", "runs/photos-1", broken, "nowhere.png", cwd=work)
    assert done.returncode == 3
    assert "0 images predicted" in done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["path"] for row in rows] == [broken, "nowhere.png"]
    assert all(row["reason"] and not row["predicted"] for row in rows)


def test_predict_writes_json_and_files(work: Path) -> None:
    done = mindle("predict", "runs/photos-1/bundle", "photos", "--json", "-", cwd=work)
    rows = json.loads(done.stdout)["predictions"]
    assert sum(row["predicted"] is None for row in rows) == sum(bool(row["reason"]) for row in rows) == 3
    assert mindle("predict", "runs/photos-1", "photos", "--out", "preds.csv", cwd=work).stdout == ""
    with (work / "preds.csv").open(encoding="utf-8", newline="") as file:
        assert len(list(csv.DictReader(file))) == len(rows)


def test_lists(work: Path) -> None:
    assert "photos-1" in mindle("runs", cwd=work).stdout
    (row,) = json.loads(mindle("runs", "--json", "-", cwd=work).stdout)["runs"]
    assert (row["state"], row["strategy"]) == ("finished", "scratch")
    assert "tf_efficientnet_lite0" in mindle("models").stdout
    assert "scratch" in mindle("recipes").stdout
    assert "[train]" in mindle("recipes", "scratch").stdout
    document = json.loads(mindle("cache", "--json", "-").stdout)
    assert any(store["name"].startswith("pixels") for store in document["stores"])


def test_the_course_is_listed() -> None:
    listed = mindle("course")
    assert "daisy-mlp" in listed.stdout
    experiments = json.loads(mindle("course", "--json", "-").stdout)["experiments"]
    assert {"as_written", "done_well"} <= set(experiments[0]["variants"])


def test_runs_are_compared(work: Path) -> None:
    shutil.copytree(work / "runs" / "photos-1", work / "copies" / "photos-2", dirs_exist_ok=True)
    done = mindle("compare", "runs/photos-1", "copies/photos-2", cwd=work)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0].split() == "run strategy accuracy macro F1 log loss time".split()
    assert "“photos-1” and “photos-2” are equally good." in done.stdout
    done = mindle("compare", "runs/photos-1", "copies/photos-2", "--json", "-", cwd=work)
    (pair,) = json.loads(done.stdout)["pairs"]
    assert pair["differences"]["accuracy"]["chance"] == 1.0
    arguments = ("compare", "runs/photos-1", "copies/photos-2", "--lang", "ko", "--out", "page.html")
    assert "같은" in mindle(*arguments, cwd=work).stdout
    assert 'id="settings"' in (work / "page.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_certify_ends_with_1_where_a_limit_does_not_hold(work: Path) -> None:
    (work / "limits.toml").write_text("latency_p95_ms = inf\nsize_mb = 0.00001\n", encoding="utf-8")
    arguments = ("certify", "runs/photos-1", "--limits", "limits.toml", "--json", "-")
    done = mindle(*arguments, cwd=work)
    assert done.returncode == 1, done.stderr
    assert "! size_mb: " in done.stderr
    document = json.loads(done.stdout)
    assert not document["passed"]
    folder = work / "runs" / "photos-1" / "certificate"
    assert json.loads((folder / "certificate.json").read_text(encoding="utf-8")) == document
    again = mindle(*arguments, "--out", "runs/photos-1/certificate", cwd=work)
    assert again.returncode == 1, again.stderr  # an earlier certificate is written anew
    same = json.loads(again.stdout)
    assert [same[name] for name in ("n", "corruptions")] == [document[name] for name in ("n", "corruptions")]


def test_report_in_korean(work: Path) -> None:
    done = mindle("report", "runs/photos-1", "--lang", "ko", "--out", "ko.html", cwd=work)
    assert done.returncode == 0
    assert "정확도" in (work / "ko.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["train", "nowhere"], 3, "nowhere"),
        (["train", "digits", "--strategy", "probbe"], 2, "Did you mean 'probe'"),
        (["train", "digits", "--set", "epochs"], 2, "train.learning_rate=3e-4"),
        (["train", "digits", "--strategy", "probe", "--model", "resnt18"], 4, "resnet18"),
        (["predict", "nowhere", "x.png"], 4, "nowhere"),
        (["predict", "runs/photos-1"], 2, "what to predict"),
        (["report", "runs/photos-1", "--lang", "fr"], 2, "lang"),
        (["compare", "runs/photos-1"], 2, "two runs or more"),
        (["course", "daisy-mpl", "--data", "photos"], 2, "Did you mean 'daisy-mlp'"),
        (["course", "daisy-mlp"], 2, "`data` must name"),
        (["course", "daisy-mlp", "--data", "nowhere"], 3, "photos of daisies"),
        (["compare", "runs/photos-1", "nowhere"], 4, "nowhere"),
        (["recipes", "nothing"], 2, "nothing"),
        (["certify", "runs/photos-1/bundle"], 2, "`out` must be given for a bundle"),
        (["certify", "runs/photos-1/bundle", "--out", "c"], 2, "`data` must be given for a bundle"),
        (["certify", "runs/photos-1", "--out", "photos"], 2, "outside of the data"),
        (["certify", "runs/photos-1", "--limits", "none.toml"], 2, "none.toml"),
        (["cache", "--prune", "lots"], 2, "5GB"),
        (["train"], 2, "Missing argument"),
    ],
)
def test_an_error_is_one_paragraph_and_an_exit_code(
    work: Path, arguments: list[str], code: int, sentence: str
) -> None:
    done = mindle(*arguments, cwd=work)
    assert done.returncode == code
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_reader_that_leaves_early_is_no_error(work: Path) -> None:
    with subprocess.Popen(
        [*processes.MINDLE, "predict", "runs/photos-1", *["photos"] * 200],
        cwd=work,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        if process.stdout is None or process.stderr is None:
            raise OSError("the process has no pipes")
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
    assert "Traceback" not in said
    assert "did not foresee" not in said


def test_prepare_lays_out_and_ensemble_refuses_what_does_not_belong_together(work: Path) -> None:
    done = mindle("prepare", "photos", "laid-out", "--json", "-", cwd=work)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert (work / document["path"] / "test").is_dir()
    assert set(document["counts"]) == set(CLASSES)
    assert sum(document["set_aside"].values()) > 0
    assert mindle("prepare", "photos", "x.npz", "--size", "8,8", cwd=work).returncode == 0
    refused = mindle("prepare", "photos", "photos/inside", cwd=work)
    assert (refused.returncode, "outside of the data" in refused.stderr) == (2, True)
    alone = mindle("ensemble", "runs/photos-1", cwd=work)
    assert (alone.returncode, "two runs or more" in alone.stderr) == (2, True)
    missing = mindle("ensemble", "runs/photos-1", "runs/photos-9", cwd=work)
    assert (missing.returncode, "runs/photos-9" in missing.stderr) == (4, True)
