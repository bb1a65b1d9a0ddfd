"""Reading the plain data in a pickle without ever running what the pickle asks for.

A pickle is a program: unpickling one runs it, and with it whatever its author wished. Here its instructions
are only looked at (`pickletools` takes them apart) and those that spell out data are followed by hand: dicts,
lists, texts, numbers and numeric NumPy arrays. Any other name that the pickle mentions, harmless or not, ends
the reading. Nothing is imported or called on behalf of the file.

`pickle.Unpickler` with an allow-list of names would not do: it hashes keys however deep they are nested and
makes its memo as long as the file says, so that a few bytes can occupy it for ever or fill the memory.
"""

from __future__ import annotations

import math
import pickletools
import re
import struct
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mindle.errors import DataError

_MARK = object()
_RECONSTRUCT, _FROM_BUFFER, _SCALAR = "_reconstruct", "_frombuffer", "scalar"
_NAMES = {
    "numpy ndarray": "ndarray",
    "numpy dtype": "dtype",
    "_codecs encode": "encode",
    # NumPy 2 renamed `core`; both spellings are met.
    **{f"numpy.{core}.multiarray _reconstruct": _RECONSTRUCT for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray scalar": _SCALAR for core in ("core", "_core")},
    **{f"numpy.{core}.numeric _frombuffer": _FROM_BUFFER for core in ("core", "_core")},
}
_VALUES = frozenset(
    "INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING SHORT_BINSTRING UNICODE "
    "BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8".split()
)
_CONSTANTS = {"NEWTRUE": True, "NEWFALSE": False, "NONE": None, "MARK": _MARK}
# How many values an instruction takes from the stack, None for those down to the mark, and what it makes.
_MADE: dict[str, tuple[int | None, type]] = {
    "EMPTY_LIST": (0, list),
    "LIST": (None, list),
    "EMPTY_TUPLE": (0, tuple),
    "TUPLE1": (1, tuple),
    "TUPLE2": (2, tuple),
    "TUPLE3": (3, tuple),
    "TUPLE": (None, tuple),
    "EMPTY_DICT": (0, dict),
    "DICT": (None, dict),
}
_ADDED = {"APPEND": 1, "APPENDS": None, "SETITEM": 2, "SETITEMS": None}
# What a damaged pickle makes this module raise.
_DAMAGE = (
    *(ValueError, TypeError, IndexError, KeyError, AttributeError, OverflowError, RecursionError),
    *(StopIteration, struct.error),
)


class _Name:
    """A name that the pickle mentions, standing for itself; never looked up anywhere."""

    def __init__(self, word: str) -> None:
        self.word = word


class _Array:
    """An array that is announced first and filled later."""

    def __init__(self) -> None:
        self.array: NDArray[Any] = np.zeros(0, np.uint8)


class _Dtype:
    def __init__(self, code: str) -> None:
        if not re.fullmatch(r"[|<>=]?[biuf][1248]", code):
            raise ValueError(f"arrays of type {code!r} are not numbers")
        self.dtype = np.dtype(code)


def read_plain_pickle(data: bytes, *, file: str) -> Any:
    """Read dicts, lists, texts, numbers and numeric arrays from a pickle, running nothing of it.

    Args:
        data: The pickle, of any protocol.
        file: Its name, for messages.

    Returns:
        The data. Texts of Python 2 come as str in Latin-1.

    Raises:
        DataError: If the pickle names anything else, or is damaged.

    Example:
        >>> read_plain_pickle(b"(K" + bytes([1]) + b"Nt.", file="demo")
        (1, None)
    """
    try:
        return _Reader(len(data)).read(data)
    except _Refused as refused:
        raise DataError(
            f"A pickled data file may hold plain data only. Received {file!r}, which asks for "
            f"{str(refused)!r}; nothing of it was run. If you trust the file, save its arrays as .npz."
        ) from None
    except _DAMAGE as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(
            f"A pickled data file must be complete. Received {file!r}, which is damaged or no pickle "
            f"({reason}). Fetch it again."
        ) from error


class _Refused(Exception):
    """The pickle asks for something that is not data."""


class _Reader:
    """Follows the instructions that spell out data, with the stack and the memo that pickles work on.

    What is made is counted: a few bytes can refer to each other until they mean more than any memory holds.

    Args:
        size: Bytes of the pickle; each of them can spell one value, and a few may be shared.
    """

    def __init__(self, size: int) -> None:
        self.left = 4 * size + 1000
        self.stack: list[Any] = []
        self.memo: dict[Any, Any] = {}

    def spend(self, count: int) -> None:
        """Count some values, or some bytes that are copied."""
        self.left -= count
        if self.left < 0:
            raise _Refused("more than it holds, by references to itself")

    def read(self, data: bytes) -> Any:
        """What the pickle holds."""
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "STOP":
                return self._plain(self.stack.pop())
            self._follow(opcode.name, argument)
        raise ValueError("it does not end")

    def _follow(self, name: str, argument: Any) -> None:
        """One instruction."""
        stack = self.stack
        if name in _VALUES:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _MADE:
            count, kind = _MADE[name]
            items = self._pop(count)
            stack.append(_pairs(items) if kind is dict else kind(items))
        elif name in _ADDED:
            items = self._pop(_ADDED[name])
            stack[-1].extend(items) if name.startswith("APPEND") else stack[-1].update(_pairs(items))
        elif name in ("PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[argument])
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            spelled = argument if name == "GLOBAL" else " ".join(map(str, self._pop(2)))
            if spelled not in _NAMES:
                raise _Refused(spelled.replace(" ", "."))
            stack.append(_Name(_NAMES[spelled]))
        elif name == "REDUCE":
            stack.append(self._reduce(*self._pop(2)))
        elif name == "BUILD":
            self._build(*self._pop(1))
        elif name not in ("PROTO", "FRAME"):
            raise _Refused(f"the instruction {name}")

    def _pop(self, count: int | None) -> list[Any]:
        """The last values of the stack, or those down to the mark, which goes too."""
        stack = self.stack
        if count is None:
            start = next(place for place in reversed(range(len(stack))) if stack[place] is _MARK)
        else:
            start = len(stack) - count
        if start < 0:
            raise IndexError("it takes more values than there are")
        items = stack[start + (count is None) :]
        del stack[start:]
        return items

    def _reduce(self, called: Any, arguments: Any) -> Any:
        word = called.word if isinstance(called, _Name) else ""
        if word == "encode":
            if not isinstance(arguments[0], str):
                raise _Refused("a text that is none")
            self.spend(len(arguments[0]))
            return arguments[0].encode("latin-1")
        if word == "dtype":
            return _Dtype(_text(arguments[0]))
        if word == _RECONSTRUCT:
            return _Array()
        if word == _FROM_BUFFER:
            buffer, dtype, shape, order = arguments
            made = _Array()
            made.array = self._array(buffer, dtype, shape, fortran=_text(order) == "F")
            return made
        if word == _SCALAR:
            return self._array(arguments[1], arguments[0], (1,), fortran=False)[0].item()
        raise _Refused(f"a call of {word or type(called).__name__}")

    def _build(self, state: Any) -> None:
        """Fill an announced array, or set the byte order of a dtype."""
        made = self.stack[-1]
        if isinstance(made, _Dtype):
            if state[3] is not None:
                raise ValueError("arrays of records are not images")
            order: Any = _text(state[1])
            made.dtype = made.dtype.newbyteorder(order)
        elif isinstance(made, _Array):
            shape, dtype, fortran, raw = state[-4:]
            made.array = self._array(raw, dtype, shape, fortran=bool(fortran))
        else:
            raise _Refused(f"a state for {type(made).__name__}")

    def _array(self, raw: Any, dtype: Any, shape: Any, *, fortran: bool) -> NDArray[Any]:
        """An array over bytes of exactly the right number."""
        if isinstance(raw, str):  # bytes of Python 2
            self.spend(len(raw))
            raw = raw.encode("latin-1")
        kind = dtype.dtype
        if len(raw) != math.prod(shape) * kind.itemsize:
            raise ValueError(f"an array of shape {tuple(shape)} does not fit {len(raw)} bytes")
        return np.frombuffer(raw, kind).reshape(shape, order="F" if fortran else "C")

    def _plain(self, value: Any) -> Any:
        """The finished data; an unused name left in it is refused."""
        self.spend(1)
        if isinstance(value, _Array):
            return value.array
        if isinstance(value, dict):
            return {key: self._plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return type(value)(self._plain(item) for item in value)
        if isinstance(value, (_Name, _Dtype)) or value is _MARK:
            raise _Refused(f"a bare {type(value).__name__.strip('_').lower()}")
        return value


def _pairs(items: list[Any]) -> dict[Any, Any]:
    """Keys and values in turn; a key of several values could take for ever to be compared."""
    if not all(isinstance(key, (str, bytes, int, float, type(None))) for key in items[::2]):
        raise _Refused("a key that is neither a text nor a number")
    return dict(zip(items[::2], items[1::2], strict=True))


def _text(value: Any) -> str:
    if not isinstance(value, str | bytes):
        raise _Refused("a text that is none")
    return value.decode("latin-1") if isinstance(value, bytes) else value
