"""run.json is whole after every decision, and a resumed run knows what was decided and spent."""

from __future__ import annotations

import time
from pathlib import Path

from mindle.artifacts.run import RunFolder
from mindle.artifacts.run_log import RunLog


def test_a_killed_run_can_be_taken_up(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    first = RunLog(folder, {}, {"seed": 3}, began=time.time() - 100)
    first.decide({"candidate": "probe", "accuracy": 0.9})
    stored = folder.document()  # what a killed process leaves behind
    assert stored["state"] == "running"
    assert stored["spent_seconds"] >= 100

    second = RunLog(folder, stored, {"seed": 3}, began=time.time() - 5)
    assert second.decisions == [{"candidate": "probe", "accuracy": 0.9}]
    assert second.spent() >= 105
    second.finish()
    final = folder.document()
    assert final["state"] == "finished"
    assert final["created"] == stored["created"]
    assert final["decisions"] == stored["decisions"]


def test_stages_add_up(tmp_path: Path) -> None:
    run_log = RunLog(RunFolder(tmp_path), {}, {}, began=time.time())
    with run_log.stage("check", 10):
        sum(range(1000))
    run_log.add_stage("fit", 2.0, 100)
    run_log.add_stage("fit", 2.0, 100)
    assert run_log.seconds()["fit"] == 4.0
    assert run_log.rates()["fit"] == 50.0
    assert set(run_log.seconds()) == {"check", "fit", "total"}
