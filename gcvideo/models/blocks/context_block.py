"""The sentence that squeeze-excitation, simplified non-local and global context are all cases of."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from gcvideo.models.block import Block


class Pool(nn.Module):
    """Gathers positions: (N, C, T, H, W) to (N, t, h, w, C), where a gathered axis has the size 1."""

    def pass_through(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The features and what was gathered of them; a pool may join the two gradients here."""
        return x, self(x)


class Transform(nn.Module):
    """Changes a context: (..., C) to (..., K); K is C, or 2 C for the fusion that scales and adds."""


class Fusion(nn.Module):
    """Brings a context back to every position: (N, C, T, H, W) and (N, t, h, w, K) to (N, C, T, H, W)."""


class ContextBlock(Block):
    """z = fusion(x, transform(pool(x))): what all context blocks with one context for a clip have in common.

    Args:
        channels: C of the features.
        pool: makes the pool for a number of channels.
        transform: makes the transform, likewise.
        fusion: makes the fusion, likewise.

    Shape:
        input and output: (N, C, T, H, W), any floating dtype.

    Raises:
        ValueError: if the input has another shape or an axis without positions.

    Source:
        Cao et al., GCNet, https://arxiv.org/abs/1904.11492, equation 5 and figure 4.
    """

    def __init__(
        self,
        channels: int,
        pool: Callable[[int], Pool],
        transform: Callable[[int], Transform],
        fusion: Callable[[int], Fusion],
    ) -> None:
        super().__init__(channels)
        self.pool, self.transform, self.fusion = pool(channels), transform(channels), fusion(channels)

    def forward(self, x: Tensor) -> Tensor:
        """The sentence; the gradients of x from both of its places are joined in the pool."""
        self._check_input(x)
        x, pooled = self.pool.pass_through(x)
        fused: Tensor = self.fusion(x, self.transform(pooled))
        return fused

    def reference(self, x: Tensor) -> Tensor:
        """The sentence as it stands in the paper."""
        fused: Tensor = self.fusion(x, self.transform(self.pool(x)))
        return fused


def as_positions(context: Tensor) -> Tensor:
    """(N, t, h, w, C) to (N, C, t, h, w), which broadcasts over the features."""
    return context.permute(0, 4, 1, 2, 3)
