"""The sentences by code, read once from the TOML files of this folder."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from mindle.messages.particles import with_particles

LANGUAGES = ("en", "ko")
# Forms of a sentence beside the usual one: of a single thing, of rows of a table, of a single row.
FORMS = ("", "_one", "_rows", "_rows_one")


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """Every sentence: code to form ("en", "ko", "en_one", …) to text.

    Example:
        >>> catalogue()["console.done"]["ko"]
        '{stage}: 이미지 {n:,}장, {seconds:.1f}초, 초당 {rate:,.0f}장'
    """
    found: dict[str, dict[str, str]] = {}
    for file in sorted(Path(__file__).parent.glob("*.toml")):
        with file.open("rb") as stream:
            found |= dict(_entries(file.stem, tomllib.load(stream)))
    return found


def _entries(prefix: str, table: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str]]]:
    """Code and texts of every sentence below a table, however deep the groups are."""
    for name, entry in table.items():
        if LANGUAGES[0] in entry:
            yield f"{prefix}.{name}", entry
        else:
            yield from _entries(f"{prefix}.{name}", entry)


def text_of(code: str, lang: str, values: Mapping[str, Any]) -> str:
    """A sentence in a language with its gaps filled.

    Args:
        code: Of the sentence.
        lang: "en" or "ko".
        values: What the gaps hold. `n` = 1 selects the singular; `unit` = "rows" what is said of rows.

    Raises:
        KeyError: If there is no such sentence, or a gap has no value.

    Example:
        >>> text_of("console.epoch", "en", {"n": 3})
        'epoch   3'
    """
    texts = catalogue()[code]
    rows = "_rows" if values.get("unit") == "rows" else ""
    one = "_one" if values.get("n") == 1 else ""
    form = next(
        form for form in (rows + one, rows, one, "") if lang + form in texts
    )  # the usual form is always there
    text = texts[lang + form].format(**values)
    return with_particles(text) if lang == "ko" else text


def require_language(lang: str) -> None:
    """Refuse a language that mindle does not speak.

    Raises:
        ValueError: If `lang` is none of `LANGUAGES`.
    """
    if lang not in LANGUAGES:
        raise ValueError(f"`lang` must be one of {', '.join(LANGUAGES)}. Received lang={lang!r}.")
