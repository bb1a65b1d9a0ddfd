"""How commands end that are interrupted, or whose output nobody takes: as other tools do."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

import mindle
from tests.pictures import photo_folder
from tests.processes import MINDLE, finished, python


def run(command: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A line of a shell, in which `mindle` is the one under test."""
    script = f'mindle() {{ "{MINDLE[0]}" -m mindle "$@"; }}\n{command}'
    return finished(["bash", "-c", script], check=False, cwd=cwd)


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        ("set -o pipefail; mindle recipes | head -1 >/dev/null", 0, ""),
        ("mindle recipes >/dev/full", 5, "No space left"),
        ("mindle recipes --json - >/dev/full", 5, "No space left"),
        ("mindle recipes >&-", 5, "closed"),
        ("mindle recipes --json out.json >&-", 5, "closed"),
        ("mindle recipes 2>&-", 0, ""),
        ("mindle runs 2>/dev/full", 0, ""),
        ("mindle train nowhere 2>/dev/full", 3, ""),
        ("mindle recipes --json /dev/full", 5, "Make room"),
        ("mindle check $(printf 'x%.0s' {1..300})", 2, "shorter"),
        ("echo kept >log; mindle recipes --json /dev/stdout >>log; grep -q kept log", 0, ""),
    ],
)
def test_streams_that_nobody_takes(command: str, code: int, said: str, tmp_path: Path) -> None:
    done = run(command, tmp_path)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "did not foresee" not in done.stderr


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos and a run of them."""
    root = tmp_path_factory.mktemp("work")
    photo_folder(root / "photos", 6)
    mindle.train(root / "photos", strategy="scratch", set={"train.epochs": 1}, out=root / "run")
    return root


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_prediction_that_is_ended_leaves_nothing_and_advises_no_resume(
    number: signal.Signals, work: Path, tmp_path: Path
) -> None:
    """It waits for names on a pipe, with its draft open, when the signal comes."""
    first = next((work / "photos").rglob("*.png"))
    process = subprocess.Popen(
        [*MINDLE, "predict", str(work / "run"), "-", "--out", "a.csv", "--json", "-"],
        cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        bufsize=1, env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{first}\n" * 64)
    process.stdin.flush()
    process.stdout.readline()  # the first answer is being written
    assert (tmp_path / "a.csv.partial").exists()
    process.send_signal(number)
    _, said = process.communicate()
    assert process.returncode == 128 + number
    assert "--resume" not in said
    assert "Traceback" not in said
    assert not list(tmp_path.glob("a.csv*"))


def test_a_damaged_run_is_passed_over_with_a_line(tmp_path: Path) -> None:
    for name, text in (("empty-1", ""), ("half-2", '{"schema": 1, "sta'), ("list-3", "[]")):
        (tmp_path / "runs" / name).mkdir(parents=True)
        (tmp_path / "runs" / name / "run.json").write_text(text)
    good = tmp_path / "runs" / "good-4"
    good.mkdir()
    (good / "run.json").write_text('{"schema": 1, "state": "running", "name": "good\\u001b[2J"}')
    done = run("mindle runs", tmp_path)
    assert done.returncode == 0
    assert "good-4" in done.stdout
    assert "good\\x1b[2J" in done.stdout
    assert done.stderr.count("is skipped") == 3
    assert "\x1b" not in done.stdout + done.stderr


def test_a_command_ends_though_a_pool_of_threads_still_waits_for_work() -> None:
    code = (
        "from concurrent.futures import ThreadPoolExecutor\n"
        "from mindle.cli.main import run\n"
        "pool = ThreadPoolExecutor(1)\n"
        "pool.submit(print, 'worked').result()\n"
        "import sys; sys.argv = ['mindle', '--version']\n"
        "run()\n"
    )
    assert python(code, timeout=60).stdout.split()[0] == "worked"
