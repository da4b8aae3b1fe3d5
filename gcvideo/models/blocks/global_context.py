"""Global context block (GC)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal

from torch import Tensor

from gcvideo.models.blocks.context_block import ContextBlock, Fusion, Pool, Transform
from gcvideo.models.blocks.fusions import Add, Gate, Scale, ScaleAndAdd
from gcvideo.models.blocks.pools import AttentionPool, AveragePool
from gcvideo.models.blocks.transforms import Bottleneck, Branches

PoolName = Literal["attention", "average", "att", "avg"]
FusionName = Literal["add", "scale", "both"]


class GlobalContext(ContextBlock):
    """Brings one global context vector to every position of a clip.

    The context is a softmax-weighted sum (or the mean) of all S = T·H·W positions, squeezed to ``channels * ratio`` and
    back with a layer norm between. With the fusion "add" a fresh block is the identity; with "scale" and "both" it is
    only with the gate "identity": the official sigmoid halves the features at birth.

    Args:
        channels: C of the features.
        ratio: hidden channels as a share of C; GCNet takes 1/4 on Kinetics and 1/16 on images.
        pool: attention (att) or average (avg).
        fusion: add, scale, or both with a bottleneck each, the scale first.
        gate: sigmoid, as published, or identity, which is twice that; only where there is a scale.

    Shape:
        input and output: (N, C, T, H, W), any floating dtype; the softmax is taken in float32.

    Raises:
        ValueError: if an option is none of these, ``ratio`` is not between 0 and 1, or it leaves fewer than 2 hidden
            channels.

    Source:
        Cao et al., GCNet, https://arxiv.org/abs/1904.11492, GC block.
        Departures: positions are (T, H, W) instead of (H, W); linear layers stand for the 1x1 convolutions on a
        single position and LayerNorm(hidden) for LayerNorm((hidden, 1, 1)), which is the same arithmetic.
    """

    def __init__(
        self,
        channels: int,
        ratio: float = 1 / 4,
        pool: PoolName = "attention",
        fusion: FusionName = "add",
        gate: Gate = "sigmoid",
    ) -> None:
        pools: dict[str, Callable[[int], Pool]] = {"attention": AttentionPool, "average": AveragePool}
        pools |= {"att": AttentionPool, "avg": AveragePool}
        one = partial(Bottleneck, ratio=ratio)
        ways: dict[str, tuple[Callable[[int], Transform], Callable[[int], Fusion]]] = {
            "add": (one, Add),
            "scale": (one, partial(Scale, gate=gate)),
            "both": (partial(Branches, gate=one, add=one), partial(ScaleAndAdd, gate=gate)),
        }
        gates = ("sigmoid", "identity")
        for field, value, known in (("pool", pool, pools), ("fusion", fusion, ways), ("gate", gate, gates)):
            if value not in known:
                raise ValueError(f"{field} is {value!r}; expected one of {', '.join(known)}")
        super().__init__(channels, pools[pool], *ways[fusion])

    def attention(self, x: Tensor) -> Tensor:
        """The weights of all positions, float32 (N, T, H, W), sum 1 for each clip.

        Raises:
            ValueError: if the block averages instead.
        """
        if not isinstance(self.pool, AttentionPool):
            raise ValueError("this block averages: all positions have the same weight; take pool 'attention'")
        return self.pool.attention(x)
