"""A certificate as one page: limits, scores under every corruption, pictures of them, the model card."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from markupsafe import Markup

from mindle.evaluation.report.formatting import NONE, Score, amount, count, percent
from mindle.evaluation.report.rendering import render
from mindle.evaluation.report.sentences import Sentences
from mindle.messages.catalogue import forms_of, text_of
from mindle.records import Task

Examples = Mapping[str, Sequence[Mapping[str, Any]]]

SECTIONS = ("limits", "scores", "irrelevant", "examples", "latency", "card", "reproduce")
# In the order of the page; a model has some of them.
MEASURES = (
    "accuracy", "mae", "relative", "abstained", "accuracy_of_the_rest", "mae_of_the_rest",
    "coverage", "set_size", "width", "ece",
)  # fmt: skip
_SHARES = ("accuracy", "accuracy_of_the_rest", "coverage", "abstained")


def _written(measure: str, value: float | None) -> str:
    """A score as text: shares and ratios as percentages, the latter also above 100."""
    if value is None:
        return NONE
    if measure == "relative":
        return f"{value:.1%}"
    return percent(value) if measure in _SHARES else amount(value)


class CertificateSentences(Sentences):
    """Sentences of `messages/certificate.toml`, and beside them those of every page."""

    def __call__(self, name: str, /, **values: Any) -> str:
        """The sentence with its gaps filled."""
        if not forms_of(f"certificate.{name}"):
            return super().__call__(name, **values)
        return text_of(f"certificate.{name}", self.lang, {"unit": self.unit, **values})


def certificate_html(document: Mapping[str, Any], examples: Examples, *, lang: str = "en") -> str:
    """The whole page as text: no script, nothing to load, the same bytes for the same content.

    Args:
        document: As it stands in certificate.json.
        examples: By corruption, an entry a severity: a `picture`, or the `cells` that change.
        lang: "en" or "ko".
    """
    page = _Page(document=document, examples=examples, say=CertificateSentences(lang, document["unit"]))
    made = {name: page.render(f"certificate/{name}.html") for name in SECTIONS}
    sections = {name: text for name, text in made.items() if text.strip()}
    return page.render("certificate.html", sections=sections)


@dataclass(frozen=True, kw_only=True)
class _Page:
    """What the templates of a certificate ask."""

    document: Mapping[str, Any]
    examples: Examples
    say: CertificateSentences

    def render(self, template: str, **values: Any) -> Markup:
        name = self.document["model"]["name"]
        title = self.say("page.title", name=name)
        return render(template, page=self, say=self.say, document=self.document, title=title, **values)

    @property
    def failed(self) -> int:
        """How many limits do not hold."""
        return sum(not limit["passed"] for limit in self.document["limits"])

    @property
    def conditions(self) -> int:
        """How many ways there were of looking at the sample."""
        return 1 + len(self.document["corruptions"]) + len(self.document["irrelevant"])

    @cached_property
    def measures(self) -> list[str]:
        """The scores that were measured under corruptions."""
        found = self.document["corruptions"][0] if self.document["corruptions"] else {}
        return [name for name in MEASURES if name in found]

    @property
    def main(self) -> str:
        """The score below each picture."""
        return self.measures[0]

    @cached_property
    def names(self) -> list[str]:
        """The corruptions, in their order."""
        return list(dict.fromkeys(block["name"] for block in self.document["corruptions"]))

    @property
    def severities(self) -> list[int]:
        """From the mildest."""
        return sorted({block["severity"] for block in self.document["corruptions"]})

    def clean(self) -> str:
        """The main score of the sample as it is."""
        cell = self.cell(self.main, self.document["clean"])
        return self.say(
            "page.clean", score=self.called(self.main), value=cell["text"], interval=cell["interval"]
        )

    def called(self, measure: str) -> str:
        """The heading of a table of a score."""
        family = Task(self.document["model"]["task"]).family
        special = f"measure.{measure}_{family}"
        return self.say(special if forms_of(f"certificate.{special}") else f"measure.{measure}")

    def block(self, name: str, severity: int) -> Mapping[str, Any]:
        """What was measured of a corruption at a severity."""
        blocks = [
            *self.document["corruptions"],
            *({**one, "severity": 1} for one in self.document["irrelevant"]),
        ]
        found: Mapping[str, Any] = next(
            one for one in blocks if (one["name"], one["severity"]) == (name, severity)
        )
        return found

    def cell(self, measure: str, block: Mapping[str, Any]) -> dict[str, Any]:
        """A score as text, with its interval and the depth of its colour."""
        score = Score.of(block.get(measure))
        texts = [_written(measure, value) for value in score]
        interval = f"{texts[1]} – {texts[2]}" if score.low is not None and score.high is not None else ""
        if f"{measure}_by_chance" in block:
            interval = self.say("scores.by_chance", value=amount(block[f"{measure}_by_chance"]))
        return {"text": texts[0], "interval": interval, "share": self._depth(measure, block)}

    def _depth(self, measure: str, block: Mapping[str, Any]) -> float:
        """How much of the clean score is left, or is added where less is better, in [0, 1]."""
        value, clean = Score.of(block.get(measure)).value, Score.of(self.document["clean"].get(measure)).value
        if measure == "relative":
            clean = 1.0
        if not value or not clean:
            return 0.0
        return round(min(value / clean, clean / value), 2)

    def amount(self, name: str, severity: int) -> str:
        """How much of a corruption a severity is; "" where that is no amount."""
        value = float(self.document["amounts"][name][severity - 1])
        if not forms_of(f"certificate.amount.{name}"):
            return ""
        return self.say(f"amount.{name}", amount=f"{100 * value:g}", plain=f"{value:g}")

    def limit(self, limit: Mapping[str, Any]) -> dict[str, str]:
        """A limit as a row of the table."""
        score = limit["name"].partition(".")[0]

        def written(value: float | None) -> str:
            return self.say("unmeasured") if value is None else _written(score, value)

        return {
            "name": limit["name"],
            "limit": self.say(f"at-{limit['bound']}", limit=written(limit["limit"])),
            "found": written(limit["found"]),
            "interval": " – ".join(map(written, limit["interval"])) if limit["interval"] else "",
        }

    def megabytes(self, size: float) -> str:
        """Bytes as MB, or that it is not known."""
        return f"{size / 1e6:,.1f} MB" if size else NONE

    def stated(self, text: Any) -> str:
        """What the owner stated, or that nothing was."""
        return str(text) if text else self.say("card.unstated")

    def number(self, value: float) -> str:
        """A count."""
        return count(value)

    def evaluated(self) -> str:
        """What the figures were measured on."""
        data = self.document["card"]["evaluation_data"]
        source = data["source"] or self.say("card.test-part")
        return self.say("card.evaluated", n=count(data["n"]), of=count(data["of"]), source=source)

    def command(self) -> str:
        """What to type for the same figures."""
        data = self.document["card"]["evaluation_data"]
        given = ["--data", data["source"]] if data["source"] else []
        model, seed = self.document["model"]["path"], str(self.document["seed"])
        return shlex.join(["mindle", "certify", model, *given, "--seed", seed])
