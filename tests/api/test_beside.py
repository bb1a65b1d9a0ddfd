"""Work that runs beside a run's own."""

from __future__ import annotations

import threading

import pytest

from mindle.api.beside import Beside
from mindle.messages import current_language, speaking


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
