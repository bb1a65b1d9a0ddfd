"""fastai on a folder of photos: MobileNetV2 at 224 px with fastai's own augmentation, validated each epoch.

DIR holds train/CLASS and val/CLASS. No weights are loaded, so that all layers learn.
"""

import argparse
import os
import warnings

from _phases import Phases

phases = Phases()
parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("dir")
parser.add_argument("--epochs", type=int, default=3)
asked = parser.parse_args()
warnings.filterwarnings("ignore")

import fastai  # noqa: E402
import torch  # noqa: E402
from fastai.vision.all import (  # noqa: E402
    Callback,
    ImageDataLoaders,
    Resize,
    accuracy,
    aug_transforms,
    set_seed,
    vision_learner,
)

set_seed(0)
phases.phase("import")


class Stamps(Callback):
    """When each epoch begins and ends."""

    def before_epoch(self):
        """Mark it."""
        phases.mark()

    def after_epoch(self):
        """Mark it."""
        phases.mark()


loaders = ImageDataLoaders.from_folder(
    asked.dir,
    train="train",
    valid="val",
    seed=0,
    item_tfms=Resize(224),
    batch_tfms=aug_transforms(),
    bs=32,
    num_workers=os.cpu_count(),
)
learn = vision_learner(loaders, "mobilenetv2_100", pretrained=False, metrics=accuracy)
phases.phase("build")
with learn.no_bar(), learn.no_logging():
    learn.fit_one_cycle(asked.epochs, cbs=Stamps())
phases.phase("fit")
phases.say(
    version=f"fastai {fastai.__version__}, torch {torch.__version__}",
    images=len(loaders.train_ds),
    all_images=len(loaders.train_ds),
    epoch_seconds=phases.epoch_seconds(),
)
