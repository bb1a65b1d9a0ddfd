"""The list of nets itself; what each net does is in test_every_model.py."""

from __future__ import annotations

from mindle.models.nets.zoo import ZOO


def test_trash_mlp_is_as_written() -> None:
    layers = ZOO["trash-mlp"].layers(150, 150)
    assert [layer["units"] for layer in layers if layer["kind"] == "dense"] == [512, 256, 128, 64, "classes"]
    assert [layer["rate"] for layer in layers if layer["kind"] == "dropout"] == [0.3, 0.3, 0.2, 0.2]


def test_layers_can_be_changed_without_changing_the_card() -> None:
    ZOO["fashion-cnn"].layers(28, 28)[0]["channels"] = 1
    assert ZOO["fashion-cnn"].layers(28, 28)[0]["channels"] == 32


def test_the_course_counts_stand_as_in_the_course() -> None:
    counts = {name: ZOO[name].parameters for name in ("catsdogs-cnn", "cifar-dnn", "cifar-cnn")}
    assert counts == {"catsdogs-cnn": 1_684_705, "cifar-dnn": 411_146, "cifar-cnn": 1_634_058}


def test_every_card_says_what_it_is_for() -> None:
    assert all(card.use and card.source for card in ZOO.values())
