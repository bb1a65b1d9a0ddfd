"""The trial: what may lead, when there is none, and what is remembered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mindle.engines import Plan, observe, open_graph, openvino, plan_for, trial
from mindle.records import Silent
from tests.engines.graphs import SHAPE, image_graph, pixels


class Heard(Silent):
    def __init__(self) -> None:
        self.sentences: list[str] = []

    def say(self, sentence: str) -> None:
        self.sentences.append(sentence)


@pytest.fixture(autouse=True)
def _not_pinned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MINDLE_ENGINE", raising=False)


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    return image_graph(tmp_path / "model.onnx")


@pytest.fixture
def without_openvino(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "is_installed", lambda: False)


@pytest.fixture
def any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial for so few rows that a test has them, on a machine that counts as idle."""
    monkeypatch.setattr(trial, "_UNDISTURBED", 0.0)
    monkeypatch.setattr(trial, "_LEAST_WORK", 0.0)
    monkeypatch.setattr(trial, "_LOT_SECONDS", 0.001)


def files(cache: Path) -> list[dict[str, object]]:
    return [json.loads(file.read_text("utf-8")) for file in (cache / "engines").glob("*.json")]


def test_few_rows_take_the_default_and_ask_for_no_graph(cache: Path) -> None:
    def graph() -> Path:
        raise AssertionError("the graph was made")

    assert plan_for("a", graph, SHAPE, rows=32, threads=2) == Plan(batch=32, streams=2)
    assert plan_for("a", graph, (13,), rows=10**6, threads=2) == Plan(batch=0, threads=2)
    assert not cache.exists()


def test_a_pin_is_about_images_and_tables_stay_in_onnx_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINDLE_ENGINE", "openvino")
    assert plan_for("a", Path, SHAPE, rows=1, threads=2).engine == "openvino"
    assert plan_for("a", Path, (13,), rows=1, threads=2) == Plan(batch=0, threads=2)


def test_a_graph_that_cannot_be_read_is_left_to_whoever_opens_it(cache: Path, tmp_path: Path) -> None:
    damaged = tmp_path / "model.onnx"
    damaged.write_bytes(b"no graph")
    assert plan_for("a", lambda: damaged, SHAPE, rows=10**6, threads=1) == Plan(batch=32)
    assert not cache.exists()


def test_work_that_is_soon_done_is_not_tried_and_that_stands(cache: Path, graph: Path) -> None:
    made: list[int] = []

    def make() -> Path:
        made.append(1)
        return graph

    for rows in (100, 50, 400):
        assert plan_for("a", make, SHAPE, rows=rows, threads=1) == Plan(batch=32)
    assert made == [1]
    (known,) = files(cache)
    assert (known["trials"], known["rows"]) == (0, 100)
    plan_for("a", make, SHAPE, rows=401, threads=1)  # so much more is worth another look
    assert made == [1, 1]


def test_what_a_trial_found_is_remembered_by_graph_shape_and_threads(
    cache: Path, graph: Path, any_work: None, without_openvino: None
) -> None:
    found = plan_for("a", lambda: graph, SHAPE, rows=100, threads=2)
    (known,) = files(cache)
    assert (known["trials"], known["plan"]) == (1, found.as_dict())
    rates = known["rates"]
    assert isinstance(rates, dict)
    assert len(rates) > 2
    assert str(found) in rates

    def again() -> Path:
        raise AssertionError("tried again")

    assert plan_for("a", again, SHAPE, rows=10**9, threads=2) == found
    for name, threads in (("b", 2), ("a", 1)):
        plan_for(name, lambda: graph, SHAPE, rows=100, threads=threads)
    assert len(files(cache)) == 3


def test_a_disturbed_trial_is_made_again_for_many_rows_but_not_for_ever(
    cache: Path, graph: Path, any_work: None, without_openvino: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "_UNDISTURBED", 9.0)
    for trials in (1, 2, 3, 3):
        plan_for("a", lambda: graph, SHAPE, rows=10**6, threads=1)
        assert (files(cache)[0]["trials"], files(cache)[0]["disturbed"]) == (trials, True)


def test_a_trial_that_was_disturbed_stands_for_few_rows(
    cache: Path, graph: Path, without_openvino: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "_UNDISTURBED", 9.0)
    monkeypatch.setattr(trial, "_LOT_SECONDS", 0.001)
    found = plan_for("a", lambda: graph, SHAPE, rows=10**8, threads=1)
    assert plan_for("a", lambda: graph, SHAPE, rows=100, threads=1) == found
    assert files(cache)[0]["trials"] == 1


