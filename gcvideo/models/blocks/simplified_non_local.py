"""Simplified non-local block (SNL)."""

from __future__ import annotations

from functools import partial

from gcvideo.models.blocks.context_block import ContextBlock
from gcvideo.models.blocks.fusions import Add
from gcvideo.models.blocks.pools import AttentionPool
from gcvideo.models.blocks.transforms import Full


class SimplifiedNonLocal(ContextBlock):
    """z = x + W_v sum_j softmax(W_k x)_j x_j: the non-local block whose attention is the same for every query.

    W_v starts at zero, so a fresh block is the identity. It stands outside of the sum, which changes nothing and costs
    C x C for a clip instead of for a position.

    Args:
        channels: C of the features.

    Shape:
        input and output: (N, C, T, H, W), any floating dtype; the softmax is taken in float32.

    Source:
        Cao et al., GCNet, https://arxiv.org/abs/1904.11492, equation 3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, AttentionPool, partial(Full, bias=True, zero=True), Add)
