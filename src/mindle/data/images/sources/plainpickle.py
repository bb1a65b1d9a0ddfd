"""Reading the plain data in a pickle without ever running what the pickle asks for.

A pickle is a program: unpickling one runs it, and with it whatever its author wished. Here its instructions
are only looked at (`pickletools` takes them apart) and those that spell out data are followed by hand: dicts,
lists, texts, numbers and numeric NumPy arrays. Any other name that the pickle mentions, harmless or not, ends
the reading. Nothing is imported or called on behalf of the file.
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
    "NEWTRUE NEWFALSE NONE INT BININT BININT1 BININT2 LONG LONG1 LONG4 FLOAT BINFLOAT STRING BINSTRING "
    "SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 "
    "BYTEARRAY8".split()
)
_CONSTANTS: dict[str, Any] = {"NEWTRUE": True, "NEWFALSE": False, "NONE": None}


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
        budget = _Budget(len(data))
        return _plain(_follow(data, budget), budget)
    except _Refused as refused:
        raise DataError(
            f"A pickled data file may hold plain data only. Received {file!r}, which asks for "
            f"{str(refused)!r}; nothing of it was run. If you trust the file, save its arrays as .npz."
        ) from None
    except (
        ValueError,
        TypeError,
        IndexError,
        KeyError,
        AttributeError,
        OverflowError,
        RecursionError,
        StopIteration,
        struct.error,
    ) as error:
        reason = " ".join(str(error).split())[:120]
        raise DataError(
            f"A pickled data file must be complete. Received {file!r}, which is damaged or no pickle "
            f"({reason}). Fetch it again."
        ) from error


class _Refused(Exception):
    """The pickle asks for something that is not data."""


class _Budget:
    """Counts what is made. A few bytes can refer to each other until they mean more than any memory holds.

    Args:
        size: Bytes of the pickle; each of them can spell one value, and a few may be shared.
    """

    def __init__(self, size: int) -> None:
        self.left = 4 * size + 1000

    def spend(self, count: int) -> None:
        """Count some values, or some bytes that are copied."""
        self.left -= count
        if self.left < 0:
            raise _Refused("more than it holds, by references to itself")


def _follow(data: bytes, budget: _Budget) -> Any:
    """Follow the instructions that spell out data, with the stack and the memo that pickles work on."""
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    argument: Any
    for opcode, argument, _ in pickletools.genops(data):
        name = opcode.name
        if name in _VALUES:
            stack.append(_CONSTANTS.get(name, argument) if name in _CONSTANTS else argument)
        elif name in ("PROTO", "FRAME"):
            continue
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "MARK":
            stack.append(_MARK)
        elif name == "STOP":
            return stack.pop()
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            spelled = argument if name == "GLOBAL" else " ".join(map(str, _pop(stack, 2)))
            if spelled not in _NAMES:
                raise _Refused(spelled.replace(" ", "."))
            stack.append(_Name(_NAMES[spelled]))
        elif name == "REDUCE":
            called, arguments = _pop(stack, 2)
            stack.append(_reduce(called, arguments, budget))
        elif name == "BUILD":
            state = stack.pop()
            _build(stack[-1], state, budget)
        else:
            _collect(name, stack)
    raise ValueError("it does not end")


def _collect(name: str, stack: list[Any]) -> None:
    """The instructions that make and fill containers."""
    if name in ("EMPTY_LIST", "EMPTY_DICT", "EMPTY_TUPLE"):
        stack.append({"EMPTY_LIST": list, "EMPTY_DICT": dict, "EMPTY_TUPLE": tuple}[name]())
    elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
        stack.append(tuple(_pop(stack, int(name[-1]))))
    elif name in ("LIST", "TUPLE"):
        items = _pop_mark(stack)
        stack.append(items if name == "LIST" else tuple(items))
    elif name == "DICT":
        items = _pop_mark(stack)
        stack.append(_pairs(items))
    elif name in ("APPEND", "APPENDS"):
        items = _pop(stack, 1) if name == "APPEND" else _pop_mark(stack)
        stack[-1].extend(items)
    elif name in ("SETITEM", "SETITEMS"):
        items = _pop(stack, 2) if name == "SETITEM" else _pop_mark(stack)
        stack[-1].update(_pairs(items))
    else:
        raise _Refused(f"the instruction {name}")


def _pairs(items: list[Any]) -> dict[Any, Any]:
    """Keys and values in turn; a key of several values could take for ever to be compared."""
    if not all(isinstance(key, (str, bytes, int, float, type(None))) for key in items[::2]):
        raise _Refused("a key that is neither a text nor a number")
    return dict(zip(items[::2], items[1::2], strict=True))


def _pop(stack: list[Any], count: int) -> list[Any]:
    if len(stack) < count:
        raise IndexError("it takes more values than there are")
    items = stack[-count:]
    del stack[-count:]
    return items


def _pop_mark(stack: list[Any]) -> list[Any]:
    mark = next(position for position in reversed(range(len(stack))) if stack[position] is _MARK)
    items = stack[mark + 1 :]
    del stack[mark:]
    return items


def _reduce(called: Any, arguments: Any, budget: _Budget) -> Any:
    word = called.word if isinstance(called, _Name) else ""
    if word == "encode":
        if not isinstance(arguments[0], str):
            raise _Refused("a text that is none")
        budget.spend(len(arguments[0]))
        return arguments[0].encode("latin-1")
    if word == "dtype":
        return _Dtype(_text(arguments[0]))
    if word == _RECONSTRUCT:
        return _Array()
    if word == _FROM_BUFFER:
        buffer, dtype, shape, order = arguments
        made = _Array()
        made.array = _array(buffer, dtype, shape, budget, fortran=_text(order) == "F")
        return made
    if word == _SCALAR:
        return _array(arguments[1], arguments[0], (1,), budget, fortran=False)[0].item()
    raise _Refused(f"a call of {word or type(called).__name__}")


def _build(made: Any, state: Any, budget: _Budget) -> None:
    """Fill an announced array, or set the byte order of a dtype."""
    if isinstance(made, _Dtype):
        if state[3] is not None:
            raise ValueError("arrays of records are not images")
        order: Any = _text(state[1])
        made.dtype = made.dtype.newbyteorder(order)
    elif isinstance(made, _Array):
        shape, dtype, fortran, raw = state[-4:]
        made.array = _array(raw, dtype, shape, budget, fortran=bool(fortran))
    else:
        raise _Refused(f"a state for {type(made).__name__}")


def _array(raw: Any, dtype: Any, shape: Any, budget: _Budget, *, fortran: bool) -> NDArray[Any]:
    """An array over bytes of exactly the right number."""
    if isinstance(raw, str):  # bytes of Python 2
        budget.spend(len(raw))
        raw = raw.encode("latin-1")
    kind = dtype.dtype
    if len(raw) != math.prod(shape) * kind.itemsize:
        raise ValueError(f"an array of shape {tuple(shape)} does not fit {len(raw)} bytes")
    return np.frombuffer(raw, kind).reshape(shape, order="F" if fortran else "C")


def _text(value: Any) -> str:
    if not isinstance(value, str | bytes):
        raise _Refused("a text that is none")
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _plain(value: Any, budget: _Budget) -> Any:
    """The finished data; an unused name left in it is refused."""
    budget.spend(1)
    if isinstance(value, _Array):
        return value.array
    if isinstance(value, dict):
        return {key: _plain(item, budget) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(item, budget) for item in value)
    if isinstance(value, (_Name, _Dtype)) or value is _MARK:
        raise _Refused(f"a bare {type(value).__name__.strip('_').lower()}")
    return value
