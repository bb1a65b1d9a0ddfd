"""Random changes to a batch of training images, drawn anew for every step.

Everything that moves pixels (flip, rotate, zoom, shift, crop) is composed into one affine map for each
image and sampled once, so that an image is blurred by one interpolation and not by five, and the cost does
not grow with the number of changes. Mixing two images (`mix`) also mixes their labels and stands apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from mindle.training.device import place
from mindle.training.settings import AugmentSettings

# One generator for a batch, or one for each image, whose augmentation then does not depend on its batch.
Generators = torch.Generator | Sequence[torch.Generator]

# The values of the recipe -> those of `torch.nn.functional.grid_sample`.
_PADDING = {"reflect": "reflection", "edge": "border", "black": "zeros"}


def stronger(settings: AugmentSettings) -> AugmentSettings:
    """Half as much again of every change, and at least a little; what mirrors, blends and fills stays.

    A mirror image may be another class, so that nobody but the recipe switches mirrors on.

    Example:
        >>> stronger(AugmentSettings(rotate=0.1, crop=0.8)).rotate, stronger(AugmentSettings()).flip
        (0.15000000000000002, 'none')
    """
    least = {"rotate": 0.03, "zoom": 0.1, "shift": 0.05} | dict.fromkeys(("brightness", "contrast"), 0.15)
    most = {"rotate": 0.5, "zoom": 0.9, "shift": 0.5}
    ranges = {
        name: min(most.get(name, 1.0), max(least.get(name, 0.0), 1.5 * getattr(settings, name)))
        for name in ("rotate", "zoom", "shift", "brightness", "contrast", "saturation", "random_erasing")
    }
    return replace(settings, crop=max(0.05, 1 - max(0.2, 1.5 * (1 - settings.crop))), **ranges)


class Augment:
    """Changes a batch of images as the settings say; all randomness comes from its generator, or generators.

    Shapes: images (image, channel, height, width), float in [0, 1]; the result has the same shape.

    Example:
        >>> augment = Augment(AugmentSettings(flip="horizontal", rotate=0.1, zoom=0.1))
        >>> images = torch.rand(4, 3, 32, 32)
        >>> augment(images, torch.Generator().manual_seed(0)).shape
        torch.Size([4, 3, 32, 32])
    """

    def __init__(self, settings: AugmentSettings) -> None:
        self.settings = settings

    def __call__(self, images: Tensor, generator: Generators, size: tuple[int, int] | None = None) -> Tensor:
        """Return the images changed, and at another (height, width) if wanted; the input stays as it is."""
        changed = self._move(images, generator, size or (images.shape[2], images.shape[3]))
        changed = self._colour(changed, generator)
        if not self.settings.random_erasing:
            return changed
        return self._erase(images.clone() if changed is images else changed, generator)

    def _move(self, images: Tensor, generator: Generators, size: tuple[int, int]) -> Tensor:
        """Flip, rotate, zoom, shift and crop."""
        settings = self.settings
        if settings.rotate or settings.zoom or settings.crop < 1:
            maps = place(self._affine(images, generator), images.device)
            return F.grid_sample(
                images,
                _grid(maps, size),
                mode="bilinear",
                padding_mode=_PADDING[settings.fill],
                align_corners=False,
            )
        # What remains moves whole pixels, and needs no interpolation.
        images = self._flip(images, generator)
        if settings.shift:
            images = self._shift(images, generator)
        if images.shape[-2:] != size:
            images = F.interpolate(images, size, mode="bilinear", antialias=True)
        return images

    def _signs(self, images: Tensor, generator: Generators) -> Tensor:
        """(image, 2): -1 where an image is mirrored along x or along y, else 1."""
        coins = _rand(len(images), 2, generator) < 0.5
        allowed = torch.tensor(flips(self.settings.flip, images.shape[1]))
        return torch.where(coins & allowed, -1.0, 1.0)

    def _flip(self, images: Tensor, generator: Generators) -> Tensor:
        """Mirror without interpolation."""
        mirrored = place(self._signs(images, generator) < 0, images.device)
        for axis, allowed in zip((3, 2), flips(self.settings.flip, images.shape[1]), strict=True):
            if allowed:
                images = torch.where(mirrored[:, 3 - axis, None, None, None], images.flip(axis), images)
        return images

    def _shift(self, images: Tensor, generator: Generators) -> Tensor:
        """Move by whole pixels without interpolation: pad once, then cut a window out of each image."""
        height, width = images.shape[-2:]
        reach_y, reach_x = int(height * self.settings.shift), int(width * self.settings.shift)
        mode = {"reflect": "reflect", "edge": "replicate", "black": "constant"}[self.settings.fill]
        padded = F.pad(images, (reach_x, reach_x, reach_y, reach_y), mode=mode)
        corners = _rand(len(images), 2, generator)
        corners = (corners * torch.tensor([2 * reach_y + 1, 2 * reach_x + 1])).long()
        tops, lefts = place(corners, images.device).unbind(1)
        windows = padded.unfold(2, height, 1).unfold(
            3, width, 1
        )  # (image, channel, top, left, height, width)
        return windows[torch.arange(len(images), device=images.device), :, tops, lefts]

    def _affine(self, images: Tensor, generator: Generators) -> Tensor:
        """(image, 2, 3): where each output position, in [-1, 1] x [-1, 1], reads from; x comes first."""
        settings = self.settings
        count, height, width = len(images), images.shape[2], images.shape[3]
        # One row of draws an image, whatever is switched on: settings do not shift one another's draws.
        draws = _rand(count, 7, generator).double()
        signed = draws * 2 - 1
        angle = signed[:, 0] * settings.rotate * 2 * math.pi
        zoom = 1 + signed[:, 1] * settings.zoom
        area = 1 - draws[:, 2] * (1 - settings.crop)
        side = area.sqrt()
        # No further than the image reaches: a crop of nine tenths of the area cannot be very oblong.
        reach = torch.exp(signed[:, 3] * math.log(settings.ratio) / 2)
        stretch = torch.minimum(torch.maximum(reach, side), 1 / side)
        extent = torch.stack([side * stretch, side / stretch], 1)
        scale = extent * zoom[:, None] * self._signs(images, generator)
        offset = signed[:, 4:6] * (1 - extent) + 2 * settings.shift * _rand(count, 2, generator).mul(2).sub(1)
        # Turning happens in pixels, not in the unit square, else an oblong image would shear.
        cosine, sine = angle.cos(), angle.sin()
        turn = torch.stack([cosine, -sine * height / width, sine * width / height, cosine], 1).view(-1, 2, 2)
        return torch.cat([turn * scale[:, None, :], offset[:, :, None]], 2).float()

    def _colour(self, images: Tensor, generator: Generators) -> Tensor:
        """Brightness (added), contrast (around the image's mean) and saturation (around its gray).

        All three are linear in the colours, so that one small matrix an image does them in one pass.
        """
        settings = self.settings
        if not (settings.brightness or settings.contrast or settings.saturation):
            return images
        signed = place(_rand(len(images), 3, generator).mul_(2).sub_(1), images.device)
        lift, contrast, saturation = (column[:, None, None] for column in signed.unbind(1))
        # Gray is the plain mean of the channels, so that saturation leaves the image's mean where it is.
        channels = images.shape[1]
        keep, factor = 1 + saturation * settings.saturation, 1 + contrast * settings.contrast
        colours = factor * torch.lerp(
            images.new_full((channels, channels), 1 / channels),
            torch.eye(channels, device=images.device),
            keep,
        )
        mean = _thumbnail(images).mean((1, 2, 3))[:, None, None]
        constant = (mean * (1 - factor) + lift * settings.brightness).expand(-1, channels, 1)
        changed = torch.baddbmm(constant, colours, images.reshape(len(images), channels, -1))
        return changed.clamp_(0, 1).view(images.shape)

    def _erase(self, images: Tensor, generator: Generators) -> Tensor:
        """Overwrite, in place, a rectangle of 2 to 20 % of the area with the image's mean colour.

        Source: Zhong et al. 2017, https://arxiv.org/abs/1708.04896; filled with the mean, not with noise.
        """
        draws = _rand(len(images), 5, generator).double()
        rows = (draws[:, 0] < self.settings.random_erasing).nonzero()[:, 0]
        _, area, aspect, down, right = draws[rows].unbind(1)
        share, ratio = 0.02 + 0.18 * area, torch.exp((aspect * 2 - 1) * math.log(3.3) / 2)
        tall = _stretch((share * ratio).sqrt(), down, images.shape[2])[:, None, :, None]
        wide = _stretch((share / ratio).sqrt(), right, images.shape[3])[:, None, None, :]
        rows, inside = place(rows, images.device), place(tall & wide, images.device)
        erased = images[rows]
        mean = _thumbnail(erased).mean((2, 3), keepdim=True)
        return images.index_copy_(0, rows, torch.where(inside, mean, erased))


def _stretch(share: Tensor, start: Tensor, length: int) -> Tensor:
    """Which pixels of a side lie in a stretch of that share of it, (image, pixel); `start` in [0, 1)."""
    pixels = (length * share).round().clamp(1, length)
    first = (start * (length - pixels + 1)).floor()
    at = torch.arange(length)
    return (at >= first[:, None]) & (at < (first + pixels)[:, None])


def _rand(count: int, columns: int, generator: Generators) -> Tensor:
    """Uniform draws in [0, 1), (image, column)."""
    if isinstance(generator, torch.Generator):
        return torch.rand(count, columns, generator=generator)
    return torch.stack([torch.rand(columns, generator=each) for each in generator])


def flips(flip: str, channels: int) -> tuple[bool, bool]:
    """Whether images may be mirrored along x and along y; colour photos may where the recipe leaves it open.

    What comes in gray is often writing, which has no mirror image.
    """
    if flip == "auto":
        flip = "horizontal" if channels == 3 else "none"
    return flip in ("horizontal", "both"), flip in ("vertical", "both")


def _thumbnail(images: Tensor) -> Tensor:
    """Every fourth pixel: enough for a mean, at a sixteenth of the cost."""
    return images[..., ::4, ::4]


def _grid(maps: Tensor, size: tuple[int, ...]) -> Tensor:
    """(image, height, width, 2): the sampling positions of each output pixel's centre.

    What `affine_grid(…, align_corners=False)` gives, by broadcasting, with x and y apart in memory: at 180 px
    on two cores 0.2 ms for 32 images.
    """
    height, width = size
    y = ((torch.arange(height, device=maps.device) * 2 + 1) / height - 1)[:, None]
    x = (torch.arange(width, device=maps.device) * 2 + 1) / width - 1
    along_x, along_y, origin = (maps[:, :, i, None, None] for i in range(3))  # (image, 2, 1, 1) each
    return ((along_y * y + origin) + along_x * x).permute(0, 2, 3, 1)  # (image, height, width, 2)


def mix(
    images: Tensor, targets: Tensor, settings: AugmentSettings, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Blend each image with another of the batch (mixup), or paste a part of it in (cutmix), labels too.

    Where both are switched on a coin decides for each batch.

    Shapes: images (image, channel, height, width); targets (image, class), rows summing to 1.

    Source:
        Zhang et al. 2017, https://arxiv.org/abs/1710.09412; Yun et al. 2019,
        https://arxiv.org/abs/1905.04899. One share for the whole batch.

    Example:
        >>> settings = AugmentSettings(mixup=0.2)
        >>> pixels, soft = mix(torch.rand(8, 1, 4, 4), torch.eye(8), settings, torch.Generator())
        >>> bool(torch.allclose(soft.sum(1), torch.ones(8)))
        True
    """
    if not (settings.mixup or settings.cutmix):
        return images, targets
    order = torch.randperm(len(images), generator=generator)
    coin, down, right = torch.rand(3, generator=generator).tolist()
    cut = bool(settings.cutmix) and (not settings.mixup or coin < 0.5)
    # torch's Beta takes no generator; NumPy's is seeded from ours.
    rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
    alpha = settings.cutmix if cut else settings.mixup
    share = float(rng.beta(alpha, alpha))  # of the original image
    order = place(order, images.device)
    if cut:
        height, width = images.shape[-2:]
        tall, wide = round(height * math.sqrt(1 - share)), round(width * math.sqrt(1 - share))
        top, left = int(down * (height - tall + 1)), int(right * (width - wide + 1))
        share = 1 - tall * wide / (height * width)
        mixed = images.clone()
        window = (slice(None), slice(None), slice(top, top + tall), slice(left, left + wide))
        mixed[window] = images[order][window]
    else:
        mixed = torch.lerp(images[order], images, share)
    return mixed, torch.lerp(targets[order], targets, share)
