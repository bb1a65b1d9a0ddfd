"""Arrays of an NPZ file, looked at by their headers before any of them is read."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from mindle.artifacts.files import first_words, unreadable
from mindle.artifacts.reading import open_regular
from mindle.errors import ArtifactError


@dataclass(frozen=True)
class Slot:
    """What an array, or an input or output of a graph, must be.

    Attributes:
        kind: Start of the NumPy type code: "u1", "f8", "f" for any float, "U" for texts.
        shape: Length of each axis, None where any will do.
        optional: Whether it may be absent.

    Example:
        >>> Slot("f", (None, 2)).holds("f4", (8, 2)), Slot("u1", (None,)).holds("f4", (8,))
        (True, False)
    """

    kind: str
    shape: tuple[int | None, ...]
    optional: bool = False

    def holds(self, kind: str, shape: tuple[Any, ...]) -> bool:
        """Whether this is it; an axis of a graph that has no length yet, None or a name, fits."""
        return (
            kind.startswith(self.kind)
            and len(shape) == len(self.shape)
            and all(
                wanted is None or not isinstance(found, int) or found == wanted
                for found, wanted in zip(shape, self.shape, strict=True)
            )
        )

    def __str__(self) -> str:
        return shown(self.kind, self.shape)


def shown(kind: str, shape: Iterable[Any]) -> str:
    """A type and a shape for people.

    Example:
        >>> shown("u1", (None, 8, 8, 3))
        'u1 (any, 8, 8, 3)'
    """
    return f"{kind} ({', '.join('any' if side is None else str(side) for side in shape)})"


def read_arrays(file: Path, slots: Mapping[str, Slot], *, limit: int) -> dict[str, NDArray[Any]]:
    """The arrays of an NPZ file that must hold these and no others.

    Args:
        file: The file.
        slots: What each array must be.
        limit: How many bytes the arrays may take together.

    Raises:
        ArtifactError: If it is no NPZ file, or its arrays are others or larger; the headers show it, before
            an array is read.
        DeviceError: If the system refuses to read it.
    """
    try:
        with open_regular(file) as stream, zipfile.ZipFile(stream) as archive:
            return _read(archive, slots, limit)
    except (PermissionError, TimeoutError) as error:
        raise unreadable(file, error) from error
    except MemoryError:  # nothing is wrong with the file
        raise
    except Exception as error:  # zipfile, zlib and NumPy raise nearly anything at damaged bytes
        raise ArtifactError(
            f"{file} must hold the arrays that its graph takes and gives: {first_words(error)}. Copy the "
            "whole folder again."
        ) from error


def _read(archive: zipfile.ZipFile, slots: Mapping[str, Slot], limit: int) -> dict[str, NDArray[Any]]:
    members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}
    needed = {name for name, slot in slots.items() if not slot.optional}
    if not needed <= set(members) <= set(slots) or len(members) != len(archive.infolist()):
        raise ValueError(
            f"it must hold {', '.join(slots)}, and holds {', '.join(list(members)[:8]) or 'none'}"
        )
    left = limit
    for name, info in members.items():
        with archive.open(info) as stream:
            shape, _, kind = read_header(stream)
            slot = slots[name]
            if kind.hasobject or not slot.holds(kind.str[1:], shape):
                raise ValueError(f"{name} must be {slot}, and is {shown(kind.str[1:], shape)}")
            left -= math.prod(shape) * kind.itemsize
            if left < 0:
                raise ValueError(f"its arrays may take {limit:,} bytes together, and take more")
    found = {}
    for name, info in members.items():
        with archive.open(info) as stream:
            found[name] = npy.read_array(stream, allow_pickle=False)
    return found


def read_header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether it lies in the order of Fortran, and type of an array, whose values follow."""
    first = npy.read_magic(stream) == (1, 0)
    return npy.read_array_header_1_0(stream) if first else npy.read_array_header_2_0(stream)
