"""How a context comes back to every position."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from gcvideo.models.blocks.context_block import Fusion, as_positions

Gate = Literal["sigmoid", "identity"]


class Add(Fusion):
    """x + c: the identity where the context is zero."""

    def __init__(self, channels: int) -> None:
        super().__init__()

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Broadcasts over the gathered axes."""
        return x + as_positions(context).to(x.dtype)


class Scale(Fusion):
    """x times a gate of c.

    Args:
        channels: C; the gate has no parameters.
        gate: sigmoid, as published: not the identity at birth, a context of zero halves the features. identity: twice
            the sigmoid, between 0 and 2, which is the identity for a context of zero.

    Raises:
        ValueError: if there is no such gate.
    """

    def __init__(self, channels: int, gate: Gate = "sigmoid") -> None:
        super().__init__()
        if gate not in ("sigmoid", "identity"):
            raise ValueError(f"gate is {gate!r}; expected 'sigmoid', or 'identity', which changes nothing at birth")
        self.highest = 1 if gate == "sigmoid" else 2

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """The gate is taken in float32."""
        precise = torch.promote_types(context.dtype, torch.float32)
        return x * as_positions(self.highest * context.to(precise).sigmoid()).to(x.dtype)


class ScaleAndAdd(Fusion):
    """x times a gate of the first half of c, plus the second half (GCNet's two fusions together).

    Args:
        channels: C; there are no parameters.
        gate: see ``Scale``.
    """

    def __init__(self, channels: int, gate: Gate = "sigmoid") -> None:
        super().__init__()
        self.scale, self.add = Scale(channels, gate), Add(channels)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Scales first."""
        gate, added = context.chunk(2, dim=-1)
        fused: Tensor = self.add(self.scale(x, gate), added)
        return fused
