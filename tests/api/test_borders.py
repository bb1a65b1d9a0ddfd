"""A training measures how much comes from the border, and its report warns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import mindle
from mindle.artifacts.bundle import read_bundle
from mindle.artifacts.manifest import read_manifest
from mindle.certification.card import model_card
from mindle.serving.opened import open_model
from mindle.training.recipe import Recipe
from mindle.training.settings import ModelSettings, TrainSettings

SIDE = 32
NET = Recipe(
    strategy="scratch",
    model=ModelSettings(layers=({"kind": "flatten"}, {"kind": "dense", "units": "classes"})),
    train=TrainSettings(epochs=3, batch_size=16, learning_rate=1e-4),
)


def write(folder: Path, *, border: bool) -> Path:
    """Two classes of grain: fine stripes in the border, or in its middle, begin bright in one of them."""
    rng = np.random.default_rng(0)
    there = np.ones((SIDE, SIDE), bool)
    there[3:29, 3:29] = False
    there = there if border else ~there
    for phase, name in enumerate(("dark", "bright")):
        (folder / name).mkdir(parents=True)
        stripes = np.where(np.arange(SIDE) % 2 == phase, 40, 220)[:, None].repeat(SIDE, 1)
        for number in range(120):
            pixels = rng.integers(60, 200, (SIDE, SIDE, 3))
            pixels[there] = stripes[there][:, None] + rng.integers(-30, 30, (there.sum(), 1))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


@pytest.mark.parametrize("border", [True, False])
def test_a_background_that_gives_a_class_away_is_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, border: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    run = mindle.train(write(tmp_path / "photos", border=border), recipe=NET, device="cpu")
    found = {each["name"]: each for each in run.folder.document()["borders"]}
    assert found["bright"]["n"] >= 10
    assert found["bright"]["warned"] is border
    page = run.folder.report.read_text("utf-8")
    assert "Evidence from the border of the images" in page
    assert ('<span class="mark">background</span>' in page) is border
    assert "테두리" in run.report(lang="ko").read_text("utf-8")


def test_a_run_shows_the_nearest_training_images_with_their_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    data = write(tmp_path / "photos", border=True)
    run = mindle.train(data, recipe=NET, device="cpu")
    new = str(data / "bright" / "3.png")
    found = run.explain(new, method="occlusion")
    near = found.document["explained"][0]["neighbours"]
    assert len(near) == 6
    trained = {row.path: row.label for row in read_manifest(run.folder.manifest) if row.split == "train"}
    assert all(trained[each["path"]] == each["label"] for each in near)
    assert sum(each["label"] == "bright" for each in near) >= 4
    assert "Nearest training images" in found.page.read_text("utf-8")
    carrying = mindle.train(data, recipe=NET, device="cpu", with_neighbours=True)
    with_photos = mindle.explain(carrying.folder.bundle, new, out="with-photos")
    shown = with_photos.document["explained"][0]["neighbours"]
    assert [each["label"] for each in shown].count("bright") >= 4
    assert {each["path"] for each in shown} == {""}  # nobody's file names
    assert carrying.bundle.details["neighbours"] == 168
    assert "carries 168 small training images" in str(carded(carrying.folder.bundle))
    bundle = mindle.explain(run.folder.bundle, new, out="of-bundle")
    assert "neighbours" not in bundle.document["explained"][0]  # photos are private
    assert "small training images" not in str(carded(run.folder.bundle))


def carded(folder: Path) -> dict[str, Any]:
    return model_card(open_model(folder), read_bundle(folder), None, {}, {})
