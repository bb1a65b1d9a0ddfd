"""The report's sentences in one language, about images or about rows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mindle.messages import LANGUAGES, forms_of, in_language, require_language, text_of

UNITS = ("images", "rows")


class Sentences:
    """Sentences of `messages/report.toml` in one language.

    Example:
        >>> Sentences("en")("unit.images", n=450), Sentences("en", "rows")("unit.images", n=1)
        ('450 images', '1 row')
    """

    def __init__(self, lang: str, unit: str = "images") -> None:
        require_language(lang)
        if unit not in UNITS:
            raise ValueError(f"`unit` must be one of {', '.join(UNITS)}. Received unit={unit!r}.")
        self.lang = lang
        self.unit = unit

    def __call__(self, name: str, /, **values: Any) -> str:
        """The sentence with its gaps filled."""
        return text_of(f"report.{name}", self.lang, {"unit": self.unit, **values})

    def each(self, group: str, names: Iterable[str]) -> list[str]:
        """The sentences of some names of a group, such as the heads of a table."""
        return [self(f"{group}.{name}") for name in names]

    def known(self, group: str, name: str, otherwise: str | None = None) -> str:
        """What a name that others chose is called; `otherwise`, or the name, where the catalogue has none."""
        if forms_of(f"report.{group}.{name}"):
            return self(f"{group}.{name}")
        return name.replace("_", " ").replace("-", " ") if otherwise is None else otherwise

    def translated(self, sentence: str) -> str:
        """A sentence that came from elsewhere in mindle, in this language where it is in the catalogue."""
        return in_language(sentence, self.lang)

    def foreign(self, sentence: str) -> str | None:
        """The language of such a sentence where it is not that of the page."""
        return LANGUAGES[0] if self.lang != LANGUAGES[0] and self.translated(sentence) == sentence else None

    def duration(self, seconds: float) -> str:
        """Seconds as people say them.

        Example:
            >>> Sentences("en").duration(3723), Sentences("ko").duration(75)
            ('1 h 2 min', '1분 15초')
        """
        if seconds < 59.95:
            return self("unit.seconds", n=f"{seconds:.1f}" if seconds < 9.95 else f"{seconds:.0f}")
        minutes, rest = divmod(round(seconds), 60)
        if minutes < 60:
            return self("unit.minutes", n=str(minutes), rest=str(rest))
        return self("unit.hours", n=str(minutes // 60), rest=str(minutes % 60))
