"""The command line: parse, call `mindle.api`, print. Errors become one paragraph and an exit code here."""

from __future__ import annotations

import atexit
import errno
import functools
import gc
import io
import os
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

import click

from mindle.cli.options import command_names, command_of, options_of
from mindle.errors import DeviceError, MindleError
from mindle.messages import speaking
from mindle.text import printable
from mindle.version import __version__

EXIT_WRONG_CALL, EXIT_BUG, EXIT_INTERRUPTED, EXIT_TERMINATED = 2, 70, 130, 143


class _Commands(Mapping[str, click.Command]):
    """Every command, made when it is asked for: the help of all takes 20 ms."""

    def __getitem__(self, name: str) -> click.Command:
        if name not in command_names():
            raise KeyError(name)
        return command_of(name, _guarded(getattr(import_module(f"mindle.cli.{name}"), name)))

    def __iter__(self) -> Iterator[str]:
        return iter(command_names())

    def __len__(self) -> int:
        return len(command_names())


class _Program(click.Group):
    """`mindle`, whose commands stand in the order in which they are declared."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """See `click.Group`."""
        return list(self.commands)


def _guarded(command: Callable[..., None]) -> Callable[..., None]:
    """The command in the language of `--lang`, which first refuses outputs that lie on what it reads."""
    name = command.__name__

    @functools.wraps(command)
    def guarded(**arguments: Any) -> None:
        from mindle.cli.output import refuse_overlap

        # What the course is given may be a folder around its data; it sees to its --out.
        seen = {key: value for key, value in arguments.items() if (name, key) != ("course", "out")}
        refuse_overlap(seen, among=name in ("predict", "course"))
        # A call that writes a page is given its language; of the others only what they print has one.
        with speaking(arguments.pop("language", None) or arguments.get("lang")):
            command(**arguments)

    return guarded


def _version(context: click.Context, option: click.Parameter, wanted: bool) -> None:
    if wanted:
        print(f"mindle {__version__}")
        raise click.exceptions.Exit


app = _Program(
    "mindle",
    help="Train and evaluate a classifier or a regression model on a folder of images or a table.",
    params=[
        click.Option(
            ["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_version,
            help="Print the version.",
        )
    ],
)
app.commands = _Commands()  # type: ignore[assignment]  # nobody adds one


def _say(paragraph: str) -> None:
    """One paragraph on standard error, if anybody listens."""
    with suppress(OSError):
        print(f"mindle: {printable(paragraph)}", file=sys.stderr, flush=True)


class _Closed(io.TextIOBase):
    """Standard output that was closed before the call."""

    def write(self, text: str, /) -> int:
        raise OSError(errno.EBADF, "it is closed")


def _prepare_streams() -> None:
    """No file that is opened may stand for a standard stream that was closed."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    if sys.stdout is None:
        sys.stdout = _Closed()


def _let_go() -> None:
    """Write out what standard output still holds, or drop it where nobody takes it, lest Python complains."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


_signals: list[int] = []


def _terminated(signal_number: int, frame: object) -> None:
    """SIGTERM as Ctrl-C: drafts are removed and workers ended on the way out."""
    _signals.append(signal_number)
    raise KeyboardInterrupt


def _interruption() -> str:
    """What becomes of a command that was interrupted."""
    name = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    if name == "prepare":
        return "What was laid out is kept; the same command goes on from there."
    if name == "course":
        return "Whatever was finished is kept; the same command goes on from there."
    if name in command_names() and "resume" in options_of(name):
        return "Whatever was finished is kept; the same command with --resume goes on from there."
    return "A file gets its name when it is whole: none was left half written."


def run() -> NoReturn:
    """`main` as a process that ends at once.

    Taking down PyTorch and ONNX Runtime object by object takes a second of processor time, which a budget
    would have to pay for and which frees nothing that the system does not.
    """
    # After every 700 new objects Python looks for cycles: in vain while PyTorch and timm are imported, and
    # for a quarter of the 1.6 s that both take.
    gc.set_threshold(100_000, 50, 50)
    code: object = 0
    try:
        main()
    except SystemExit as stop:
        code = stop.code
    for ending in reversed(threading._threading_atexits):  # type: ignore[attr-defined]  # idle pools of threads
        ending()
    for thread in threading.enumerate():
        if thread is not threading.main_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):  # what could not be written was reported before
            stream.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def main() -> None:
    """Run the command line and exit with one of the documented codes.

    0 done, 1 findings that need a decision, 2 a wrong call, 3 the data, 4 the model, weights, run or bundle,
    5 the machine, 130 interrupted, 143 terminated.
    """
    os.environ.setdefault("MINDLE_STARTED", repr(time.time()))
    # Read when PyTorch is loaded. Beside other programs threads should not wait busily for each other: a
    # forward pass took 2.9 s on two cores by default, and 0.7 s where threads soon wait quietly.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    if not os.environ.get("MINDLE_DEBUG"):
        warnings.simplefilter("ignore")  # of libraries, for programmers; what matters is a finding
    _prepare_streams()
    if signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminated)
    try:
        _run()
    except (KeyboardInterrupt, SystemExit, BrokenPipeError) as stop:
        _stop(stop)
    except Exception as error:
        if os.environ.get("MINDLE_DEBUG"):
            raise
        code, paragraph = _told(error)
        _let_go()
        _say(paragraph)
        sys.exit(code)


def _run() -> None:
    code: object = 0
    try:
        with app.make_context("mindle", sys.argv[1:]) as context:
            app.invoke(context)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.exceptions.Exit as stop:
        code = stop.exit_code
    except SystemExit as stop:
        code = stop.code
    sys.stdout.flush()  # a full disk is met here at the latest
    raise SystemExit(code)


def _stop(stop: BaseException) -> None:
    """End as other tools do where a person, the system or the reader of our output wants it."""
    if isinstance(stop, BrokenPipeError):
        _let_go()  # the reader (head, a pager) has left: not an error of ours
        sys.exit(0)
    if isinstance(stop, SystemExit):
        raise stop
    _say(f"{'Terminated' if _signals else 'Interrupted'}. {_interruption()}")
    sys.exit(EXIT_TERMINATED if _signals else EXIT_INTERRUPTED)


def _told(error: Exception) -> tuple[int, str]:
    """Exit code and paragraph of an error."""
    if isinstance(error, MindleError):
        return int(error.exit_code), str(error)
    if isinstance(error, MemoryError):
        return DeviceError.exit_code, (
            "The machine ran out of memory. Close other programs, or choose a smaller --model or batch "
            "(--set train.batch_size=8)."
        )
    if isinstance(error, OSError) and error.errno == errno.ENAMETOOLONG:
        return EXIT_WRONG_CALL, (
            f"The names of files must be shorter. Received {str(error.filename)[:40]!r} and so on. Check the "
            "path."
        )
    if isinstance(error, OSError):
        target = "Standard output" if error.filename is None else str(error.filename)
        return DeviceError.exit_code, (
            f"{target} must be readable and writable. Received: {error.strerror or error}. Make room on the "
            "disk or change the permission, then give the same command again."
        )
    if isinstance(error, (ValueError, TypeError)):
        return EXIT_WRONG_CALL, (
            f"{error} (`mindle --help` lists the commands; MINDLE_DEBUG=1 shows where this was raised.)"
        )
    return EXIT_BUG, (
        f"Something went wrong that mindle did not foresee: {type(error).__name__}: {error}. "
        "Nothing that was finished is lost. MINDLE_DEBUG=1 before the same command shows where; please "
        "report that."
    )
