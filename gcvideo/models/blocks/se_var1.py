"""SE-Var1: squeeze-and-excitation without a transform."""

from __future__ import annotations

from functools import partial

from gcvideo.models.blocks.context_block import ContextBlock
from gcvideo.models.blocks.fusions import Scale
from gcvideo.models.blocks.pools import AveragePool, Axes
from gcvideo.models.blocks.transforms import Identity


class SEVar1(ContextBlock):
    """z = x * sigmoid(mean(x)): no parameters, not the identity at birth.

    Args:
        channels: C of the features.
        axes: what is squeezed: spacetime, space or time.

    Shape:
        input and output: (N, C, T, H, W), any floating dtype.

    Raises:
        ValueError: if ``axes`` is none of these.

    Source:
        Wang et al., ECA-Net, https://arxiv.org/abs/1910.03151, equation 3 and table 2.
    """

    def __init__(self, channels: int, axes: Axes = "spacetime") -> None:
        super().__init__(channels, partial(AveragePool, axes=axes), Identity, Scale)