def test_a_plan_that_is_far_faster_in_use_is_tried_again(
    cache: Path, graph: Path, any_work: None, without_openvino: None
) -> None:
    plan = plan_for("a", lambda: graph, SHAPE, rows=10**6, threads=1)
    forward = open_graph(graph, plan)
    forward({"pixels": pixels(1000)})
    (file,) = (cache / "engines").glob("*.json")
    for remembered, again in ((1e9, False), (1.0, True)):
        known = files(cache)[0] | {"rates": {str(plan): remembered}}
        file.write_text(json.dumps(known), "utf-8")
        observe("a", SHAPE, forward, threads=1)
        assert files(cache)[0]["disturbed"] == again
    assert trial._stands(files(cache)[0], 10**6) is False


def test_another_engine_must_be_clearly_faster_than_the_remembered(
    graph: Path, any_work: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openvino")
    known = Plan(engine="openvino", batch=4)
    for factor, kept in ((1.05, True), (1.2, False)):
        race = trial.Trial(graph, SHAPE, Plan(batch=4))
        rates = {"onnxruntime": 100.0 * factor, "openvino": 100.0}
        monkeypatch.setattr(race, "_rate", lambda forward, rates=rates: rates[forward.plan.engine])
        race.keep(known)
        assert (race.leader.plan == known) == kept


def test_a_damaged_memory_is_made_again(
    cache: Path, graph: Path, any_work: None, without_openvino: None
) -> None:
    plan_for("a", lambda: graph, SHAPE, rows=100, threads=1)
    (file,) = (cache / "engines").glob("*.json")
    for text in ("no json", '{"schema": 1}', '{"schema": 1, "plan": {"engine": "x"}}'):
        file.write_text(text, "utf-8")
        plan_for("a", lambda: graph, SHAPE, rows=100, threads=1)
        assert files(cache)[0]["trials"]


def test_the_variable_comes_before_all(cache: Path, graph: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINDLE_ENGINE", "onnxruntime:batch=3")
    assert plan_for("a", lambda: graph, SHAPE, rows=10**6, threads=2) == Plan(batch=3, streams=2)
    assert not cache.exists()


def test_no_plan_takes_more_threads_than_are_allowed(graph: Path, any_work: None) -> None:
    for threads in (1, 2, 4):
        found = trial.Trial(graph, SHAPE, Plan(batch=4, streams=threads))
        found.find(10**6)
        for text in found.rates:
            sizes = dict(part.split("=") for part in text.partition(":")[2].split(","))
            assert int(sizes["streams"]) * int(sizes["threads"]) <= threads


def test_an_engine_must_answer_alike_to_lead(graph: Path, tmp_path: Path, any_work: None) -> None:
    pytest.importorskip("openvino")
    race = trial.Trial(graph, SHAPE, Plan(batch=4))
    assert race._agrees(open_graph(graph, Plan(engine="openvino", batch=4)))
    off = image_graph(tmp_path / "off.onnx", scale=1 + 10 * trial.AGREEMENT)
    assert not race._agrees(open_graph(off, Plan(batch=4)))


def test_a_plan_that_fails_is_passed_over(graph: Path, any_work: None) -> None:
    race = trial.Trial(graph, SHAPE, Plan(batch=4))
    graph.write_bytes(b"no graph any more")
    race.find(10**6)
    assert race.leader.plan == Plan(batch=4)
    assert set(race.rates.values()) > {0.0}


def said_once_while_another_engine_runs(graph: Path) -> str:
    """The one sentence of two calls that both take ONNX Runtime."""
    heard = Heard()
    for _ in range(2):
        plan = plan_for("a", lambda: graph, SHAPE, rows=100, threads=1, listener=heard)
        assert plan.engine == "onnxruntime"
    assert len(heard.sentences) == 1
    return heard.sentences[0]


def test_a_damaged_openvino_is_said_once_and_left_out(
    cache: Path, graph: Path, any_work: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino, "is_installed", lambda: True)
    monkeypatch.setattr(openvino, "why_not", lambda precision="float32": "ImportError: no TBB")
    assert "no TBB" in said_once_while_another_engine_runs(graph)


def test_an_openvino_that_broke_since_gives_way(
    cache: Path, graph: Path, any_work: None, without_openvino: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan_for("a", lambda: graph, SHAPE, rows=100, threads=1)
    (file,) = (cache / "engines").glob("*.json")
    file.write_text(json.dumps(files(cache)[0] | {"plan": Plan(engine="openvino").as_dict()}), "utf-8")
    monkeypatch.setattr(openvino, "is_installed", lambda: True)
    monkeypatch.setattr(openvino, "why_not", lambda precision="float32": "OSError: no frontend")
    assert "no frontend" in said_once_while_another_engine_runs(graph)
