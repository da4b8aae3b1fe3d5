"""SE-GC: squeeze-and-excitation with a block-diagonal layer."""

from __future__ import annotations

from functools import partial

from gcvideo.models.blocks.context_block import ContextBlock
from gcvideo.models.blocks.fusions import Scale
from gcvideo.models.blocks.pools import AveragePool, Axes
from gcvideo.models.blocks.transforms import Grouped


class SEGrouped(ContextBlock):
    """z = x * sigmoid(W mean(x)), W block diagonal: C x C / groups parameters; not the identity at birth.

    ECA-Net's SE-GC1 has 16 groups, SE-GC2 C/16, SE-GC3 C/8.

    Args:
        channels: C of the features.
        groups: number of blocks on the diagonal.
        axes: what is squeezed: spacetime, space or time.

    Shape:
        input and output: (N, C, T, H, W), any floating dtype.

    Raises:
        ValueError: if ``groups`` does not divide ``channels``, or ``axes`` is none of these.

    Source:
        Wang et al., ECA-Net, https://arxiv.org/abs/1910.03151, equation 5 and table 2.
    """

    def __init__(self, channels: int, groups: int, axes: Axes = "spacetime") -> None:
        super().__init__(channels, partial(AveragePool, axes=axes), partial(Grouped, groups=groups), Scale)
