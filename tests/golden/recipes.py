"""The runs whose results may not change by accident: each a name and a call with everything set.

None has a budget that binds, so that the speed of a machine decides nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

import mindle
import mindle.data
from mindle.records import SILENT, ArrayImages
from mindle.training.recipe import Recipe
from mindle.training.settings import AugmentSettings, ModelSettings, TrainSettings
from tests.conftest import SHARED
from tests.discs import discs, write_discs
from tests.pictures import photo_folder

Layers = tuple[Mapping[str, Any], ...]
DENSE: Layers = (
    {"kind": "flatten"},
    {"kind": "dense", "units": 24, "activation": "relu"},
    {"kind": "dense", "units": "classes"},
)
CONVOLUTION: Layers = (
    {"kind": "conv", "channels": 8, "activation": "relu"},
    {"kind": "max_pool"},
    {"kind": "flatten"},
    {"kind": "dense", "units": "classes"},
)
BOSTON = SHARED / "data" / "tabular" / "boston-housing.csv"


def net(layers: Layers, **settings: Any) -> Recipe:
    """A few epochs of a small net: machines round otherwise, and every step makes the difference larger."""
    return Recipe(
        strategy="scratch",
        model=ModelSettings(layers=layers),
        train=TrainSettings(
            **{"epochs": 4, "batch_size": 16, "weight_averaging": "ema", "ema_decay": 0.9, **settings}
        ),
        augment=AugmentSettings(rotate=0.02, crop=0.8, brightness=0.1, contrast=0.1),
    )


def digits_scratch(root: Path) -> mindle.Run:
    return mindle.train(
        "digits", recipe=net(DENSE, batch_size=64, learning_rate=1e-2), out=root / "run", listener=SILENT
    )


def digits_probe(root: Path) -> mindle.Run:
    """A sixth of the digits: the backbone takes 25 ms an image and more."""
    digits = mindle.data.read("digits")
    assert isinstance(digits.images, ArrayImages)
    np.savez(root / "digits.npz", images=digits.images.array[:300], labels=np.asarray(digits.labels[:300]))
    return mindle.train(
        root / "digits.npz",
        strategy="probe",
        model="tf_efficientnet_lite0",
        out=root / "run",
        listener=SILENT,
    )


def shapes(root: Path) -> mindle.Run:
    """Class folders with broken, foreign and doubled files."""
    photos = photo_folder(root / "photos", dirty=True)
    return mindle.train(
        photos, recipe=net(CONVOLUTION, learning_rate=3e-3), out=root / "run", listener=SILENT
    )


def discs_scratch(root: Path) -> mindle.Run:
    file = write_discs(root / "data", 120, side=16)
    return mindle.train(file, recipe=net(CONVOLUTION, learning_rate=3e-3), out=root / "run", listener=SILENT)


def discs_probe(root: Path) -> mindle.Run:
    images, diameters = discs(80, side=40)
    np.savez(root / "discs.npz", data=images, targets=diameters)
    return mindle.train(
        root / "discs.npz",
        strategy="probe",
        model="tf_efficientnet_lite0",
        set={"probe.views": 1},
        out=root / "run",
        listener=SILENT,
    )


def wine(root: Path) -> mindle.Run:
    return mindle.train(
        "wine",
        recipe="table",
        model="linear, random forest, SVM",
        folds=3,
        repeats=1,
        out=root / "run",
        listener=SILENT,
    )


def boston(root: Path) -> mindle.Run:
    return mindle.train(
        BOSTON,
        target="last",
        recipe="table",
        model="linear, extra trees, SVM",
        folds=3,
        repeats=1,
        out=root / "run",
        listener=SILENT,
    )


def tune_wine(root: Path) -> mindle.Run:
    return mindle.tune("wine", model="linear, SVM", trials=4, folds=3, out=root / "run", listener=SILENT)


def ensemble(root: Path) -> mindle.Run:
    members = [
        mindle.train(
            "digits",
            recipe=net(layers, batch_size=64, learning_rate=1e-2),
            seed=seed,
            out=root / f"member-{seed}",
            listener=SILENT,
        )
        for seed, layers in enumerate((DENSE, CONVOLUTION))
    ]
    return mindle.ensemble(members, method="weighted", out=root / "run", listener=SILENT)


RECIPES: Mapping[str, Callable[[Path], mindle.Run]] = {
    "digits-scratch": digits_scratch,
    "digits-probe": digits_probe,
    "shapes-scratch": shapes,
    "discs-scratch": discs_scratch,
    "discs-probe": discs_probe,
    "wine": wine,
    "boston": boston,
    "wine-tune": tune_wine,
    "digits-ensemble": ensemble,
}
