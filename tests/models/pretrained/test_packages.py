"""The embedded backbone: known by its hash, renamed, kept, and equal to the public conversion."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mindle.errors import ModelError
from mindle.models.pretrained.packages import PACKAGES, package_cards, read_package


def test_lite0_is_always_there() -> None:
    card = package_cards()[0]
    assert (card.model, card.spec.height, card.features, card.licence) == (
        "tf_efficientnet_lite0",
        224,
        1280,
        "Apache-2.0",
    )
    assert card.path is not None
    assert card.path.name.endswith(".pth")


def test_it_is_converted_once_and_mended_when_damaged(tmp_path: Path) -> None:
    card = package_cards()[0]
    first = read_package(card, PACKAGES[0], tmp_path)
    kept = tmp_path / f"{card.name}.safetensors"
    written = kept.stat().st_mtime_ns
    again = read_package(
        replace(card, path=tmp_path / "gone.pth"), PACKAGES[0], tmp_path
    )  # from the cache alone
    assert again.keys() == first.keys()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert kept.stat().st_mtime_ns == written

    data = bytearray(kept.read_bytes())
    data[-1] ^= 1
    kept.write_bytes(data)
    repaired = read_package(card, PACKAGES[0], tmp_path)
    assert all(torch.equal(first[name], repaired[name]) for name in first)
    assert not list(tmp_path.glob("*.partial"))


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "efficientnet-lite0-57934424.pth"
    path.write_bytes(b"cos\nsystem\n(S'true'\ntR.")  # what a hostile pickle looks like
    with pytest.raises(ModelError, match="must have the sha256 579344"):
        read_package(replace(package_cards()[0], path=path), PACKAGES[0], tmp_path / "cache")


def test_an_unwritable_cache_is_no_reason_to_stop(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    assert len(read_package(package_cards()[0], PACKAGES[0], tmp_path / "cache")) == 296


@pytest.mark.shared
def test_lite0_equals_the_public_conversion(shared: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file

    wanted = load_file(next((shared / "weights").glob("tf_efficientnet_lite0*.safetensors")))
    found = read_package(package_cards()[0], PACKAGES[0], tmp_path)
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[name], wanted[name]) for name in wanted)


@pytest.mark.parametrize("place", [1, 2])
def test_the_larger_ones_fit_where_installed(place: int, tmp_path: Path) -> None:
    package = PACKAGES[place]
    if importlib.util.find_spec(package.module) is None:
        pytest.skip(f"needs {package.module}, which the extra `weights` installs")
    from mindle.models.pretrained.backbone import build_backbone

    card = next(card for card in package_cards() if card.sha256 == package.card.sha256)
    net = build_backbone(card)
    assert net.output_shape() == (1280,)
