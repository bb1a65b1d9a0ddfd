"""Every sentence in every language, with the same gaps."""

from __future__ import annotations

import ast
import string
from pathlib import Path

import pytest

import mindle
from mindle.messages import LANGUAGES, catalogue, require_language, text_of
from mindle.messages.catalogue import FORMS
from mindle.messages.particles import PARTICLES

SOURCE = Path(mindle.__file__).parent


def gaps(text: str) -> set[str]:
    """The names of a sentence's gaps."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("code", sorted(catalogue()))
def test_every_sentence_is_there_in_every_language(code: str) -> None:
    texts = catalogue()[code]
    assert set(texts) <= {lang + form for lang in LANGUAGES for form in FORMS}
    assert all(texts.get(lang) for lang in LANGUAGES), f"{code} must have {', '.join(LANGUAGES)}"
    # Another form may do without a gap, as "1 image" does without its count; none has one of its own.
    allowed = {*LANGUAGES} if code == "recipes.text" else gaps(texts["en"])
    assert all(gaps(text) <= allowed for text in texts.values()), f"{code} must have one set of gaps"
    assert gaps(texts["ko"]) == (allowed if code != "recipes.text" else {"ko"})  # recipes bring both texts


def test_korean_is_korean() -> None:
    strange = [
        code
        for code, texts in catalogue().items()
        if len(texts["en"].split()) > 4 and not any("가" <= letter <= "힣" for letter in texts["ko"])
    ]
    assert strange == []


def test_particles_after_gaps_are_written_in_both_forms() -> None:
    wrong = [
        f"{code}: {text}"
        for code, texts in catalogue().items()
        for lang, text in texts.items()
        if lang.startswith("ko")
        for single in ("을", "를", "은", "는", "이", "가", "과", "와")
        if f"}}{single} " in text or f"}}'{single} " in text
    ]
    assert wrong == [], f"write one of {', '.join(PARTICLES)}"


def codes_in_the_source() -> dict[str, str]:
    """Codes that calls of `message` name, with where."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "id", getattr(node.func, "attr", "")) == "message"
                and node.args
                and isinstance(node.args[0], ast.Constant)
                and isinstance(node.args[0].value, str)
            ):
                found[node.args[0].value] = f"{path.relative_to(SOURCE)}:{node.lineno}"
    return found


def test_every_code_that_is_named_is_there() -> None:
    missing = {code: where for code, where in codes_in_the_source().items() if code not in catalogue()}
    assert missing == {}


def test_forms_of_one_thing_and_of_rows() -> None:
    values = {"stage": "check", "seconds": 1.0, "rate": 1.0}
    assert text_of("console.done", "en", {**values, "n": 1}) == "check: 1 image in 1.0 s, 1 images/s"
    assert text_of("console.done", "en", {**values, "n": 2}) == "check: 2 images in 1.0 s, 1 images/s"


def test_another_language_is_refused() -> None:
    with pytest.raises(ValueError, match=r"`lang` must be one of en, ko. Received lang='fr'"):
        require_language("fr")
