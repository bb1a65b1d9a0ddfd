"""Work that runs beside a run's own."""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import pytest

from mindle.api.beside import Beside
from mindle.messages import current_language, speaking
from mindle.records import Silent
from tests.processes import python


def test_it_runs_in_another_thread_and_in_the_language_of_the_caller() -> None:
    with speaking("ko"), Beside() as beside:
        thread, language = beside.start(lambda: (threading.current_thread(), current_language()))()
    assert thread is not threading.current_thread()
    assert language == "ko"
    assert not thread.is_alive()


def test_an_error_of_the_work_is_raised_where_its_result_is_wanted() -> None:
    with Beside() as beside:
        later = beside.start(lambda: 1 // 0)
        assert beside.start(lambda: 1)() == 1  # what follows runs all the same
        with pytest.raises(ZeroDivisionError):
            later()


def test_after_an_error_of_the_caller_nothing_more_begins_and_long_work_ends() -> None:
    begun, seen = threading.Event(), []

    def long(beside: Beside) -> None:
        begun.set()
        while beside.wanted():
            pass

    def interrupted() -> None:
        with Beside() as beside:
            beside.start(lambda: long(beside))
            beside.start(lambda: seen.append("late"))
            begun.wait()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not seen
    assert not [each for each in threading.enumerate() if each.name.startswith("mindle-beside")]


def forked(code: str) -> Any:
    """What a fresh process prints that may be copied; this one has threads, and PyTorch."""
    start = """
import json, os, signal
from mindle.api import beside
from mindle.api.beside import Beside
from mindle.errors import DataError
from mindle.records import Silent
beside.usable_cores = lambda: 2
class Heard(Silent):
    def __init__(self):
        self.lines = []
    def say(self, sentence):
        self.lines.append(sentence)
    def progress(self, stage, done, total):
        self.lines.append([stage, done, total])
heard = Heard()
"""
    done = python(start + code)
    assert not done.stderr
    return json.loads(done.stdout)


only_linux = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not copy a process")


def test_nothing_is_forked_beside_torch() -> None:
    import torch  # noqa: F401

    with Beside() as beside:
        assert beside.fork(lambda listener: 1, Silent()) is None


@only_linux
def test_a_copy_of_the_process_answers_and_is_heard() -> None:
    code = """
def work(listener):
    listener.say("hello")
    for done in range(1, 1001):
        listener.progress("check", done, 1000)
    return os.getpid()
with Beside() as beside:
    other = beside.fork(work, heard)()
print(json.dumps([other != os.getpid(), heard.lines[0], heard.lines[-1], len(heard.lines) < 100]))
"""
    assert forked(code) == [True, "hello", ["check", 1000, 1000], True]


@only_linux
def test_its_error_comes_out_where_the_result_is_wanted() -> None:
    code = """
def failing(listener):
    raise DataError("It must be a folder.")
try:
    with Beside() as beside:
        beside.fork(failing, heard)()
except DataError as error:
    print(json.dumps(str(error)))
"""
    assert forked(code) == "It must be a folder."


@only_linux
def test_where_it_is_ended_from_outside_the_work_is_done_here() -> None:
    code = """
here = os.getpid()
def work(listener):
    if os.getpid() != here:
        os.kill(os.getpid(), signal.SIGKILL)
    return "done here"
with Beside() as beside:
    print(json.dumps(beside.fork(work, heard)()))
"""
    assert forked(code) == "done here"


@only_linux
def test_where_the_caller_is_interrupted_it_ends_and_nothing_is_done_here() -> None:
    code = """
here = os.getpid()
def work(listener):
    if os.getpid() == here:
        listener.say("done here")
    listener.say("begun")
    signal.pause()
try:
    with Beside() as beside:
        beside.fork(work, heard)
        while not heard.lines:
            pass
        raise KeyboardInterrupt
except KeyboardInterrupt:
    print(json.dumps([heard.lines, beside._processes[0].is_alive()]))
"""
    assert forked(code) == [["begun"], False]
