"""Records from JSON: every field of the type that its record declares, or a sentence that names the field."""

from __future__ import annotations

import sys
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from mindle.errors import did_you_mean

Record = TypeVar("Record")

_WORDS = {str: "a text", int: "a whole number", bool: "true or false", float: "a finite number"}


def read_record(kind: type[Record], value: Any, name: str) -> Record:
    """A dataclass from a JSON object; fields with a default may be absent.

    Args:
        kind: The dataclass.
        value: What JSON gave.
        name: What the object is called, for messages.

    Raises:
        ValueError: If a field is missing, unknown or of another type, or the record refuses its value.

    Example:
        >>> from mindle.records import InputSpec
        >>> read_record(InputSpec, {"height": 8, "width": 8}, "input").shape
        (8, 8, 3)
    """
    if not isinstance(value, dict):
        raise _wrong(name, "an object", value)
    hints = _hints(kind)  # type: ignore[arg-type]
    known = {field.name: field for field in fields(kind)}  # type: ignore[arg-type]  # any dataclass
    strange = [key for key in value if key not in known]
    missing = [
        key
        for key, field in known.items()
        if key not in value and field.default is MISSING and field.default_factory is MISSING
    ]
    if strange or missing:
        raise ValueError(
            f"`{name}` must hold {', '.join(known)}. "
            + (
                f"It lacks {', '.join(missing)}."
                if missing
                else f"It also holds {_shown(strange[0])}.{did_you_mean(strange[0], known)}"
            )
        )
    return kind(**{key: typed(hints[key], value[key], f"{name}.{key}") for key in value})


@cache
def _hints(kind: Any) -> dict[str, Any]:
    return get_type_hints(kind)


def typed(hint: Any, value: Any, name: str) -> Any:
    """A JSON value as the type that a hint names: texts, numbers, tuples, mappings, records, or None.

    Raises:
        ValueError: If it is of another type.

    Example:
        >>> typed(tuple[float, ...], [0.5, 1], "std")
        (0.5, 1)
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return value
    if is_dataclass(hint) and isinstance(hint, type):
        return read_record(hint, value, name)
    if origin in (Union, types.UnionType):
        return (
            None
            if value is None
            else typed(next(each for each in arguments if each is not type(None)), value, name)
        )
    if origin in (tuple, list, Sequence):
        if not isinstance(value, list):
            raise _wrong(name, "a list", value)
        return tuple(typed(arguments[0], item, f"{name}[{at}]") for at, item in enumerate(value))
    if origin in (dict, Mapping) or hint is dict:
        if not isinstance(value, dict):
            raise _wrong(name, "an object", value)
        return {
            key: typed(arguments[1] if arguments else Any, item, f"{name}.{key}")
            for key, item in value.items()
        }
    if not _fits(hint, value):
        raise _wrong(name, _WORDS.get(hint, _WORDS[str]), value)
    return value


def _fits(hint: type, value: Any) -> bool:
    if hint is float:
        # Written so, what is no number and whole numbers beyond every float fail too.
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and abs(value) <= sys.float_info.max
    if issubclass(hint, str):
        return isinstance(value, str)  # a sentence of the catalogue is a text too
    return type(value) is hint


def _wrong(name: str, wanted: str, value: Any) -> ValueError:
    return ValueError(f"`{name}` must be {wanted}. Received {_shown(value)}.")


def _shown(value: Any) -> str:
    """A value for a message; numbers of thousands of digits and long texts are cut."""
    if isinstance(value, int) and value.bit_length() > 200:
        return "a whole number of more than 60 digits"
    text = repr(value) if not isinstance(value, dict | list) else f"a {type(value).__name__} of {len(value)}"
    return text if len(text) <= 80 else f"{text[:77]}..."
