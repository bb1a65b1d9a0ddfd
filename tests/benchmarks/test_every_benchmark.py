"""Every benchmark starts, goes through all its lines and returns a document; these figures mean nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import names
from tests.processes import finished

ROOT = Path(__file__).parents[2]


def run(*typed: str) -> subprocess.CompletedProcess[str]:
    return finished([sys.executable, "-m", "benchmarks", *typed], check=False, cwd=ROOT)


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_a_benchmark_runs_from_end_to_end(name: str, tmp_path: Path) -> None:
    done = run(name, "--smoke", "--json", str(tmp_path / "found.json"))
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "found.json").read_text(encoding="utf-8"))
    assert result["command"].startswith(f"python -m benchmarks {name} --smoke")
    assert result["surroundings"]["libraries"]["mindle"]
    assert result["found"]
    assert "failed" not in json.dumps(result["found"])


def test_without_a_name_all_are_listed() -> None:
    done = run()
    assert done.returncode == 0
    assert all(name in done.stdout for name in names())


def test_an_unknown_name_is_answered_with_those_there_are() -> None:
    done = run("speed")
    assert done.returncode == 2
    assert "There is no benchmark 'speed'." in done.stderr
    assert "cv_intervals" in done.stderr
