"""Settings of version 0.1.0 are read with the names of today; an unfinished run of it does not go on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mindle.artifacts.run import RunFolder, claim
from mindle.errors import ArtifactError
from mindle.recipes.renamed import RENAMED, names_of_today, run_of_today, with_names_of_today
from mindle.training.recipe import SETTINGS

ASKED = {"source": "photos", "recipe": {"strategy": "scratch", "train": {"peak": 0.1, "epochs": 2}}}


def test_every_name_of_today_exists_and_no_old_one_does() -> None:
    known = set(SETTINGS)
    assert {new for old in RENAMED for new in names_of_today(old)} <= known
    assert not known & set(RENAMED)


def test_nested_dotted_and_listed_names_are_read() -> None:
    old = {"trials": [{"train.batch": 8}], "train": {"drop_epochs": 3}}
    assert with_names_of_today(old) == {
        "trials": [{"train.batch_size": 8}],
        "train": {"step_size": 3, "lr_patience": 3},
    }


def test_only_settings_are_renamed() -> None:
    run = {"asked": ASKED, "data": {"train": {"batch": 8}}}
    assert run_of_today(run)["data"] == run["data"]
    assert run_of_today(run)["asked"]["recipe"]["train"] == {"learning_rate": 0.1, "epochs": 2}
    assert run_of_today(run_of_today(run)) == run_of_today(run)


def test_an_unfinished_run_of_an_earlier_version_does_not_go_on(tmp_path: Path) -> None:
    out = tmp_path / "run"
    out.mkdir()
    (out / "run.json").write_text(json.dumps({"schema": 1, "asked": ASKED, "state": "running"}))
    asked = RunFolder(out).document()["asked"]
    with pytest.raises(
        ArtifactError, match=r"unfinished run of version 0\.1\.0.*Leave out --resume"
    ) as refused:
        claim(out, "photos", asked, resume=True, say=print)
    assert refused.value.exit_code == 4


def test_models_have_the_names_of_today() -> None:
    asked = {"recipe": {"table": {"models": ["linear", "Gaussian process of logarithms"]}}}
    found = run_of_today({"asked": asked})["asked"]["recipe"]["table"]["models"]
    assert found == ["linear", "log-target Gaussian process"]
