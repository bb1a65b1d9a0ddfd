"""Whether a backbone may be computed in bfloat16: proved by the heads on it, on rows of train and val.

Features in bfloat16 are some per cent off (root mean square: MobileNetV2 9.5, EfficientNet-Lite0 3.7); a head
that is fitted on them may hardly be. The proof shows it: the same kind of head, on both kinds of features of
the same images, answers them out of fold, and the answers are compared pair by pair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mindle.engines import lacks
from mindle.evaluation import tasks
from mindle.evaluation.compare import as_good, compare
from mindle.evaluation.family import Reading
from mindle.evaluation.paired import Difference
from mindle.messages import message
from mindle.records import Answers
from mindle.training.budget import duration
from mindle.training.images.backbones import EmbeddedBackbone, rows_to_learn
from mindle.training.images.features import Engine
from mindle.training.images.heads.features import block_of, sample_of

if TYPE_CHECKING:
    from mindle.training.images.selection import ModelSelection

# No score may lose more, by the 95 % interval of the paired difference, than this share of accuracy, or what
# `as_good` says of losses. On fewer images that could hardly be shown: where 1 % of the answers differ, the
# interval of 3,000 is 0.7 points wide.
PROOF_IMAGES, MARGIN = 3000, 0.005
# Share of the time left that a proof may take.
SHARE = 0.25


def prove(
    selection: ModelSelection[Any], exact: Engine, rounded: Engine, each: float, images: int
) -> dict[str, Any]:
    """The decision for the second engine where it saves more time than the proof takes, and is shown as good.

    Args:
        selection: Whose rows and heads these are.
        exact: Embeds in float32.
        rounded: Embeds with the same backbone in another precision.
        each: Seconds that the first takes for an image.
        images: How many images it has to embed, and views of them.
    """
    on_card = selection.context.device.type == "cuda"
    if reason := message("selection.precision.cuda") if on_card else lacks(rounded.precision):
        return _stays(message("selection.precision.lacking", reason=reason))
    rows = _rows(selection)
    some = selection.problem.pixels(rows[:16], exact.card.spec, selection.listener)
    fast = rounded.seconds_an_image(some)
    saved = images * (each - fast)
    cost = len(rows) * (each + fast) + 2 * selection.head_seconds(len(rows), 0)
    if saved <= cost or cost > SHARE * selection.deadline.remaining():
        times = {"saved": duration(max(saved, 0.0)), "cost": duration(cost)}
        return _stays(message("selection.precision.little", **times))
    comparison = compare(*(_answers(selection.beside(rows), engine) for engine in (exact, rounded)))
    facts = {"n": len(rows), "scores": [_said(difference) for difference in comparison.differences]}
    if not as_good(comparison, MARGIN):
        return _stays(message("selection.precision.worse", **facts))
    return {
        "precision": rounded.precision,
        "reason": message("selection.precision.proved", **facts),
        "engine": str(rounded.plan),
        "seconds_an_image": round(fast, 6),
    }


def _rows(selection: ModelSelection[Any]) -> NDArray[np.int64]:
    """All of val and a sample of train, or of both where val is large."""
    rows = rows_to_learn(selection.problem, PROOF_IMAGES, seed=selection.seed)
    if len(rows) > PROOF_IMAGES:
        rows = rows[sample_of(len(rows), PROOF_IMAGES, selection.seed)]
    return rows


def _answers(selection: ModelSelection[Any], engine: Engine) -> Answers:
    """What the head that backbones are compared by answers out of fold."""
    problem, rows = selection.problem, selection.rows
    pixels = problem.pixels(rows, engine.card.spec, selection.listener)
    features = engine.embed(pixels, problem.keys(rows))  # (view, image, feature)
    backbone = EmbeddedBackbone(
        card=engine.card, raw=features[0], block=block_of(features), seconds_an_image=0.0
    )
    evaluation = tasks.of(problem.task)
    answered = selection.answered(selection.rank([backbone]).candidate)
    reading, paths = Reading(classes=problem.classes), tuple(map(str, rows.tolist()))
    found: Answers = evaluation.answers(evaluation.outputs_of(answered), reading, paths, problem.truth[rows])
    return found


def _stays(reason: str) -> dict[str, Any]:
    """The decision for float32."""
    return {"precision": "float32", "reason": reason}


def _said(each: Difference) -> str:
    names = ("name", "first", "second", "low", "high")
    return message("selection.precision.difference", **{name: getattr(each, name) for name in names})
