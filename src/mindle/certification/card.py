"""The model card: what a model is, what it was made from, and what its owner says of it.

Source:
    Mitchell et al. 2019, "Model Cards for Model Reporting", https://arxiv.org/abs/1810.03993, figure 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mindle.artifacts.bundle import Bundle
from mindle.artifacts.run import RunFolder
from mindle.messages import message
from mindle.serving.opened import Opened


def model_card(
    opened: Opened,
    bundle: Bundle,
    run: RunFolder | None,
    stated: Mapping[str, str],
    evaluated: Mapping[str, Any],
) -> dict[str, Any]:
    """The nine sections of a model card; what nobody can know but its owner is what was stated, or None.

    Args:
        opened: The model.
        bundle: Its bundle.
        run: Its run, where there is one.
        stated: Fields that the owner stated, see `limits.CARD_FIELDS`.
        evaluated: What the certificate was measured on.
    """
    document: dict[str, Any] = {} if run is None else run.document()
    data = document.get("data", {})
    return {
        "model_details": {
            "task": str(bundle.task),
            "classes": list(bundle.classes),
            "target": opened.target.name,
            "strategy": bundle.details.get("strategy"),
            "made_with": f"mindle {bundle.details.get('mindle', '')}".strip(),
            "finished": document.get("finished"),
            "command": document.get("command"),
            "parameters": document.get("parameters", {}).get("all"),
            "licences": [dict(one) for one in bundle.licences],
            "owner": stated.get("owner"),
            "contact": stated.get("contact"),
        },
        "intended_use": {
            "intended_use": stated.get("intended_use"),
            "out_of_scope": stated.get("out_of_scope"),
        },
        "factors": message(f"certificate.card.factors-{opened.source.unit}"),
        "metrics": message(f"certificate.card.metrics-{bundle.task.family}"),
        "evaluation_data": dict(evaluated),
        "training_data": {
            "name": document.get("name"),
            "fingerprint": bundle.details.get("data"),
            "counts": data.get("counts", {}),
            "set_aside": data.get("set_aside", {}),
            "findings": [found["message"] for found in data.get("findings", ())],
        },
        "quantitative_analyses": message("certificate.card.analyses"),
        "ethical_considerations": stated.get("ethical_considerations"),
        "caveats": [
            message(f"certificate.card.caveat-{name}", unit=opened.source.unit)
            for name in ("kind", "corruptions", "machine")
        ]
        + [message("certificate.card.caveat-photos", n=count) for count in _photos(bundle)],
    }


def _photos(bundle: Bundle) -> list[int]:
    """How many training images a bundle carries, where it does."""
    count = bundle.details.get("neighbours")
    return [count] if isinstance(count, int) and count else []
