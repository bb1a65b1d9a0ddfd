"""What can be trained now."""

from __future__ import annotations

from pathlib import Path

import pytest

from mindle.engines import openvino
from mindle.models.listing import engine_note, list_models
from mindle.models.nets.zoo import ZOO


def test_the_embedded_backbone_and_every_net_are_listed() -> None:
    rows = {row["name"]: row for row in list_models()}
    assert rows["tf_efficientnet_lite0"]["kind"] == "backbone"
    assert rows["tf_efficientnet_lite0"]["licence"] == "Apache-2.0"
    assert set(ZOO) <= set(rows)


def test_a_weights_folder_comes_first(shared: Path) -> None:
    rows = list_models(shared / "weights")
    assert {row["name"] for row in rows if row["kind"] == "backbone"} >= {
        "mobilenet_edgetpu_100",
        "mobilenetv1_100",
        "mobilenetv2_100",
        "squeezenet1_1",
        "tf_efficientnet_lite0",
    }
    assert "--weights" in rows[0]["from"]


@pytest.mark.parametrize(
    ("there", "words"), [(True, "whichever is faster"), (False, "install mindle[openvino]")]
)
def test_one_line_says_what_openvino_may_gain(
    there: bool, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino, "is_installed", lambda: there)
    assert words in engine_note()
