"""Limits that a certificate holds a model to: read from TOML, and compared with what was found."""

from __future__ import annotations

import difflib
import math
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mindle.certification.measure import Measured
from mindle.certification.samples import Sample
from mindle.certification.scores import Scores, value_of

LATENCY_MS = 100.0
"""What 95 % of the answers to one image or row must take at most, unless the limits say otherwise."""

ABSTAINED = 0.95
"""The share of irrelevant inputs that a model which can abstain must withhold an answer to, likewise."""

CLEAN, CARD = "clean", "card"
CARD_FIELDS = ("owner", "intended_use", "out_of_scope", "ethical_considerations", "contact")
_OVERALL = {
    **{f"latency_{quantile}_ms": quantile for quantile in ("p50", "p95", "p99")},
    "memory_mb": "memory_bytes",
    "size_mb": "size_bytes",
}


@dataclass(frozen=True, kw_only=True)
class Limit:
    """One limit.

    Attributes:
        name: As it stands in the file, such as "accuracy.blur.3".
        bound: The least or the most that is allowed.
        least: Whether it is the least.
        path: Where the figure stands: a score, the name of a corruption, its severity; or one overall word.
    """

    name: str
    bound: float
    least: bool
    path: tuple[str, ...]

    def compared(self, score: Any) -> dict[str, Any]:
        """The limit beside what was found, and its interval; what could not be measured has not passed."""
        found, ends = value_of(score), [score["low"], score["high"]] if isinstance(score, Mapping) else []
        return {
            "name": self.name,
            "bound": "least" if self.least else "most",
            "limit": self.bound,
            "found": found,
            "interval": ends if ends and None not in ends else None,
            "passed": found is not None and (found >= self.bound if self.least else found <= self.bound),
        }


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a model is held to, and what its owner says of it.

    Attributes:
        given: Each limit that the user stated.
        card: Fields of the model card, see `CARD_FIELDS`.
    """

    given: tuple[Limit, ...] = ()
    card: Mapping[str, str] = field(default_factory=dict)

    def all(self, sample: Sample, *, abstains: bool) -> list[Limit]:
        """The stated limits, and those that hold unless they are stated."""
        stated = {limit.name: limit for limit in self.given}
        default = [Limit(name="latency_p95_ms", bound=LATENCY_MS, least=False, path=("latency_p95_ms",))]
        for one in sample.irrelevant if abstains else ():
            name = f"abstained.{one.name}"
            default.append(Limit(name=name, bound=ABSTAINED, least=True, path=("abstained", one.name)))
        rest = [limit for limit in default if limit.name not in stated]
        return [limit for limit in (*self.given, *rest) if math.isfinite(limit.bound)]


def read_limits(given: Any, sample: Sample, scores: Scores[Any]) -> Limits:
    """Limits from a TOML file, or from what one holds.

    Args:
        given: The file, a mapping, or None.
        sample: Whose corruptions may be named.
        scores: Which may be named.

    Raises:
        ValueError: If it is no TOML, names something else, or a limit is no number.
    """
    document = _document(given)
    card = document.get(CARD, {})
    _require_known(card if isinstance(card, Mapping) else {}, CARD_FIELDS, f"{CARD}.")
    if not isinstance(card, Mapping) or not all(isinstance(text, str) for text in card.values()):
        raise ValueError(f"`{CARD}` must hold texts. Received {card!r:.80}.")
    tables = {CARD, "abstained", *scores.least, *scores.most}
    _require_known(document, (*_OVERALL, *sorted(tables)), "")
    limits = [
        limit
        for name, value in document.items()
        if name != CARD
        for limit in _read(name, value, sample, scores)
    ]
    return Limits(given=tuple(limits), card=dict(card))


def _document(given: Any) -> Mapping[str, Any]:
    if given is None or isinstance(given, Mapping):
        return given or {}
    try:
        return tomllib.loads(Path(os.fspath(given)).read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(
            f"`limits` must be a file of TOML. Received {os.fspath(given)}: {error}. A line looks like "
            "latency_p95_ms = 100."
        ) from error
    except OSError as error:
        raise ValueError(
            f"`limits` must be a file that can be read. Received {os.fspath(given)}: {error.strerror}."
        ) from error


def _read(name: str, value: Any, sample: Sample, scores: Scores[Any]) -> Iterator[Limit]:
    """The limits of one entry of the document."""
    if name in _OVERALL:
        yield Limit(name=name, bound=_number(name, value), least=False, path=(name,))
        return
    if not isinstance(value, Mapping):
        raise ValueError(
            f"`{name}` must be a table, such as [{name}] with {CLEAN} = 0.9. Received {value!r}."
        )
    irrelevant = [one.name for one in sample.irrelevant] if name == "abstained" else []
    severities = {one.name: [str(each) for each in one.severities] for one in sample.corruptions}
    _require_known(value, (CLEAN, *irrelevant, *severities), f"{name}.")
    for key, bound in value.items():
        full = f"{name}.{key}"
        if key == CLEAN or key in irrelevant:
            least = name in scores.least or key in irrelevant
            yield Limit(name=full, bound=_number(full, bound), least=least, path=(name, key))
            continue
        least = name in scores.least or name == "abstained"
        each = bound if isinstance(bound, Mapping) else dict.fromkeys(severities[key], bound)
        _require_known(each, severities[key], f"{full}.")
        for severity, most in each.items():
            at = f"{full}.{severity}"
            yield Limit(name=at, bound=_number(at, most), least=least, path=(name, key, severity))


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or math.isnan(value):
        raise ValueError(f"`{name}` must be a number. Received {value!r}.")
    return float(value)


def _require_known(given: Mapping[str, Any], known: Sequence[str], prefix: str) -> None:
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"Did you mean {prefix}{near[0]}?" if near else f"Known are {', '.join(known)}."
            raise ValueError(f"`limits` must name what is measured. Received {prefix}{name}. {hint}")


def compared(
    limits: Sequence[Limit], measured: Measured, latency: Sequence[Mapping[str, Any]], size_bytes: int
) -> list[dict[str, Any]]:
    """Every limit beside what was found."""
    return [limit.compared(_found(limit.path, measured, latency, size_bytes)) for limit in limits]


def _found(
    path: tuple[str, ...], measured: Measured, latency: Sequence[Mapping[str, Any]], size_bytes: int
) -> Any:
    """A number or a score with its interval, None where it was not measured."""
    if len(path) == 1:
        facts = {**latency[0], "size_bytes": size_bytes}  # of one image or row
        value = float(facts[_OVERALL[path[0]]])
        return (value / 1e6 or None) if path[0].endswith("_mb") else value
    score, condition, *severity = path
    blocks: dict[tuple[str, ...], Mapping[str, Any]] = {(CLEAN,): measured.clean}
    blocks |= {(block["name"],): block for block in measured.irrelevant}
    blocks |= {(block["name"], str(block["severity"])): block for block in measured.corruptions}
    return blocks[condition, *severity].get(score)
