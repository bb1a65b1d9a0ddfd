"""The command line: parse, call `mindle.api`, print. Errors become one paragraph and an exit code here."""

from __future__ import annotations

import functools
import os
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import typer

from mindle import __version__
from mindle.cli.cache import cache
from mindle.cli.check import check
from mindle.cli.compare import compare
from mindle.cli.course import course
from mindle.cli.ensemble import ensemble
from mindle.cli.evaluate import evaluate
from mindle.cli.models import models
from mindle.cli.predict import predict
from mindle.cli.prepare import prepare
from mindle.cli.recipes import recipes
from mindle.cli.report import report
from mindle.cli.runs import runs
from mindle.cli.train import train
from mindle.cli.tune import tune
from mindle.errors import DeviceError, MindleError

COMMANDS = (
    train, tune, check, prepare, predict, evaluate, compare, ensemble, report,
    runs, models, recipes, cache, course,
)  # fmt: skip

EXIT_WRONG_CALL, EXIT_BUG, EXIT_INTERRUPTED = 2, 70, 130

app = typer.Typer(
    name="mindle",
    help="From a folder of photos to a classifier that its owner can trust.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"mindle {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: bool = typer.Option(
        False, "--version", help="Print the version.", callback=_version, is_eager=True
    ),
) -> None:
    """From a folder of photos to a classifier that its owner can trust."""


def _guarded(command: Callable[..., None]) -> Callable[..., None]:
    """The command, which first refuses outputs that lie on what it reads."""

    @functools.wraps(command)
    def guarded(**arguments: Any) -> None:
        from mindle.cli.output import refuse_overlap

        refuse_overlap(arguments, among=command is predict)
        command(**arguments)

    return guarded


for _command in COMMANDS:
    app.command()(_guarded(_command))


def _say(paragraph: str) -> None:
    print(f"mindle: {paragraph}", file=sys.stderr, flush=True)


def main() -> None:
    """Run the command line and exit with one of the documented codes.

    0 done, 1 findings that need a decision, 2 a wrong call, 3 the data, 4 the model, weights, run or bundle,
    5 the machine, 130 interrupted.
    """
    os.environ.setdefault("MINDLE_STARTED", repr(time.time()))
    # Read when PyTorch is loaded. Beside other programs threads should not wait busily for each other: a
    # forward pass took 2.9 s on two cores by default, and 0.7 s where threads soon wait quietly.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    debug = bool(os.environ.get("MINDLE_DEBUG"))
    if not debug:
        warnings.simplefilter("ignore")  # of libraries, for programmers; what matters is a finding
    try:
        app()
    except (KeyboardInterrupt, SystemExit) as stop:
        # Typer makes this exit code of Ctrl-C, without a word.
        if isinstance(stop, SystemExit) and stop.code != EXIT_INTERRUPTED:
            raise
        _say("Interrupted. Whatever was finished is kept; the same command with --resume goes on from there.")
        sys.exit(EXIT_INTERRUPTED)
    except BrokenPipeError:
        # The reader of our output (head, a pager) has left: not an error of ours. Python would complain once
        # more while closing standard output, so hand it a place to write to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except MemoryError:
        if debug:
            raise
        _say(
            "The machine ran out of memory. Close other programs, or choose a smaller --model or batch "
            "(--set train.batch=8)."
        )
        sys.exit(DeviceError.exit_code)
    except MindleError as error:
        if debug:
            raise
        _say(str(error))
        sys.exit(error.exit_code)
    except (ValueError, TypeError) as error:
        if debug:
            raise
        _say(f"{error} (`mindle --help` lists the commands; MINDLE_DEBUG=1 shows where this was raised.)")
        sys.exit(EXIT_WRONG_CALL)
    except Exception as error:
        if debug:
            raise
        _say(
            f"Something went wrong that mindle did not foresee: {type(error).__name__}: {error}. "
            "Nothing that was finished is lost. MINDLE_DEBUG=1 before the same command shows where; please "
            "report that."
        )
        sys.exit(EXIT_BUG)
