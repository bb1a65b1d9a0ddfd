"""Explanations as one HTML file that opens offline, and as JSON."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mindle.evaluation.report.formatting import percent
from mindle.evaluation.report.rendering import render
from mindle.evaluation.report.sentences import Sentences
from mindle.messages import forms_of, text_of

_SECTIONS = {
    "explained": "explanations/explained.html",
    "trust_in_maps": "explanations/trust_in_maps.html",
    "borders": "sections/borders.html",
    "layers": "explanations/layers.html",
    "importance": "explanations/importance.html",
    "reading": "explanations/reading.html",
}


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A map, or a sheet of feature maps or filters, as a picture.

    Attributes:
        name: Of the method, or of the layer.
        file: Its name in the folder.
        picture: PNG.
        document: What else is known of it.
    """

    name: str
    file: str
    picture: bytes
    document: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Explained:
    """One image or row with what explains its answer.

    Attributes:
        key: What names it, such as its path.
        answer: What the model says, as a table of answers has it; "reason" where it says nothing.
        target: Which class the maps are about; "" of numbers.
        photo: What the model was shown, as a JPEG; b"" of rows.
        maps: Of each method.
        features: Sheets of feature maps, layer by layer.
        columns: Of rows, {"name", "value", "share", "error"} of each column, the largest first.
        base: Of rows, the mean score of the background.
        neighbours: Nearest training images, {"path", "label", "picture"}.
    """

    key: str
    answer: Mapping[str, Any]
    target: str = ""
    photo: bytes = b""
    maps: Sequence[Drawn] = ()
    features: Sequence[Drawn] = ()
    columns: Sequence[Mapping[str, Any]] = ()
    base: float = 0.0
    neighbours: Sequence[Mapping[str, Any]] = ()

    def document(self) -> dict[str, Any]:
        """As explanations.json holds it."""
        found: dict[str, Any] = {"path": self.key, **self.answer}
        if self.maps:
            found["maps"] = {each.name: {"file": each.file, **each.document} for each in self.maps}
        if self.features:
            found["features"] = {each.name: each.file for each in self.features}
        if self.columns:
            found |= {"base": self.base, "columns": [dict(each) for each in self.columns]}
        if self.neighbours:
            found["neighbours"] = [
                {name: each[name] for name in ("path", "label")} for each in self.neighbours
            ]
        return found


@dataclass(frozen=True, kw_only=True)
class PageContent:
    """What a page of explanations shows.

    Attributes:
        name: Of the model.
        unit: "images" or "rows".
        explained: Each image or row.
        checks: The document of checks.json; empty of rows.
        filters: Sheets of what layers look for.
        importance: Of rows, the permutation importance of the run's report.
    """

    name: str
    unit: str
    explained: Sequence[Explained]
    checks: Mapping[str, Any] = field(default_factory=dict)
    filters: Sequence[Drawn] = ()
    importance: Sequence[Mapping[str, Any]] = ()


class Words(Sentences):
    """Sentences of `messages/explain.toml`, and where it has none those of the report."""

    def __call__(self, name: str, /, **values: Any) -> str:
        """The sentence with its gaps filled."""
        if not forms_of(f"explain.{name}"):
            return super().__call__(name, **values)
        return text_of(f"explain.{name}", self.lang, {"unit": self.unit, **values})


def explanations_html(content: PageContent, *, lang: str = "en") -> str:
    """The whole page as text: no script, nothing to load."""
    say = Words(lang, content.unit)
    shown = {
        "say": say,
        "content": content,
        "source": picture_source,
        "share": share_text,
        "failed": failed(content.checks),
    }
    known = {"borders": [each for each in content.checks.get("borders", ()) if each["n"]]}
    sections = {name: render(template, values=known, **shown) for name, template in _SECTIONS.items()}
    return render(
        "explanations.html",
        title=say("page_title", name=content.name),
        sections={name: text for name, text in sections.items() if text.strip()},
        **shown,
    )


def failed(checks: Mapping[str, Any]) -> dict[str, list[str]]:
    """What speaks against each method that failed its checks."""
    methods = checks.get("methods", {})
    return {name: found["failures"] for name, found in methods.items() if found["failures"]}


def picture_source(picture: bytes) -> str:
    """A picture as the source of an image, inside the page."""
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64," + b64encode(picture).decode("ascii")


def share_text(score: Mapping[str, float | None]) -> str:
    """A share with its interval, "" where it is not known.

    Example:
        >>> share_text({"value": 0.9, "low": 0.8, "high": 0.95})
        '90.0% (80.0% – 95.0%)'
    """
    if score.get("value") is None:
        return ""
    value, low, high = (percent(float(score[name] or 0.0)) for name in ("value", "low", "high"))
    return f"{value} ({low} – {high})"
