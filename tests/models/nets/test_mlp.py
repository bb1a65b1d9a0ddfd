"""Dense nets."""

from __future__ import annotations

from mindle.models.nets.mlp import TRASH_MLP, mlp


def test_dropout_follows_the_layer_it_belongs_to() -> None:
    kinds = [layer["kind"] for layer in mlp((8, 4, 2), (0.0, 0.5), outputs=1)]
    assert kinds == ["flatten", "dense", "dense", "dropout", "dense", "dense"]


def test_trash_mlp_is_as_written() -> None:
    assert [layer["units"] for layer in TRASH_MLP if layer["kind"] == "dense"] == [
        512,
        256,
        128,
        64,
        "classes",
    ]
    assert [layer["rate"] for layer in TRASH_MLP if layer["kind"] == "dropout"] == [0.3, 0.3, 0.2, 0.2]
