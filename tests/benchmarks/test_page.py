"""The page shows what took turns: first in one table, then each with its command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import _page
from benchmarks._turns import Side, in_turn


def test_what_took_turns_is_shown_with_its_ratio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = in_turn(
        [
            Side("mindle", lambda: {"seconds": 1.0}),
            Side("bare", lambda: {"seconds": 0.9}),
            Side("keras", lambda: {"seconds": 12.0}),
            Side("fastai", missing="rivals run with --peers DIR alone"),
        ],
        rounds=1,
    )
    where = {"date": "2026-11-28", "cores": 2, "processor": "Example", "others_cpu_share": 0.02}
    result = {
        "benchmark": "embed_rate",
        "command": "python -m benchmarks embed_rate",
        "surroundings": where,
        "found": {"whole_folder": found},
    }
    (tmp_path / "embed_rate.json").write_text(json.dumps(result), encoding="utf-8")
    monkeypatch.setattr(_page, "RESULTS", tmp_path)
    overview, _, detail = _page.page().partition("## Embedding")
    assert "| Embedding, whole folder | bare | 0.9 (one round) |" in overview
    assert "2 cores (Example), others used 2% of the machine" in detail
    assert "| whole folder | keras | 12,000 | 0.08333 | 12 (one round) |" in detail
    assert "| whole folder | fastai |  |  | rivals run with --peers DIR alone |" in detail


def test_a_ratio_of_several_rounds_is_shown_with_its_spread() -> None:
    seconds = iter([9.0, 12.0, 14.0, 13.0])  # the first warms up
    sides = [Side("mindle", lambda: {"seconds": 1.0}), Side("keras", lambda: {"seconds": next(seconds)})]
    assert _page._times(in_turn(sides, rounds=3)["ratio"]["keras"]) == "13 (12 to 14)"
