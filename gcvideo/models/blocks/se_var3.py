"""SE-Var3: squeeze-and-excitation with one full layer."""

from __future__ import annotations

from functools import partial

from gcvideo.models.blocks.context_block import ContextBlock
from gcvideo.models.blocks.fusions import Scale
from gcvideo.models.blocks.pools import AveragePool, Axes
from gcvideo.models.blocks.transforms import Full


class SEVar3(ContextBlock):
    """z = x * sigmoid(W mean(x)): C x C parameters, no bias; not the identity at birth.

    Args:
        channels: C of the features.
        axes: what is squeezed: spacetime, space or time.

    Shape:
        input and output: (N, C, T, H, W), any floating dtype.

    Raises:
        ValueError: if ``axes`` is none of these.

    Source:
        Wang et al., ECA-Net, https://arxiv.org/abs/1910.03151, equation 4 and table 2.
    """

    def __init__(self, channels: int, axes: Axes = "spacetime") -> None:
        super().__init__(channels, partial(AveragePool, axes=axes), Full, Scale)
