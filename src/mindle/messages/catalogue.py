"""The sentences by code, read from the TOML files of this folder when one of a file is first said."""

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

Forms = Mapping[str, str]  # form ("en", "ko", "en_one", …) to text


def catalogue() -> dict[str, Forms]:
    """Every sentence by its code.

    Example:
        >>> catalogue()["console.done"]["ko"]
        '{stage}: 이미지 {n:,}장, {seconds:.1f}초, 초당 {rate:,.0f}장'
    """
    return {code: forms for name in _names() for code, forms in _sentences(name).items()}


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted(file.stem for file in Path(__file__).parent.glob("*.toml")))


@cache
def _sentences(name: str) -> dict[str, Forms]:
    """The sentences of one file; all of them take 35 ms to read, and most commands say few."""
    text = Path(__file__).with_name(f"{name}.toml").read_text("utf-8")
    return dict(_entries(name, tomllib.loads(text)))


def _entries(prefix: str, table: Mapping[str, Any]) -> Iterator[tuple[str, Forms]]:
    """Code and texts of every sentence below a table, however deep the groups are."""
    for name, entry in table.items():
        if LANGUAGES[0] in entry:
            yield f"{prefix}.{name}", entry
        else:
            yield from _entries(f"{prefix}.{name}", entry)


def forms_of(code: str) -> Forms:
    """The texts of a sentence; none where there is no such sentence.

    Example:
        >>> forms_of("console.epoch")["ko"], forms_of("console.eaten")
        ('에포크 {n:>3}', {})
    """
    name = code.partition(".")[0]
    return _sentences(name).get(code, {}) if name in _names() else {}


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
    texts = forms_of(code)
    if not texts:
        raise KeyError(code)
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
