"""The list of nets itself; what each net does is in test_every_model.py."""

from __future__ import annotations

from mindle.models.nets.zoo import CARDS, ZOO


def test_names_are_unique_and_keyed() -> None:
    assert len(ZOO) == len(CARDS)
    assert all(name == card.name for name, card in ZOO.items())


def test_the_course_counts_stand_as_the_notes_have_them() -> None:
    counts = {name: ZOO[name].parameters for name in ("catsdogs-cnn", "cifar-dnn", "cifar-cnn")}
    assert counts == {"catsdogs-cnn": 1_684_705, "cifar-dnn": 411_146, "cifar-cnn": 1_634_058}


def test_every_card_says_what_it_is_for() -> None:
    assert all(card.use and card.source for card in CARDS)
