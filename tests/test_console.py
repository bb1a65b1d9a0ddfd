"""What people see while something runs."""

from __future__ import annotations

import io

from mindle.console import Console


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def test_without_a_terminal_there_are_plain_lines() -> None:
    stream = io.StringIO()
    with Console(stream) as console:
        console.say("5 classes")
        console.epoch({"epoch": 3, "train_loss": 0.5, "val_accuracy": 0.75, "images_per_second": 1234.5})
    assert stream.getvalue().splitlines() == [
        "5 classes",
        "epoch   3  train loss 0.5000  val accuracy 0.7500  1,234 images/s",
    ]


def test_a_quick_stage_leaves_no_line() -> None:
    stream = io.StringIO()
    with Console(stream) as console:
        for done in range(1, 4):
            console.progress("check", done, 3)
    assert stream.getvalue() == ""


def test_on_a_terminal_sentences_stay_and_markup_is_text() -> None:
    stream = Terminal()
    with Console(stream) as console:
        for done in range(1, 4):
            console.progress("check", done, 3)
        console.say("class [bold]x[/bold] 장미")
    assert "class [bold]x[/bold] 장미" in stream.getvalue()
