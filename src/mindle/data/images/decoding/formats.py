"""What bytes are by their first ones, and what to do about those that mindle does not read as an image."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import Any

from mindle.messages import Message, message


@cache
def _formats() -> dict[str, list[dict[str, Any]]]:
    return tomllib.loads(Path(__file__).with_suffix(".toml").read_text(encoding="utf-8"))


def _found(data: bytes, group: str) -> dict[str, Any] | None:
    """The first format of a group that has a mark which the bytes hold."""
    return next(
        (
            known
            for known in _formats()[group]
            if any(data.startswith(mark.encode("latin-1"), known.get("at", 0)) for mark in known["marks"])
        ),
        None,
    )


def read_format(data: bytes) -> str:
    """The format that the first bytes promise, of those that are read, or "".

    Example:
        >>> read_format(b"GIF89a"), read_format(b"%PDF-1.7")
        ('GIF', '')
    """
    known = _found(data, "read")
    return known["name"] if known else ""


def unread_format(data: bytes) -> tuple[str, Message]:
    """Kind of finding and a sentence about bytes that start like no format that is read.

    Example:
        >>> unread_format(b"%PDF-1.7")
        ('not-an-image', 'This is a PDF document, which mindle does not read. Export its pages as PNG.')
    """
    for kind in ("unsupported", "not-an-image"):
        known = _found(data, kind)
        if known is not None:
            return kind, _unread(known["name"], known["help"])
    start = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start:
        return "not-an-image", _unread("svg", "export")
    page = start.startswith((b"<!doctype html", b"<html"))
    return "not-an-image", message("images.detail.web-page" if page else "images.detail.not-an-image")


def _unread(what: str, help: str) -> Message:
    return message(
        "images.detail.unread-format",
        what=message(f"images.format.{what}"),
        help=message(f"images.help.{help}"),
    )
