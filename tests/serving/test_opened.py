"""Whatever answers is opened by its name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mindle.errors import ArtifactError, ModelError
from mindle.serving.opened import locate, open_model


def test_what_is_no_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="neither"):
        locate(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"schema": 1, "state": "running"}), encoding="utf-8")
    with pytest.raises(ArtifactError, match="not finished.*--resume"):
        open_model(tmp_path)
    (tmp_path / "run.json").write_text(json.dumps({"schema": 9}), encoding="utf-8")
    with pytest.raises(ArtifactError, match="Upgrade mindle"):
        open_model(tmp_path)
    with pytest.raises(ValueError, match="onnx, torch"):
        open_model(tmp_path, engine="jax")


def test_a_backbone_names_what_it_sees(shared: Path, cache: Path) -> None:
    opened = open_model("imagenet:mobilenetv2_100", weights=shared / "weights")
    photo = sorted((shared / "data" / "flowers5" / "val" / "daisy").iterdir())[0]
    (row,) = opened.rows([("photo", photo)])
    assert row["predicted"] == row["label_1"] == "daisy"
    assert row["confidence"] == row["p_1"] >= row["p_2"] >= row["p_5"] > 0
    assert list(row) == opened.columns
    assert list((cache / "graphs").glob("*.onnx"))


def test_the_embedded_backbone_has_its_classes_too(cache: Path) -> None:
    opened = open_model("imagenet:tf_efficientnet_lite0")
    assert len(opened.classes) == 1000
    with pytest.raises(ModelError):
        open_model("imagenet:no_such_net")
