"""What can go wrong that is not a wrong argument, and the exit code of each.

    Exception
    ├── ValueError, TypeError   a wrong argument or call                     exit 2
    └── MindleError             what the world got wrong
        ├── DataError           a folder, file or table                      exit 3
        ├── ModelError          a model name or its weights                  exit 4
        ├── ArtifactError       a run or a bundle on disk                    exit 4
        └── DeviceError         the machine: memory, disk, accelerator       exit 5

`cli/main.py` turns them into exit codes and one paragraph on standard error. A message says what must
hold, what was received and the next step.
"""

from collections.abc import Iterable
from difflib import get_close_matches


class MindleError(Exception):
    """Something outside the program's own logic is wrong; the message ends with the next step."""

    exit_code = 3


class DataError(MindleError):
    """The data cannot be used as they are."""

    exit_code = 3


class DataWarning(UserWarning):
    """Something about data that a call in Python goes on with; commands say it on standard error."""


class ModelError(MindleError):
    """A model or its weights are unknown, missing or damaged."""

    exit_code = 4


class ArtifactError(MindleError):
    """A run or bundle on disk is missing, damaged, or of another schema."""

    exit_code = 4


class DeviceError(MindleError):
    """The machine cannot do it: no memory, no disk space, no such accelerator."""

    exit_code = 5


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """The end of an error sentence that offers the nearest known word, or nothing where none is near.

    Example:
        >>> did_you_mean("convv", ["conv", "dense"])
        " Did you mean 'conv'?"
    """
    near = get_close_matches(str(word), list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
