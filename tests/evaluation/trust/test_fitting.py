"""What is found on answers out of fold."""

from __future__ import annotations

import numpy as np

from mindle.evaluation.trust.fitting import fit_abstention
from mindle.records import OutOfFold


def out_of_fold(count: int = 200) -> OutOfFold:
    generator = np.random.default_rng(0)
    probabilities = generator.dirichlet(np.full(3, 0.3), count)
    return OutOfFold(
        rows=np.arange(count),
        outputs={"probabilities": probabilities},
        truth=(probabilities.cumsum(axis=1) > generator.random((count, 1))).argmax(axis=1),
        folds=np.arange(count) % 5,
        groups=np.arange(count),
        learned_from=np.ones(count, bool),
    )


def test_label_sets_are_found_and_judge_by_other_folds() -> None:
    found = out_of_fold()
    fitted = fit_abstention(found, level=0.8)
    sets = fitted.abstention.label_sets
    assert sets is not None
    assert fitted.sets is not None
    assert (sets.level, sets.n.tolist()) == (0.8, [200])
    assert abs(fitted.sets[np.arange(200), found.truth].mean() - 0.8) < 0.05


def test_numbers_and_nothing_get_none() -> None:
    nothing = out_of_fold(0)
    numbers = OutOfFold(**{**vars(out_of_fold()), "outputs": {"estimate": np.zeros(200)}})
    for found in (nothing, numbers):
        assert fit_abstention(found).abstention.label_sets is None
