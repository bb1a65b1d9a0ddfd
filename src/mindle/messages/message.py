"""A sentence that knows its code and its values, so that it can be said in another language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mindle.messages.catalogue import LANGUAGES, forms_of, text_of

ENGLISH = "en"


class Message(str):
    """A sentence of the catalogue; as a string it is the English one.

    Attributes:
        code: Of the sentence, such as "console.epoch".
        values: What its gaps hold: texts, numbers, and messages, which are said in the language of the whole.
    """

    code: str
    values: Mapping[str, Any]

    def __new__(cls, code: str, values: Mapping[str, Any]) -> Message:  # noqa: D102  # see the class
        made = super().__new__(cls, text_of(code, ENGLISH, _spoken(values, ENGLISH)))
        made.code, made.values = code, dict(values)
        return made

    def in_language(self, lang: str) -> str:
        """The sentence in a language."""
        return str(self) if lang == ENGLISH else text_of(self.code, lang, _spoken(self.values, lang))

    def __str__(self) -> str:
        return str.__str__(self)

    def __reduce__(self) -> tuple[type[Message], tuple[str, Mapping[str, Any]]]:
        return Message, (self.code, self.values)


def message(code: str, /, **values: Any) -> Message:
    """A sentence of the catalogue with its gaps filled.

    Raises:
        KeyError: If there is no such sentence, or a gap has no value.

    Example:
        >>> said = message("console.epoch", n=12)
        >>> said, said.in_language("ko")
        ('epoch  12', '에포크  12')
    """
    return Message(code, values)


def known_message(code: str, otherwise: str) -> str:
    """The sentence without gaps that has a code; another text where the catalogue has none.

    Example:
        >>> known_message("report.action.kept", "kept"), known_message("report.action.eaten", "eaten")
        ('kept', 'eaten')
    """
    return message(code) if forms_of(code) else otherwise


def in_language(sentence: str, lang: str) -> str:
    """A sentence in a language where it comes from the catalogue, else as it is.

    Example:
        >>> in_language("runs/photos-1", "ko")
        'runs/photos-1'
    """
    return sentence.in_language(lang) if isinstance(sentence, Message) else sentence


def message_document(sentence: str) -> dict[str, Any]:
    """Code and values of a sentence as JSON holds them beside its text; nothing for other texts.

    Example:
        >>> message_document(message("console.epoch", n=1))
        {'code': 'console.epoch', 'values': {'n': 1}}
    """
    if not isinstance(sentence, Message):
        return {}
    return {"code": sentence.code, "values": {name: _plain(value) for name, value in sentence.values.items()}}


def read_message(text: str, document: Mapping[str, Any]) -> str:
    """The sentence that `message_document` described; the text alone where this version has no such sentence.

    Example:
        >>> read_message("epoch   1", {"code": "console.epoch", "values": {"n": 1}}).in_language("ko")
        '에포크   1'
    """
    code = document.get("code", "")
    if not forms_of(code):
        return text
    try:
        return Message(code, {name: _restored(value) for name, value in document["values"].items()})
    except (KeyError, IndexError, ValueError, TypeError):  # of another version, with other gaps
        return text


def sentences_of(document: Any) -> dict[str, dict[str, Any]]:
    """Every sentence of the catalogue that a document of JSON holds, at any depth: text to code and values.

    Example:
        >>> sentences_of({"notes": [message("console.epoch", n=1), "a name"]})
        {'epoch   1': {'code': 'console.epoch', 'values': {'n': 1}}}
    """
    if isinstance(document, Message):
        return {str(document): message_document(document)}
    if isinstance(document, Mapping):
        document = [*document, *document.values()]
    found: dict[str, dict[str, Any]] = {}
    for each in document if isinstance(document, list | tuple) else ():
        found |= sentences_of(each)
    return found


def with_sentences(document: Any, sentences: Mapping[str, Mapping[str, Any]]) -> Any:
    """A document of JSON in which the texts that `sentences_of` named can be translated again."""
    if isinstance(document, Mapping):
        return {
            with_sentences(name, sentences): with_sentences(value, sentences)
            for name, value in document.items()
        }
    if isinstance(document, list):
        return [with_sentences(value, sentences) for value in document]
    is_named = isinstance(document, str) and document in sentences
    return read_message(document, sentences[document]) if is_named else document


def with_translations(document: Any) -> Any:
    """A document of TOML in which a text that stands there in every language is a sentence.

    Example:
        >>> with_translations({"about": {"en": "a net", "ko": "신경망"}})["about"].in_language("ko")
        '신경망'
    """
    if isinstance(document, list):
        return [with_translations(value) for value in document]
    if not isinstance(document, Mapping):
        return document
    if document.keys() == {*LANGUAGES} and all(isinstance(text, str) for text in document.values()):
        return message("recipes.text", **document)
    return {name: with_translations(value) for name, value in document.items()}


def _plain(value: Any) -> Any:
    if isinstance(value, Message):
        return {"text": str(value), **message_document(value)}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(each) for each in value]
    return value.item() if hasattr(value, "item") else value


def _restored(value: Any) -> Any:
    if isinstance(value, Mapping):
        return read_message(value.get("text", ""), value)
    return [_restored(each) for each in value] if isinstance(value, list) else value


def _spoken(values: Mapping[str, Any], lang: str) -> dict[str, Any]:
    return {name: _said(value, lang) for name, value in values.items()}


def _said(value: Any, lang: str) -> Any:
    """A value as it is said: messages in the language, several things with commas between them."""
    if isinstance(value, list | tuple):
        return ", ".join(str(_said(each, lang)) for each in value)
    return value.in_language(lang) if isinstance(value, Message) else value
