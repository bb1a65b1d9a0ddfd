"""A certificate: what was measured of a model, in one document, and whether it stays within its limits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SCHEMA = 1
DOCUMENT, PAGE = "certificate.json", "certificate.html"


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """What a model was measured to withstand.

    Attributes:
        document: As it stands in certificate.json.
        path: The folder that it was written to.

    Example:
        >>> Certificate(document={"limits": [{"name": "size_mb", "passed": True}]}, path=Path()).passed
        True
    """

    document: Mapping[str, Any]
    path: Path

    @property
    def passed(self) -> bool:
        """Whether every limit holds."""
        return all(limit["passed"] for limit in self.limits)

    @property
    def limits(self) -> Sequence[Mapping[str, Any]]:
        """Each limit with what was found."""
        found: Sequence[Mapping[str, Any]] = self.document["limits"]
        return found

    @property
    def page(self) -> Path:
        """The page."""
        return self.path / PAGE

    def as_dict(self) -> dict[str, Any]:
        """The document that `mindle certify --json` writes."""
        return dict(self.document)
