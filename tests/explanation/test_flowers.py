"""What maps of a head on a frozen backbone are worth on real photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mindle
from mindle.api.neighbours import read_again
from mindle.data import pixels as pixels_of
from mindle.evaluation import tasks
from mindle.explanation.border import answered_well
from mindle.explanation.checks import Picture, check
from mindle.explanation.fading import Map, Pixels
from mindle.explanation.maps import SHUFFLED, Subject, forgetful, scored
from mindle.explanation.occlusion import occlusion
from mindle.serving.opened import open_model

IMAGES = 12


def edges(pixels: Pixels) -> Map:
    return np.hypot(*np.gradient(pixels.mean(axis=2))).astype(np.float32)


@pytest.mark.slow
@pytest.mark.shared
def test_occlusion_passes_and_an_edge_detector_is_caught(shared: Path, tmp_path: Path) -> None:
    run = mindle.train(
        shared / "data" / "flowers5",
        strategy="probe",
        model="tf_efficientnet_lite0",
        per_class=100,
        out=tmp_path / "run",
    )
    opened, dataset, test = open_model(run), read_again(run.folder), run.folder.answers()["test"]
    subject = Subject(score=scored(opened))
    well = answered_well(test, IMAGES)
    places = {path: at for at, path in enumerate(dataset.paths)}
    rows = np.array([places[test.paths[row]] for row in well])
    pixels = pixels_of(dataset, rows, opened.source.spec)[np.arange(IMAGES)]
    targets = tasks.of(test.task).explained(test)[well].tolist()
    pictures = [Picture(subject.score, each, at) for each, at in zip(pixels, targets, strict=True)]
    forgot = forgetful(opened, run.folder.bundle / "model.onnx", subject, pixels)
    assert forgot.score(pixels).std(axis=0).max() > 0.01  # it is alive
    maps = [occlusion(subject.score, each.pixels, each.target) for each in pictures]
    again = [occlusion(forgot.score, each.pixels, each.target) for each in pictures[:SHUFFLED]]
    found = check(pictures, maps, again)
    assert found.failures == ()
    for share in (found.deletion, found.pixels, found.moved):
        assert share["value"] is not None
        assert share["value"] >= 0.9
    drawn = [edges(each.pixels) for each in pictures]
    assert "shuffled" in check(pictures, drawn, drawn[:SHUFFLED]).failures
