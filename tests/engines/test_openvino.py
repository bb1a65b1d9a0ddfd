"""OpenVINO: quiet, optional, and in float32 unless asked otherwise."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mindle.engines import Node, Plan, open_graph, openvino, parse_plan
from mindle.messages import in_language
from tests.engines.graphs import FACTORS, image_graph, pixels, require_bfloat16
from tests.processes import python


def test_it_is_imported_only_where_a_plan_wants_it() -> None:
    code = "import sys, mindle.engines; print({'openvino', 'onnxruntime', 'torch'} & set(sys.modules))"
    done = python(code)
    assert done.stdout.strip() == "set()"


def test_it_answers_as_onnx_runtime(tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    graph = image_graph(tmp_path / "model.onnx")
    rows = {"pixels": pixels(9)}
    expected = open_graph(graph)(rows)["features"]
    forward = open_graph(graph, Plan(engine="openvino", batch=4, streams=2))
    assert np.abs(forward(rows)["features"] - expected).max() < 1e-5 * np.abs(expected).max()
    assert forward.inputs == (Node("pixels", "tensor(uint8)", (None, 8, 8, 3)),)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux lists the threads of a process")
def test_its_threads_are_tied_to_no_core(tmp_path: Path) -> None:
    """Two processes with fewer threads than there are cores would share the first ones."""
    pytest.importorskip("openvino")
    code = f"""
import os, pathlib
from mindle.engines import Plan, open_graph
usable = os.sched_getaffinity(0)
open_graph(pathlib.Path({str(image_graph(tmp_path / "model.onnx"))!r}), Plan(engine="openvino", streams=2))
assert all(os.sched_getaffinity(int(thread)) == usable for thread in os.listdir("/proc/self/task"))
"""
    python(code)


@pytest.mark.parametrize("plan", ["openvino", "openvino:batch=0", "openvino:batch=4,streams=2"])
@pytest.mark.parametrize("both", [False, True], ids=["answers", "features too"])
def test_bfloat16_ends_where_the_head_begins(plan: str, both: bool, tmp_path: Path) -> None:
    require_bfloat16()
    rows, exact = {"pixels": pixels(9)}, parse_plan(plan, Plan())
    body = open_graph(image_graph(tmp_path / "body.onnx"), replace(exact, precision="bfloat16"))
    joined = image_graph(tmp_path / "whole.onnx", head=True, both=both)
    whole = open_graph(joined, replace(exact, precision="bfloat16"))
    features = body(rows)["features"]
    np.testing.assert_array_equal(whole(rows)["answers"], features * FACTORS)
    expected = open_graph(tmp_path / "body.onnx", exact)(rows)["features"]
    assert 1e-4 < np.abs(features - expected).max() / expected.max() < 0.02
    names = ["answers", *["features"] * both]
    assert whole.outputs == tuple(Node(name, "tensor(float)", (None, 8)) for name in names)
    if both:
        np.testing.assert_array_equal(whole(rows)["features"], features)


def test_a_processor_without_bfloat16_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino")
    monkeypatch.setattr(openvino, "_capabilities", lambda: ["FP32"])
    assert openvino.why_not("bfloat16") == "this processor does not compute in bfloat16"
    assert openvino.why_not() == ""


def test_an_openvino_that_is_not_installed_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "is_installed", lambda: False)
    assert openvino.why_not() == "OpenVINO is not installed"
    assert in_language(openvino.why_not("bfloat16"), "ko") == "OpenVINO가 설치되어 있지 않음"


def test_it_sends_nothing_and_writes_nothing(tmp_path: Path) -> None:
    """Its own import writes a user id below the home folder and sends an event."""
    pytest.importorskip("openvino")
    home = tmp_path / "home"
    home.mkdir()
    code = f"""
import pathlib, socket, sys
def refuse(*arguments, **options):
    raise AssertionError("a socket was opened")
socket.socket = socket.create_connection = socket.getaddrinfo = refuse
from mindle.engines import Plan, open_graph
open_graph(pathlib.Path({str(image_graph(tmp_path / "model.onnx"))!r}), Plan(engine="openvino"))
assert "openvino" in sys.modules and "openvino_telemetry" not in sys.modules
"""
    variables = {"HOME": str(home), "PATH": "", "USERPROFILE": str(home)}
    python(code, env=variables)
    assert list(home.rglob("*")) == []


@pytest.mark.parametrize(
    "source",
    ["raise OSError('libtbb.so.12: cannot open')", "Core = None", "class Core:\n    read_model = print"],
)
def test_a_damaged_one_is_named_with_the_next_step(source: str, tmp_path: Path) -> None:
    graph = image_graph(tmp_path / "model.onnx")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "openvino.py").write_text(source)
    code = f"""
import pathlib, sys
sys.path.insert(0, {str(tmp_path / "broken")!r})
from mindle.engines import Plan, open_graph
from mindle.errors import ModelError
try:
    open_graph(pathlib.Path({str(graph)!r}), Plan(engine="openvino"))
except ModelError as error:
    print(error)
"""
    done = python(code)
    assert "set MINDLE_ENGINE=onnxruntime" in done.stdout


def test_its_table_of_types_is_there_before_calls_run_side_by_side() -> None:
    """Two first calls would wait for each other: one in the table, one for the interpreter lock."""
    pytest.importorskip("openvino")
    code = """
import sys
seen = []
def profile(frame, event, function):
    if event == "c_call":
        seen.append(getattr(function, "__name__", ""))
from mindle.engines import openvino
sys.setprofile(profile)
openvino.why_not()
sys.setprofile(None)
print("to_dtype" in seen)
"""
    done = python(code)
    assert done.stdout.strip() == "True"
