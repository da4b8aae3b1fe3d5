"""The base class of every context block, so that a YAML can name one shortly and nothing else fits."""

from __future__ import annotations

from torch import Tensor, nn


class Block(nn.Module):
    """A module that keeps the shape of a clip's features.

    The first argument of a subclass is ``channels``; it knows nothing of where it stands.

    Shape:
        input and output: (N, C, T, H, W), any floating dtype.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def _check_input(self, x: Tensor) -> None:
        if x.ndim != 5 or x.shape[1] != self.channels:
            raise ValueError(f"expected (N, {self.channels}, T, H, W), got {tuple(x.shape)}")
        if 0 in x.shape[2:]:
            raise ValueError(f"features of {tuple(x.shape)} have an axis without positions; T, H, W are at least 1")
