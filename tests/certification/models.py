"""Models and data that certificates are tested with: the recorded runs, and what they were trained on."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_diabetes, load_iris

from mindle.certification.samples import Chosen, Sample, sample_of
from mindle.records import SILENT
from mindle.serving.opened import Opened, open_model
from tests.discs import write_discs
from tests.pictures import photo_folder

FIXTURES = Path(__file__).parents[1] / "fixtures"


def recorded(name: str, folder: Path) -> Path:
    """The folder of a recorded run."""
    with zipfile.ZipFile(FIXTURES / f"{name}.zip") as archive:
        archive.extractall(folder)
    return folder / name


def data_of(name: str, folder: Path) -> Any:
    """Data like those that a recorded run learned from."""
    if name == "shapes-0":
        photos = folder / "photos"
        return photos if photos.exists() else photo_folder(photos, 8)
    if name == "discs":
        return write_discs(folder / "discs", 24, side=16)
    if name == "iris":
        frame = load_iris(as_frame=True).frame
        return frame.assign(target=frame["target"].map({0: "setosa", 1: "들꽃", 2: "virginica"}))
    return load_diabetes(as_frame=True, scaled=False).frame[150:]


def given(name: str, folder: Path) -> tuple[Opened, Sample]:
    """A recorded bundle, opened, and a sample of labelled data."""
    opened = open_model(recorded(name, folder) / "bundle")
    reading = dict.fromkeys(("target", "separator", "header", "label_from"))
    chosen = Chosen(data=data_of(name, folder), run=None, reading=reading, listener=SILENT)
    return opened, sample_of(opened, chosen)


def rows(*numbers: int) -> Any:
    """Row numbers."""
    return np.array(numbers, np.int64)
