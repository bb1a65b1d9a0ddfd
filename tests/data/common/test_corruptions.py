"""A corruption by its severities, and where chance comes from."""

from __future__ import annotations

import pytest

from mindle.data.common.corruptions import Corruption, generator_of

ADDED: Corruption[float, None] = Corruption(
    name="added", amounts=(1.0, 2.0), change=lambda item, amount, _: item + amount
)


def test_severities_begin_with_one() -> None:
    assert [ADDED.apply(0.0, severity, None) for severity in ADDED.severities] == [1.0, 2.0]


@pytest.mark.parametrize("severity", [0, 3])
def test_other_severities_are_refused(severity: int) -> None:
    with pytest.raises(ValueError, match="`severity` of added must lie in 1 to 2"):
        ADDED.apply(0.0, severity, None)


def test_chance_follows_content_name_and_seed_alone() -> None:
    first = generator_of("ab", "noise", 1).random()
    assert generator_of("ab", "noise", 1).random() == first
    others = [
        generator_of(*key).random() for key in (("ac", "noise", 1), ("ab", "crop", 1), ("ab", "noise", 2))
    ]
    assert first not in others
