"""From decoded frames to views. Everything stays uint8 until it is on the device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from gcvideo.errors import InputError

_GREY = (115, 115, 115)  # what the normalisation takes to about zero: 0.45 of 255
_STRONGEST = 30


@dataclass(frozen=True)
class Augmentation:
    """What is varied from one training clip to the next; one draw holds for all frames of a clip.

    Attributes:
        area: share of the picture a training crop covers, from and to, as in random resized crop.
        aspect: width to height of that crop, from and to.
        short_side_px: instead of ``area`` and ``aspect``: the short side is resized to a size between these two, then
            a square is cut out anywhere ("scale jitter" of the Non-local and SlowFast recipes).
        flip: probability of a left-right flip; 0 where left and right tell classes apart.
        keep_direction: the classes that are never flipped, by name, where left and right matter to some only.
        jitter: strength of brightness, contrast and saturation jitter, 0 to 1.
        hue: strength of hue jitter, 0 to 0.5 (half the colour circle).
        grayscale: probability that a clip loses its colours.
        randaugment: operations of RandAugment (https://arxiv.org/abs/1909.13719) a clip, after the colours; 0 turns it
            off. Shears, shifts and turns fill what they uncover with grey; equalize and autocontrast stretch each
            frame by its own histogram.
        randaugment_magnitude: how strong these are, 0 to 30.
        erasing: probability that a box of a clip becomes grey, the same box in all frames, a fiftieth to a third of
            the picture (https://arxiv.org/abs/1708.04896); the last step.

    Raises:
        ValueError: if a value is out of its range.
    """

    area: tuple[float, float] = (0.35, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    short_side_px: tuple[int, int] | None = None
    flip: float = 0.5
    keep_direction: tuple[str, ...] = ()
    jitter: float = 0.0
    hue: float = 0.0
    grayscale: float = 0.0
    randaugment: int = 0
    randaugment_magnitude: int = 9
    erasing: float = 0.0

    def __post_init__(self) -> None:
        if not 0 < self.area[0] <= self.area[1] <= 1:
            raise ValueError(f"augmentation.area is {self.area}; expected from and to, above 0 and up to 1")
        if not 0 < self.aspect[0] <= self.aspect[1]:
            raise ValueError(f"augmentation.aspect is {self.aspect}; expected from and to, above 0")
        if self.short_side_px is not None and not 0 < self.short_side_px[0] <= self.short_side_px[1]:
            raise ValueError(f"augmentation.short_side_px is {self.short_side_px}; expected from and to, in pixels")
        if not 0 <= self.hue <= 0.5:
            raise ValueError(f"augmentation.hue is {self.hue}; expected 0 to 0.5")
        if self.randaugment < 0:
            raise ValueError(f"augmentation.randaugment is {self.randaugment}; expected 0 or more operations")
        if not 0 <= self.randaugment_magnitude <= _STRONGEST:
            raise ValueError(
                f"augmentation.randaugment_magnitude is {self.randaugment_magnitude}; expected 0 to {_STRONGEST}"
            )
        for name in ("flip", "jitter", "grayscale", "erasing"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"augmentation.{name} is {getattr(self, name)}; expected 0 to 1")


def unflipped_labels(augmentation: Augmentation, classes: Sequence[str]) -> frozenset[int]:
    """The class numbers of ``augmentation.keep_direction``.

    Raises:
        InputError: if a name is none of ``classes``.
    """
    for name in augmentation.keep_direction:
        if name not in classes:
            near = get_close_matches(name, classes)
            hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"there are {_some(classes)}"
            raise InputError(f"augmentation.keep_direction: no class is called {name!r}; {hint}")
    return frozenset(label for label, name in enumerate(classes) if name in augmentation.keep_direction)


class TrainTransform:
    """One random view: ``uint8 (T, H, W, 3)`` to a list of one ``uint8 (3, T, crop_px, crop_px)``.

    It cuts, flips, changes colours, then come RandAugment and erasing. It draws from torch's global generator alone;
    the dataset seeds that for each sample. A clip that is not flipped draws as many numbers as one that is.

    Args:
        crop_px: side of the view.
        augmentation: what is varied.
        unflipped: class numbers that are never flipped, see ``unflipped_labels``.

    Raises:
        ValueError: if classes keep their direction and nothing says which labels these are, or a clip's label.
    """

    def __init__(self, crop_px: int, augmentation: Augmentation, unflipped: frozenset[int] = frozenset()) -> None:
        if augmentation.keep_direction and not unflipped:
            raise ValueError("augmentation.keep_direction names classes; expected their labels (unflipped_labels)")
        self.unflipped = unflipped
        cut, look = _cut(crop_px, augmentation), _look(augmentation)
        self.steps = v2.Compose([*cut, v2.RandomHorizontalFlip(augmentation.flip), *look])
        self.steps_without_flip = v2.Compose([*cut, v2.RandomHorizontalFlip(0.0), *look])

    def __call__(self, frames: Tensor, label: int | None = None) -> list[Tensor]:
        """Draws once for all frames."""
        if self.unflipped and label is None:
            raise ValueError("some classes are never flipped; expected the label of the clip, got None")
        steps = self.steps_without_flip if label in self.unflipped else self.steps
        picture: Tensor = steps(frames.permute(0, 3, 1, 2))  # (T, C, H, W)
        return [picture.transpose(0, 1)]


def _cut(crop_px: int, augmentation: Augmentation) -> list[torch.nn.Module]:
    """A random square of ``crop_px``."""
    if augmentation.short_side_px is None:
        return [v2.RandomResizedCrop(crop_px, scale=augmentation.area, ratio=augmentation.aspect, antialias=True)]
    smallest, largest = augmentation.short_side_px
    if smallest < crop_px:
        raise ValueError(f"augmentation.short_side_px begins at {smallest}, below crop_px {crop_px}; raise it")
    return [v2.RandomShortestSize(list(range(smallest, largest + 1)), antialias=True), v2.RandomCrop(crop_px)]


def _look(augmentation: Augmentation) -> list[torch.nn.Module]:
    """What changes the look of a clip once it is cut and flipped."""
    steps: list[torch.nn.Module] = []
    strength = augmentation.jitter
    if strength or augmentation.hue:
        steps.append(v2.ColorJitter(strength, strength, strength, augmentation.hue))
    if augmentation.grayscale:
        steps.append(v2.RandomGrayscale(augmentation.grayscale))
    if augmentation.randaugment:
        strong = augmentation.randaugment_magnitude
        steps.append(v2.RandAugment(augmentation.randaugment, strong, _STRONGEST + 1, fill=_GREY))  # nearest: no rim
    if augmentation.erasing:
        steps.append(v2.RandomErasing(augmentation.erasing, value=_GREY))
    return steps


def _some(names: Sequence[str], at_most: int = 8) -> str:
    """``a, b and 3 more``."""
    more = f" and {len(names) - at_most} more" if len(names) > at_most else ""
    return f"{', '.join(names[:at_most])}{more}"


class EvalTransform:
    """Fixed views: ``uint8 (T, H, W, 3)`` to ``num_crops`` of ``uint8 (3, T, crop_px, crop_px)``.

    The short side is resized to ``short_side_px``; one crop is the centre, several lie along the long side at equal
    distances, from end to end.

    Raises:
        ValueError: if ``num_crops`` is below 1, or the crop is larger than the short side.
    """

    def __init__(self, short_side_px: int, crop_px: int, num_crops: int = 1) -> None:
        if num_crops < 1:
            raise ValueError(f"expected at least 1 crop, got {num_crops}")
        if crop_px > short_side_px:
            raise ValueError(f"crop_px {crop_px} is larger than short_side_px {short_side_px}; lower it")
        self.short_side_px, self.crop_px, self.num_crops = short_side_px, crop_px, num_crops

    def __call__(self, frames: Tensor, label: int | None = None) -> list[Tensor]:
        """Resizes, then crops; the same for every label."""
        picture = F.resize(frames.permute(0, 3, 1, 2), [self.short_side_px], antialias=True)  # (T, C, H, W)
        height, width = picture.shape[-2:]
        crops = []
        for place in _places(self.num_crops):
            top = round((height - self.crop_px) * (place if height > width else 0.5))
            left = round((width - self.crop_px) * (0.5 if height > width else place))
            crops.append(F.crop(picture, top, left, self.crop_px, self.crop_px).transpose(0, 1))
        return crops


def _places(num_crops: int) -> list[float]:
    """Where along the long side: 0 is one end, 1 the other; a single crop lies in the middle."""
    return [0.5] if num_crops == 1 else [k / (num_crops - 1) for k in range(num_crops)]


Transform = TrainTransform | EvalTransform
