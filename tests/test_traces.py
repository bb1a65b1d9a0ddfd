"""Training and answering leave nothing behind but what was asked for and the cache of mindle."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.pictures import photo_folder
from tests.processes import mindle


def processes(folder: Path) -> set[int]:
    """Processes of this machine that work in a folder."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if Path(os.readlink(entry / "cwd")).is_relative_to(folder):
                    found.add(int(entry.name))
            except OSError:
                continue
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cwd").exists(), reason="needs the processes that Linux lists")
def test_an_empty_home_holds_the_cache_alone(tmp_path: Path) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    photos = photo_folder(work / "photos", 8)
    kept = {"PATH", "VIRTUAL_ENV", "LANG", "OMP_NUM_THREADS", "LD_LIBRARY_PATH"}
    variables = {name: value for name, value in os.environ.items() if name in kept}
    variables |= {"HOME": str(home), "USERPROFILE": str(home)}

    one_epoch = ("--strategy", "scratch", "--set", "train.epochs=1")
    mindle("train", "photos", *one_epoch, "--out", "run", cwd=work, env=variables)
    mindle("predict", "run", str(next(photos.rglob("*.png"))), cwd=work, env=variables)
    left = {path.relative_to(home).as_posix() for path in home.rglob("*") if path.is_file()}
    assert left
    assert all(name.startswith((".cache/mindle/", "Library/Caches/mindle/")) for name in left), left
    assert {path.name for path in work.iterdir()} == {"photos", "run"}
    assert processes(work) == set()
