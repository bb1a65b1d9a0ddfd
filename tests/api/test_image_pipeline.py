"""What a run does once: open and decode a file, export a backbone, embed an image of any split."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file

import mindle
from mindle.data.images import pixels, scan
from mindle.errors import DeviceError, ModelError
from mindle.formats import images as formats
from mindle.models.pretrained.backbone import build_backbone
from mindle.models.pretrained.cards import card_as_dict
from mindle.models.pretrained.weights import random_card
from mindle.records import Silent
from mindle.training.images import features
from mindle.training.images.heads import features as head_features
from tests.engines.graphs import require_bfloat16
from tests.pictures import photo_folder
from tests.processes import python

SIDE, MODEL = 64, "mobilenetv3_small_050"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small backbone with random weights."""
    folder, card = tmp_path_factory.mktemp("weights"), random_card(MODEL)
    torch.manual_seed(0)
    save_file(build_backbone(card).net.state_dict(), folder / f"{MODEL}.safetensors")
    known = card_as_dict(replace(card, spec=replace(card.spec, height=SIDE, width=SIDE), head=False))
    document = {name: value for name, value in known.items() if name not in ("name", "sha256")}
    (folder / f"{MODEL}.json").write_text(json.dumps(document), encoding="utf-8")
    return folder


def counting(work: Callable[..., Any], count: Counter[Any], of: Callable[..., Any]) -> Callable[..., Any]:
    def counted(*arguments: Any, **named: Any) -> Any:
        count[of(*arguments)] += 1
        return work(*arguments, **named)

    return counted


def train(photos: Path, weights: Path, out: Path, precision: str = "float32", **options: Any) -> mindle.Run:
    settings = {"probe.heads": ["rbf"], "probe.views": 0, "probe.precision": precision}
    return mindle.train(
        photos,
        model=MODEL,
        weights=weights,
        strategy="probe",
        out=out,
        set=settings,
        listener=Silent(),
        **options,
    )


