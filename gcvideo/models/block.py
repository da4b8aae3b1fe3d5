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
        shape = tuple(x.shape)
        if x.ndim != 5:
            cure = "x[:, :, None] makes clips of one frame of pictures, x[None] a batch of one clip"
            raise ValueError(f"expected (N, {self.channels}, T, H, W), got {shape}; {cure}")
        if shape[1] != self.channels:
            cure = f"make the block for {shape[1]} channels, or move the axis of the channels there"
            raise ValueError(f"expected (N, {self.channels}, T, H, W), got {shape}; {cure}")
        if 0 in shape[2:]:
            cure = "T, H, W are at least 1: take longer or larger clips"
            raise ValueError(f"features of {shape} have an axis without positions; {cure}")
