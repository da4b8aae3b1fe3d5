"""Mixup, cutmix and label smoothing: on the device, with soft targets."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import one_hot
from torchvision.transforms import v2


@dataclass(frozen=True)
class Mixing:
    """How the clips of a batch are mixed with each other.

    Attributes:
        mixup: alpha of the Beta distribution of mixup (https://arxiv.org/abs/1710.09412); 0 turns it off.
        cutmix: alpha of cutmix (https://arxiv.org/abs/1905.04899), one box for all frames; 0 turns it off. With both,
            each batch takes one of them by chance.
        label_smoothing: share of the target that is spread over all classes, 0 to below 1.

    Raises:
        ValueError: if an alpha is negative or the share out of range.
    """

    mixup: float = 0.0
    cutmix: float = 0.0
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if min(self.mixup, self.cutmix) < 0:
            raise ValueError(f"mixing.mixup is {self.mixup} and mixing.cutmix {self.cutmix}; expected 0 or more")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"mixing.label_smoothing is {self.label_smoothing}; expected a share, 0 to below 1")

    def __call__(self, clips: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
        """Mixes clips, drawing from torch's global generator.

        Args:
            clips: (N, C, T, H, W), uint8 0-255.
            labels: int64 (N,).
            num_classes: K.

        Returns:
            The clips (float 0-1 where they are mixed), and the targets: float (N, K), rows sum to 1.
        """
        targets = one_hot(labels, num_classes).float()
        choices = self._choices(num_classes)
        if choices:
            choice = choices[int(torch.randint(len(choices), ()))]
            flat = (clips.float() / 255).flatten(1, 2)  # (N, C·T, H, W): torchvision mixes pictures
            mixed, targets = choice(flat, labels)
            clips = mixed.unflatten(1, clips.shape[1:3])
        return clips, targets * (1 - self.label_smoothing) + self.label_smoothing / num_classes

    def _choices(self, num_classes: int) -> list[v2.MixUp | v2.CutMix]:
        mixup = [v2.MixUp(alpha=self.mixup, num_classes=num_classes)] if self.mixup else []
        cutmix = [v2.CutMix(alpha=self.cutmix, num_classes=num_classes)] if self.cutmix else []
        return [*mixup, *cutmix]
