"""`--decisions`: what a person decided about labels, on its way into a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from mindle.artifacts.label_issues import Verdict, digest, read_decisions
from mindle.messages import message
from mindle.records import Examples

if TYPE_CHECKING:
    from mindle.api.run_context import RunContext
    from mindle.data.common.decisions import Decided

Data = TypeVar("Data", bound=Examples)


@dataclass(frozen=True, kw_only=True)
class Decisions:
    """The verdicts that a training was given.

    Attributes:
        verdicts: In the order of their file.
    """

    verdicts: tuple[Verdict, ...]

    def of(self, data: Data, run: RunContext) -> Decided[Data]:
        """What they change about checked and split data; run.json says how many of them were applied."""
        from mindle.data.common.decisions import decide

        decided = decide(data, self.verdicts)
        run.log.record(label_decisions=dict(decided.counts))
        if not self.verdicts:
            run.listener.say(message("doctor.decisions.none"))
        return decided


def decisions_of(given: str | os.PathLike[str] | None, precision: float) -> Decisions | None:
    """The decisions that a call names; see `read_decisions`."""
    return None if given is None else Decisions(verdicts=read_decisions(given, precision))


def asked_of(decisions: Decisions | None) -> Mapping[str, Any]:
    """What run.json keeps of them among what was asked: their content, whatever file it stood in."""
    if decisions is None:
        return {}
    return {"decisions": {"n": len(decisions.verdicts), "sha256": digest(decisions.verdicts)}}
