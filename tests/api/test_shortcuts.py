"""`check` names what a class can be predicted from alone, and is silent about data as they should be."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

import mindle
from mindle.messages import in_language
from mindle.records import SILENT
from tests.pictures import scene

Change = Callable[[Image.Image], Image.Image]


def folder(place: Path, change: Change | None = None, *, name: str = "{n}.png", quality: int = 0) -> Path:
    """Two classes of 40 photos that nothing tells apart; the second one changed."""
    for number in range(80):
        kind = "ab"[number % 2]
        image = scene(72, 72, seed=number).convert("RGB")
        planted = kind == "b"
        image = change(image) if change and planted else image
        path = place / kind / (name.format(n=number) if planted else f"{number}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        if quality:
            path = path.with_suffix(".jpg")
        image.save(path, **({"quality": quality if planted else 90} if quality else {}))
    return place


def alarms(data: object, **options: object) -> dict[str, str]:
    found = mindle.check(data, listener=SILENT, **options)
    assert {each.cue for each in found.shortcuts if each.alarm} >= {
        one.files[0] for one in found.findings if one.kind == "shortcut"
    }
    return {one.files[0]: one.message for one in found.findings if one.kind == "shortcut"}


def test_nothing_is_said_of_photos_that_nothing_tells_apart(tmp_path: Path) -> None:
    assert alarms(folder(tmp_path)) == {}


def framed(image: Image.Image) -> Image.Image:
    return ImageOps.expand(image.crop((4, 4, 68, 68)), 4, (20, 20, 20))


@pytest.mark.parametrize(
    ("cue", "change", "options"),
    [
        ("border", framed, {}),
        ("image-size", lambda image: image.resize((80, 80)), {}),
        ("jpeg-quality", None, {"quality": 50}),
        ("words", None, {"name": "scan_{n}.png"}),
    ],
)
def test_what_was_planted_is_named_with_its_figure(
    cue: str, change: Change | None, options: dict[str, object], tmp_path: Path
) -> None:
    found = alarms(folder(tmp_path, change, **options))
    assert cue in found
    assert "1.00" in found[cue] or "0.9" in found[cue]


def test_what_a_model_cannot_see_needs_no_decision(tmp_path: Path) -> None:
    checked = mindle.check(folder(tmp_path, name="scan_{n}.png"), listener=SILENT)
    (only,) = [one for one in checked.findings if one.kind == "shortcut"]
    assert not only.decision
    assert "scan" in only.message
    assert "파일 이름의 단어(scan)" in in_language(only.message, "ko")


def test_a_column_that_nearly_gives_the_target_away_is_named_once() -> None:
    generator = np.random.default_rng(0)
    target = generator.normal(size=400)
    frame = pd.DataFrame(
        {
            "copy": target,
            "later": target + 0.15 * generator.normal(size=400),
            "other": generator.normal(size=400),
            "y": target,
        }
    )
    checked = mindle.check(frame, target="y", listener=SILENT)
    kinds = {one.files[0]: one.kind for one in checked.findings if one.kind in ("shortcut", "target-leak")}
    assert kinds == {"copy": "target-leak", "later": "shortcut"}
    documents = {each["cue"]: each for each in checked.as_dict()["shortcuts"]}
    assert documents["later"]["alarm"]
    assert documents["later"]["score"]["value"] == pytest.approx(0.97, abs=0.02)
    assert not documents["other"]["alarm"]


def test_a_column_is_called_by_its_name_whatever_that_is() -> None:
    target, noise = np.random.default_rng(0).normal(size=(2, 400))
    said = alarms(pd.DataFrame({"camera": target + 0.15 * noise, "y": target}), target="y")["camera"]
    assert said.startswith("From the column 'camera' alone, the target can be estimated")
    assert said.endswith("Is its value known before the target is? If not, leave the column out.")


def test_dark_and_blurred_photos_are_named_and_kept(tmp_path: Path) -> None:
    from PIL import ImageFilter

    folder(tmp_path)
    for name, image in (
        ("dark", scene(72, 72, seed=90).point(lambda value: value // 8)),
        ("blurred", scene(72, 72, seed=91).filter(ImageFilter.GaussianBlur(9))),
    ):
        stream = io.BytesIO()
        image.save(stream, "PNG")
        (tmp_path / "a" / f"{name}.png").write_bytes(stream.getvalue())
    found = {one.kind: one for one in mindle.check(tmp_path, listener=SILENT).findings}
    assert found["dark"].files == ("a/dark.png",)
    assert found["blurred"].files == ("a/blurred.png",)
    assert not found["dark"].decision
