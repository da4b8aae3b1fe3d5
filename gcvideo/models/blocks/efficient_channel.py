"""Efficient channel attention (ECA)."""

from __future__ import annotations

import math
from functools import partial
from typing import Literal

from gcvideo.models.blocks.context_block import ContextBlock
from gcvideo.models.blocks.fusions import Scale
from gcvideo.models.blocks.pools import AveragePool, Axes
from gcvideo.models.blocks.transforms import SharedConv1d

Kernel = int | Literal["auto"]


class EfficientChannel(ContextBlock):
    """z = x * sigmoid(conv1d(mean(x))) over neighbouring channels: k parameters; not the identity at birth.

    Args:
        channels: C of the features.
        kernel: k, odd; auto grows with C as in the official code: 5 for 128 to 1024 channels, 7 for 2048. (The
            official ResNet-50 passes 3, 5, 5, 7 by hand.)
        axes: what is squeezed: spacetime, space or time.

    Shape:
        input and output: (N, C, T, H, W), any floating dtype.

    Raises:
        ValueError: if ``kernel`` is even or less than 1, or ``axes`` is none of these.

    Source:
        Wang et al., ECA-Net, https://arxiv.org/abs/1910.03151, equations 9 and 12 (figure 3 forgets the sigmoid).
    """

    def __init__(self, channels: int, kernel: Kernel = "auto", axes: Axes = "spacetime") -> None:
        convolution = partial(SharedConv1d, kernel=kernel_size(channels, kernel))
        super().__init__(channels, partial(AveragePool, axes=axes), convolution, Scale)


def kernel_size(channels: int, kernel: Kernel) -> int:
    """K = |log2(C) / 2 + 1 / 2|, and one more where that is even."""
    if kernel != "auto":
        return kernel
    nearest = int(abs((math.log2(channels) + 1) / 2))
    return nearest if nearest % 2 else nearest + 1