def test_each_thing_is_done_once(
    weights: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = photo_folder(tmp_path / "photos", 12, dirty=True)
    opened, decoded, made = Counter[Any](), Counter[Any](), Counter[Any]()
    monkeypatch.setattr(scan, "load", counting(scan.load, opened, lambda dataset, row: row))
    monkeypatch.setattr(pixels, "decode", counting(pixels.decode, decoded, lambda _, spec: spec.height))
    for module in (features, formats):
        export = counting(module.export_onnx, made, lambda module, *_: type(module).__name__)
        monkeypatch.setattr(module, "export_onnx", export)
    measured = counting(head_features.Distances, made, lambda _: "Distances")
    monkeypatch.setattr(head_features, "Distances", measured)
    train(photos, weights, tmp_path / "run")
    assert set(opened.values()) == {1}
    assert not decoded[SIDE]  # all pixels were stored when the files were checked
    assert made == {"Embedding": 1, "HeadGraph": 1, "Distances": 1}


def test_each_image_of_any_split_is_embedded_once(
    weights: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = photo_folder(tmp_path / "photos", 12)
    embedded: list[str] = []
    missing_rows = features.Engine._missing_rows

    def counted(engine: features.Engine, store: Any, pixels: Any, keys: Any, *rest: Any) -> Iterator[Any]:
        for row, found in missing_rows(engine, store, pixels, keys, *rest):
            embedded.append(keys[row])
            yield row, found

    monkeypatch.setattr(features.Engine, "_missing_rows", counted)
    run = train(photos, weights, tmp_path / "run")
    assert len(embedded) == len(set(embedded)) == run.folder.document()["data"]["images"]
    train(photos, weights, tmp_path / "again")
    assert len(embedded) == len(set(embedded))


def test_a_head_and_its_bundle_share_a_precision(
    weights: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_bfloat16()
    monkeypatch.setenv("MINDLE_ENGINE", "openvino")
    photos = photo_folder(tmp_path / "photos", 12)
    exact = train(photos, weights, tmp_path / "exact")
    run = train(photos, weights, tmp_path / "run", "bfloat16")
    assert [each.folder.document()["precision"] for each in (exact, run)] == ["float32", "bfloat16"]
    assert [each.bundle.precision.name for each in (exact, run)] == ["float32", "bfloat16"]
    stated = run.bundle.precision
    assert 0 < stated.reference_difference < 0.5
    assert stated.float32["accuracy"]["first"] == run.metrics["test"]["accuracy"]["value"]
    assert "backbones compute in bfloat16" in run.folder.document()["stopped"]
    test = run.folder.answers()["test"]
    found = run.predict([photos / path for path in test.paths])
    np.testing.assert_allclose(found["confidence"], test.probabilities.max(axis=1), atol=1e-4)


def test_a_precision_that_nothing_here_computes_in_is_refused_before_any_work(
    weights: Path, tmp_path: Path, cache: Path
) -> None:
    photos = photo_folder(tmp_path / "photos", 12)
    with pytest.raises(ModelError, match=r"Received bfloat16: MINDLE_ENGINE names ONNX Runtime"):
        train(photos, weights, tmp_path / "run", "bfloat16")
    assert not (tmp_path / "run").exists()


def test_scores_are_of_the_bundle_even_where_its_head_answers_otherwise(
    weights: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = photo_folder(tmp_path / "photos", 12)
    usual = train(photos, weights, tmp_path / "usual").folder.answers()["test"]

    def shifted(*given: Any) -> dict[str, NDArray[np.float64]]:
        return {"probabilities": np.roll(head_outputs(*given)["probabilities"], 1, axis=1)}

    head_outputs = formats.head_outputs
    monkeypatch.setattr(formats, "head_outputs", shifted)
    guarded = train(photos, weights, tmp_path / "guarded").folder.answers()["test"]
    assert guarded.paths == usual.paths
    np.testing.assert_allclose(guarded.probabilities, usual.probabilities, atol=1e-5)


def test_the_test_split_is_embedded_beside_the_fit_and_its_errors_are_told(
    weights: Path, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = photo_folder(tmp_path / "photos", 12)
    embed, threads = features.FrozenBodies.features, []

    def failing(bodies: features.FrozenBodies, *given: Any, **named: Any) -> Any:
        threads.append(threading.current_thread().name)
        embed(bodies, *given, **named)
        raise DeviceError("The disk must have room.")

    monkeypatch.setattr(features.FrozenBodies, "features", failing)
    with pytest.raises(DeviceError, match="must have room"):
        train(photos, weights, tmp_path / "run")
    assert threads[0].startswith("mindle-beside")
    monkeypatch.undo()
    assert train(photos, weights, tmp_path / "run", resume=True).metrics["test"]


@pytest.mark.slow
def test_a_fresh_process_checks_in_a_copy_of_itself_and_finds_the_same(
    weights: Path, tmp_path: Path, cache: Path
) -> None:
    photos = photo_folder(tmp_path / "photos", 105, dirty=True)
    here = train(photos, weights, tmp_path / "here")
    code = f"""
import mindle
from mindle.api.beside import Beside
from mindle.records import Silent
forked, fork = [], Beside.fork
def kept(beside, *given):
    forked.append(fork(beside, *given))
    return forked[-1]
Beside.fork = kept
settings = {{"probe.heads": ["rbf"], "probe.views": 0}}
mindle.train({str(photos)!r}, model={MODEL!r}, weights={str(weights)!r}, strategy="probe", set=settings,
             out={str(tmp_path / "there")!r}, listener=Silent())
assert all(forked) and len(forked) == 1
"""
    for own in ("again", "cold"):
        variables = {**os.environ, "MINDLE_CACHE": str(cache if own == "again" else tmp_path / "empty")}
        python(code.replace("there", own), env=variables)
        there = mindle.Run(tmp_path / own)
        for name in ("manifest.csv", "predictions.csv"):
            assert (there.path / name).read_bytes() == (here.path / name).read_bytes()
        assert there.folder.document()["data"] == here.folder.document()["data"]


def test_of_two_classes_pictures_of_nothing_stand_for_what_was_never_seen(
    weights: Path, tmp_path: Path, cache: Path
) -> None:
    photos = photo_folder(tmp_path / "photos", 40)
    shutil.rmtree(next(photos.iterdir()))
    run = train(photos, weights, tmp_path / "run")
    document = json.loads((run.path / "bundle" / "bundle.json").read_text("utf-8"))["abstention"]
    assert not document["panel"]["left_out_classes"]
    assert set(document["panel"]["others"]) == {"blank", "random-pixels", "mosaic", "heavy-blur", "waves"}
    assert document["held_out"] == 68  # val as well as train: each is answered out of fold
    assert document["refused"]["value"] <= 0.05
    vectors = document["reasons"]["unlike_training"]["vectors"]
    assert vectors == 68
    blank = np.full((48, 48, 3), 128, np.uint8)
    assert mindle.predict(run, [blank])["abstain"].tolist() == ["unlike_training"]
