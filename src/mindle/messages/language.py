"""The language in which mindle speaks to people now."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from mindle.messages.catalogue import LANGUAGES, require_language

VARIABLE = "MINDLE_LANG"

_spoken: ContextVar[str | None] = ContextVar("language", default=None)


def current_language() -> str:
    """The language of the call that runs, else what the variable `MINDLE_LANG` says, else English.

    Example:
        >>> with speaking("ko"):
        ...     current_language()
        'ko'
    """
    asked = _spoken.get() or os.environ.get(VARIABLE, "")
    return asked if asked in LANGUAGES else LANGUAGES[0]


@contextmanager
def speaking(lang: str | None) -> Iterator[None]:
    """Speak a language inside of a `with`; None leaves it as it is.

    Raises:
        ValueError: If `lang` is no language of mindle.
    """
    if lang is None:
        yield
        return
    require_language(lang)
    token = _spoken.set(lang)
    try:
        yield
    finally:
        _spoken.reset(token)
