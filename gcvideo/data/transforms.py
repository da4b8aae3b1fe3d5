"""From decoded frames to views. Everything stays uint8 until it is on the device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

Transform = Callable[[Tensor], list[Tensor]]


@dataclass(frozen=True)
class Augmentation:
    """What is varied from one training clip to the next; one draw holds for all frames of a clip.

    Attributes:
        area: share of the picture a training crop covers, from and to, as in random resized crop.
        aspect: width to height of that crop, from and to.
        short_side_px: instead of ``area`` and ``aspect``: the short side is resized to a size between these two, then
            a square is cut out anywhere ("scale jitter" of the Non-local and SlowFast recipes).
        flip: probability of a left-right flip; 0 where left and right tell classes apart.
        jitter: strength of brightness, contrast and saturation jitter, 0 to 1.
        hue: strength of hue jitter, 0 to 0.5 (half the colour circle).
        grayscale: probability that a clip loses its colours.

    Raises:
        ValueError: if a value is out of its range.
    """

    area: tuple[float, float] = (0.35, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    short_side_px: tuple[int, int] | None = None
    flip: float = 0.5
    jitter: float = 0.0
    hue: float = 0.0
    grayscale: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise ValueError(f"augmentation.area is {self.area}; expected from and to, above 0 and up to 1")
        if not 0 < self.aspect[0] <= self.aspect[1]:
            raise ValueError(f"augmentation.aspect is {self.aspect}; expected from and to, above 0")
        if self.short_side_px is not None and not 0 < self.short_side_px[0] <= self.short_side_px[1]:
            raise ValueError(f"augmentation.short_side_px is {self.short_side_px}; expected from and to, in pixels")
        if not 0 <= self.hue <= 0.5:
            raise ValueError(f"augmentation.hue is {self.hue}; expected 0 to 0.5")
        for name, value in {"flip": self.flip, "jitter": self.jitter, "grayscale": self.grayscale}.items():
            if not 0 <= value <= 1:
                raise ValueError(f"augmentation.{name} is {value}; expected 0 to 1")


class TrainTransform:
    """One random view: ``uint8 (T, H, W, 3)`` to a list of one ``uint8 (3, T, crop_px, crop_px)``.

    It draws from torch's global generator; the dataset seeds that for each sample.
    """

    def __init__(self, crop_px: int, augmentation: Augmentation) -> None:
        steps = [*_cut(crop_px, augmentation), v2.RandomHorizontalFlip(augmentation.flip)]
        strength = augmentation.jitter
        if strength or augmentation.hue:
            steps.append(v2.ColorJitter(strength, strength, strength, augmentation.hue))
        if augmentation.grayscale:
            steps.append(v2.RandomGrayscale(augmentation.grayscale))
        self.steps = v2.Compose(steps)

    def __call__(self, frames: Tensor) -> list[Tensor]:
        """Draws once for all frames."""
        picture: Tensor = self.steps(frames.permute(0, 3, 1, 2))  # (T, C, H, W)
        return [picture.transpose(0, 1)]


def _cut(crop_px: int, augmentation: Augmentation) -> list[torch.nn.Module]:
    """A random square of ``crop_px``."""
    if augmentation.short_side_px is None:
        return [v2.RandomResizedCrop(crop_px, scale=augmentation.area, ratio=augmentation.aspect, antialias=True)]
    smallest, largest = augmentation.short_side_px
    if smallest < crop_px:
        raise ValueError(f"augmentation.short_side_px begins at {smallest}, below crop_px {crop_px}; raise it")
    return [v2.RandomShortestSize(list(range(smallest, largest + 1)), antialias=True), v2.RandomCrop(crop_px)]


class EvalTransform:
    """Fixed views: ``uint8 (T, H, W, 3)`` to ``num_crops`` of ``uint8 (3, T, crop_px, crop_px)``.

    The short side is resized to ``short_side_px``; one crop is the centre, three lie along the long side.

    Raises:
        ValueError: if ``num_crops`` is neither 1 nor 3, or the crop is larger than the short side.
    """

    def __init__(self, short_side_px: int, crop_px: int, num_crops: int = 1) -> None:
        if num_crops not in (1, 3):
            raise ValueError(f"expected 1 or 3 crops, got {num_crops}")
        if crop_px > short_side_px:
            raise ValueError(f"crop_px {crop_px} is larger than short_side_px {short_side_px}; lower it")
        self.short_side_px, self.crop_px, self.num_crops = short_side_px, crop_px, num_crops

    def __call__(self, frames: Tensor) -> list[Tensor]:
        """Resizes, then crops."""
        picture = F.resize(frames.permute(0, 3, 1, 2), [self.short_side_px], antialias=True)  # (T, C, H, W)
        height, width = picture.shape[-2:]
        places = [0.5] if self.num_crops == 1 else [0.0, 0.5, 1.0]
        crops = []
        for place in places:
            top = round((height - self.crop_px) * (place if height > width else 0.5))
            left = round((width - self.crop_px) * (0.5 if height > width else place))
            crops.append(F.crop(picture, top, left, self.crop_px, self.crop_px).transpose(0, 1))
        return crops
