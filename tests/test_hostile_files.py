"""Every hostile or unusual file ends as an answer or as a reason, alone and mixed into a class."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import sys
from pathlib import Path

import pytest

import mindle
from mindle.artifacts.manifest import read_manifest
from mindle.records import SILENT
from tests.pictures import CLASSES, fingerprints, photo_folder
from tests.processes import finished, program

TRAIN = """
import sys, pathlib, mindle
from mindle.records import SILENT
try:
    pathlib.Path(sys.argv[1], "new").touch()
except PermissionError:
    mindle.train(
        sys.argv[1], out=sys.argv[2], strategy="scratch", set={"train.epochs": 1}, listener=SILENT
    )
else:
    sys.exit("the folder can be written: this proves nothing")
"""
QUICK = {"strategy": "scratch", "set": {"train.epochs": 1}, "listener": SILENT}


def test_hostile_files_mixed_into_a_class(shared: Path, tmp_path: Path, cache: Path) -> None:
    photos = photo_folder(tmp_path / "photos", 10)
    odd = sorted(path for path in (shared / "data" / "odd").iterdir() if not path.name.startswith("LICENSE"))
    for path in odd:
        shutil.copy(path, photos / CLASSES[0] / path.name)
    before = fingerprints(photos)
    run = mindle.train(photos, out=tmp_path / "run", **QUICK)
    assert fingerprints(photos) == before
    rows = {Path(row.path).name: row for row in read_manifest(run.path / "manifest.csv")}
    assert set(rows) >= {path.name for path in odd}
    assert all(bool(rows[path.name].split) != bool(rows[path.name].finding) for path in odd)

    answers = run.predict(shared / "data" / "odd")
    assert len(answers) >= len(odd)
    assert (answers["predicted"].notna() != (answers["reason"] != "")).all()
    # What training could read, prediction can; training also sets files aside for their labels.
    readable = {Path(path).name for path in answers.loc[answers["reason"] == "", "path"]}
    for path in odd:
        if rows[path.name].split:
            assert path.name in readable
    if sys.platform == "linux":
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 2_000_000  # KB


def test_a_folder_that_cannot_be_written_will_do(tmp_path: Path, cache: Path) -> None:
    photos = photo_folder(tmp_path / "photos", 10, dirty=True)
    for path in [photos, *photos.rglob("*")]:
        path.chmod(path.stat().st_mode & ~(stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH))
    command = program(TRAIN, str(photos), str(tmp_path / "run"))
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("the superuser ignores modes, and there is no setpriv to give that privilege up")
        command = ["setpriv", "--bounding-set=-dac_override", *command]
    finished(command)
    assert (tmp_path / "run" / "report.html").is_file()
