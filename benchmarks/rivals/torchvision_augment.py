"""torchvision's v2 transforms that flip, turn and zoom each of 32 images at 180 px, in one sampling each."""

import statistics

from _phases import Phases

phases = Phases()

import torch  # noqa: E402
import torchvision  # noqa: E402
from torchvision.transforms import InterpolationMode, v2  # noqa: E402

images = torch.rand(32, 3, 180, 180)
change = v2.Compose(
    [
        v2.RandomHorizontalFlip(),
        v2.RandomAffine(36, scale=(0.9, 1.1), interpolation=InterpolationMode.BILINEAR),
    ]
)


def turn():
    """A transform draws once a call: each image is a call of its own."""
    return torch.stack([change(image) for image in images])


for _ in range(10):
    turn()
seconds = statistics.median(phases.timed(turn, 60))
phases.say(version=f"torchvision {torchvision.__version__}, torch {torch.__version__}", seconds=seconds)
