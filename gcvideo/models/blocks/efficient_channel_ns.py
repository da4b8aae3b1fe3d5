"""Efficient channel attention with a kernel for each channel (ECA-NS)."""

from __future__ import annotations

from functools import partial

from gcvideo.models.blocks.context_block import ContextBlock
from gcvideo.models.blocks.efficient_channel import Kernel, kernel_size
from gcvideo.models.blocks.fusions import Scale
from gcvideo.models.blocks.pools import AveragePool, Axes
from gcvideo.models.blocks.transforms import PerChannelConv1d


class EfficientChannelNS(ContextBlock):
    """As ``EfficientChannel``, with k weights for each channel: k C parameters; not the identity at birth.

    Args:
        channels: C of the features.
        kernel: k, odd, or auto (see ``EfficientChannel``).
        axes: what is squeezed: spacetime, space or time.

    Shape:
        input and output: (N, C, T, H, W), any floating dtype.

    Raises:
        ValueError: if ``kernel`` is even or less than 1, or ``axes`` is none of these.

    Source:
        Wang et al., ECA-Net, https://arxiv.org/abs/1910.03151, equation 7 and table 2.
    """

    def __init__(self, channels: int, kernel: Kernel = "auto", axes: Axes = "spacetime") -> None:
        convolution = partial(PerChannelConv1d, kernel=kernel_size(channels, kernel))
        super().__init__(channels, partial(AveragePool, axes=axes), convolution, Scale)
