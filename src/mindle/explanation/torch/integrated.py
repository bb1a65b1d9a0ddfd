"""Integrated gradients: slopes of the score by each pixel, from a blurred picture to the picture."""

from __future__ import annotations

import numpy as np
import torch

from mindle.errors import ModelError
from mindle.explanation.fading import Map, Pixels, blurred
from mindle.explanation.torch.cam import centred
from mindle.models.classifier import Classifier, to_floats

STEPS = 24
_AT_ONCE = 8


def integrated_gradients(model: Classifier, pixels: Pixels, target: int, *, steps: int = STEPS) -> Map:
    """What each pixel adds to the score of the blurred picture; together they make up the difference.

    Raises:
        ModelError: If Captum is not installed.

    Source:
        Sundararajan et al. 2017, https://arxiv.org/abs/1703.01365, eq. 3; from a blurred picture, as
        Sturmfels et al. 2020, https://doi.org/10.23915/distill.00022, because black hides dark things.
    """
    try:
        from captum.attr import IntegratedGradients
    except ImportError:
        raise ModelError(
            "Integrated gradients need the library Captum. Received none: install mindle[explain]."
        ) from None
    images, baseline = (to_floats(torch.from_numpy(each[None])) for each in (pixels, blurred(pixels)))
    found = IntegratedGradients(
        lambda x: centred(model(x) if x.dtype == torch.uint8 else _logits(model, x))
    ).attribute(images, baseline, target=target, n_steps=steps, internal_batch_size=_AT_ONCE)
    return np.asarray(found[0].sum(0).detach().numpy(), np.float32)


def _logits(model: Classifier, images: torch.Tensor) -> torch.Tensor:
    logits = model.logits_from_floats(images)
    if not model.description.get("test_time_flip"):
        return logits
    return (logits + model.logits_from_floats(images.flip(3))) / 2
