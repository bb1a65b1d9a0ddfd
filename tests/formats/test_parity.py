"""Two forms of a model are compared answer by answer."""

from __future__ import annotations

import numpy as np
import pytest

from mindle.errors import ArtifactError
from mindle.formats.parity import compare_answers, require_parity


def test_equal_answers_pass() -> None:
    answers = np.random.default_rng(0).dirichlet(np.ones(4), 20)
    parity = compare_answers(answers, answers + 5e-6)
    assert (parity.images, parity.same_top1) == (20, 20)
    assert parity.largest_difference == pytest.approx(5e-6)
    require_parity(parity, "The export")


def test_a_tie_may_fall_either_way() -> None:
    one, other = np.array([[0.500001, 0.499999]]), np.array([[0.499999, 0.500001]])
    parity = compare_answers(one, other)
    assert (parity.images, parity.same_top1) == (1, 1)
    require_parity(parity, "The export")


@pytest.mark.parametrize(
    "exported",
    [[[0.4, 0.6]], [[0.7997, 0.2003]], [[float("nan"), 0.2]]],
    ids=["other class", "too far", "nan"],
)
def test_different_answers_are_refused(exported: list[list[float]]) -> None:
    parity = compare_answers(np.array([[0.8, 0.2]]), np.array(exported))
    with pytest.raises(ArtifactError, match="must answer like the model"):
        require_parity(parity, "The export")
