"""Ultralytics' `yolo classify train` on a folder of photos, from an untrained net, validated each epoch.

DIR holds train/CLASS and val/CLASS and must be a copy, for Ultralytics writes into it. It is told to be
offline and to send nothing.
"""

import argparse
import os
from pathlib import Path

from _phases import Phases

phases = Phases()
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("dir", type=Path)
parser.add_argument("--epochs", type=int, default=10)
asked = parser.parse_args()
beside = asked.dir.resolve().parent
(beside / "config").mkdir(exist_ok=True)
os.environ.update(
    YOLO_CONFIG_DIR=str(beside / "config"),
    YOLO_OFFLINE="true",
    YOLO_AUTOINSTALL="false",
    YOLO_VERBOSE="false",
)

import torch  # noqa: E402
import ultralytics  # noqa: E402

ultralytics.settings.update({"sync": False})
phases.phase("import")
model = ultralytics.YOLO("yolo11n-cls.yaml")
model.add_callback("on_train_epoch_start", phases.mark)
model.add_callback("on_fit_epoch_end", lambda _: len(phases.marks) % 2 and phases.mark())
phases.phase("build")
model.train(
    data=str(asked.dir),
    epochs=asked.epochs,
    imgsz=224,
    batch=32,
    cache="ram",
    workers=os.cpu_count(),
    device="cpu",
    project=str(beside),
    name="run",
    plots=False,
    verbose=False,
    seed=0,
)
phases.phase("fit")
images = sum(1 for file in asked.dir.glob("train/*/*") if file.is_file() and file.suffix != ".npy")
phases.say(
    version=f"ultralytics {ultralytics.__version__}, torch {torch.__version__}",
    images=images,
    all_images=images,
    epoch_seconds=phases.epoch_seconds(),
)
