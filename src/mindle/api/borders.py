"""How much of a model's answers comes from the border of the images: at each training, and by `explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mindle.messages import message
from mindle.records import Answers, Listener

if TYPE_CHECKING:
    from mindle.data import Pixels
    from mindle.serving.opened import Opened

IMAGES = 60
"""Of the test split, at most: three forward passes each, half a second on one backbone."""


def borders_of_test(
    opened: Opened, stored: Pixels, answers: Answers, listener: Listener
) -> list[dict[str, Any]]:
    """The share of the border by class, of some images of the test split that are answered well.

    Args:
        opened: The bundle.
        stored: Pixels of the test split.
        answers: To them, in the same order.
        listener: Hears of classes that the background may give away.
    """
    from mindle.evaluation import tasks
    from mindle.explanation.border import answered_well

    rows = np.array(answered_well(answers, IMAGES), np.int64)
    targets = tasks.of(answers.task).explained(answers)[rows]
    return borders_of(opened, stored[rows], targets, listener) if len(rows) else []


def borders_of(
    opened: Opened, pixels: NDArray[np.uint8], targets: NDArray[np.int64], listener: Listener
) -> list[dict[str, Any]]:
    """The share of the border by class, as documents hold it; where it is too much, it is said."""
    from mindle.explanation.border import AREA, borders
    from mindle.explanation.maps import scored

    found = borders(scored(opened), pixels, targets, opened.classes or (opened.target.name,))
    for each in found:
        if each.is_too_much:
            share = f"{each.share['value']:.0%}"
            listener.say(message("explain.border", name=each.name, share=share, area=f"{AREA:.0%}"))
    return [each.document() for each in found]
