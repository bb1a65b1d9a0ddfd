"""Cards: read as data, strictly, and refused with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mindle.errors import ModelError
from mindle.models.pretrained.cards import (
    card_as_dict,
    card_from_dict,
    check_hash,
    hash_file,
    imagenet_labels,
    load_tensors,
    read_card,
    tensor_shapes,
)

FIELDS: dict[str, Any] = {
    "schema": 1,
    "library": "timm",
    "model": "resnet18",
    "input_size": [64, 96],
    "mean": [0.5, 0.5, 0.5],
    "std": [0.25, 0.25, 0.25],
}


def write(folder: Path, **fields: Any) -> Path:
    """A card and its weight file; a field given as None is omitted."""
    save_file({"fc.weight": torch.zeros(3, 4)}, folder / "mine.safetensors")
    kept = {name: value for name, value in (FIELDS | fields).items() if value is not None}
    path = folder / "mine.json"
    path.write_text(json.dumps(kept), encoding="utf-8")
    return path


def test_a_short_card_is_enough(tmp_path: Path) -> None:
    card = read_card(write(tmp_path), "--weights")
    assert (card.name, card.model, card.origin) == ("mine", "resnet18", "--weights")
    assert (card.spec.height, card.spec.width, card.spec.std) == (64, 96, (0.25, 0.25, 0.25))
    assert card.path == tmp_path / "mine.safetensors"
    assert card.sha256 == hash_file(tmp_path / "mine.safetensors")
    assert card.size_bytes == (tmp_path / "mine.safetensors").stat().st_size


def test_class_names_lie_beside_the_card(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("민들레\ndaisy\n", encoding="utf-8")
    assert read_card(write(tmp_path, labels="names.txt"), "here").labels == ("민들레", "daisy")


def test_a_card_survives_its_json_form(tmp_path: Path) -> None:
    card = read_card(write(tmp_path, arguments={"pad_type": "same"}, identity=["a.b"], features=512), "here")
    again = card_from_dict(json.loads(json.dumps(card_as_dict(card))), "there")
    assert card_as_dict(again) == card_as_dict(card)
    assert again.spec == card.spec


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"schema": 2}, "must have schema 1. Received 2"),
        ({"mean": None}, "lacks mean"),
        ({"model": "hf-hub:someone/evil"}, "`model` must be a plain name"),
        ({"library": "keras"}, "`library` must be one of timm, torchvision"),
        ({"batch_norm": "frozen"}, "`batch_norm` must be one of"),
        ({"input_size": [64]}, "describes no input or network that can be"),
        ({"std": [0.0, 1.0, 1.0]}, "describes no input or network that can be"),
        ({"interpolation": "random"}, "describes no input or network that can be"),
        ({"arguments": {"checkpoint_path": "x.pth"}}, "`arguments` must be plain settings"),
        ({"arguments": {"pretrained": True}}, "`arguments` must be plain settings"),
        ({"arguments": {"act_layer": {"kind": "relu"}}}, "`arguments` must be plain settings"),
        ({"weights": "../mine.safetensors"}, "`weights` must name a file beside the card"),
        ({"weights": "other.safetensors"}, "speaks of other.safetensors, which is not beside it"),
        ({"labels": "/etc/hostname"}, "`labels` must name a file beside the card"),
        ({"labels": "names.txt"}, "class names of a card cannot be read"),
    ],
)
def test_wrong_cards_are_refused(tmp_path: Path, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        read_card(write(tmp_path, **fields), "--weights")


def test_text_that_is_no_card_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path)
    for text, message in (("{", "cannot be read"), ("[]", "must hold one JSON object")):
        path.write_text(text)
        with pytest.raises(ModelError, match=message):
            read_card(path, "--weights")


def test_shapes_come_from_the_header_alone(tmp_path: Path) -> None:
    write(tmp_path)
    assert tensor_shapes(tmp_path / "mine.safetensors") == {"fc.weight": (3, 4)}
    (tmp_path / "bad.safetensors").write_bytes(b"\xff" * 40)
    with pytest.raises(ModelError, match="must be a safetensors file"):
        tensor_shapes(tmp_path / "bad.safetensors")


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "cut.safetensors"
    write(tmp_path)
    path.write_bytes((tmp_path / "mine.safetensors").read_bytes()[:-8])
    with pytest.raises(ModelError, match="cut.safetensors cannot be read"):
        load_tensors(path)
    with pytest.raises(ModelError, match="must have the sha256 00"):
        check_hash(path, "00")
    with pytest.raises(ModelError, match="cannot be read"):
        hash_file(tmp_path / "absent")


def test_imagenet_names() -> None:
    one, two = imagenet_labels(1000), imagenet_labels(1001)
    assert one is not None
    assert two is not None
    assert (len(one), two[0], two[1:]) == (1000, "background", one)
    assert imagenet_labels(10) is None
