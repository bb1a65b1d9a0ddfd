"""Fresh processes, for what shows only there: what is loaded, what a command prints, how it ends."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from typing import Any

MINDLE = (sys.executable, "-m", "mindle")


def program(code: str, *arguments: str, flags: Sequence[str] = ()) -> list[str]:
    """The command that runs some code in a fresh Python."""
    return [sys.executable, *flags, "-c", code, *arguments]


def finished(
    command: Sequence[str], *, check: bool = True, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; where it fails and must not, the test fails with what it said."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)
    if check and done.returncode:
        raise AssertionError(f"exit code {done.returncode}: {done.stderr}")
    return done


def python(
    code: str, *arguments: str, flags: Sequence[str] = (), **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run some code in a fresh Python; options are those of `finished`."""
    return finished(program(code, *arguments, flags=flags), **options)


def mindle(*words: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """What somebody types behind `mindle`; options are those of `finished`."""
    return finished([*MINDLE, *words], **options)
