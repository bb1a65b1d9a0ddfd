"""What a bundle says of when not to answer comes back from it."""

from __future__ import annotations

import numpy as np
import pytest

from mindle.evaluation.trust.abstention import Abstention, read_abstention
from mindle.evaluation.trust.label_sets import fit_label_sets
from mindle.evaluation.trust.limits import Limits


def test_it_comes_back_from_its_document() -> None:
    sets = fit_label_sets(np.tile([0.7, 0.3], (50, 1)), np.zeros(50, int))
    limits = Limits(side=12, measured={"held_out": 50})
    given = Abstention(refuse=0.05, label_sets=sets, limits=limits)
    again = read_abstention(given.document(), given.arrays())
    assert again.document() == given.document()


@pytest.mark.parametrize(
    "change",
    [{"schema": 2}, {"refuse": "much"}, {"label_sets": []}, {"reasons": {"small": {"side": []}}}],
    ids=str,
)
def test_a_document_that_means_nothing_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="`abstention"):
        read_abstention(Abstention(refuse=0.05).document() | change, {})
