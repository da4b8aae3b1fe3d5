"""Global context block (GC)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gcvideo.models.block import Block


class GlobalContext(Block):
    """Adds one global context vector to every position of a clip.

    The context is a softmax-weighted sum of all S = T·H·W positions, squeezed to ``channels * ratio`` and back.
    The last layer starts at zero, so a fresh block is the identity.

    Args:
        channels: C of the features.
        ratio: hidden channels as a share of C; GCNet takes 1/4 on Kinetics and 1/16 on images.

    Shape:
        input and output: (N, C, T, H, W), any floating dtype; the softmax is taken in float32.

    Raises:
        ValueError: if ``ratio`` is not between 0 and 1, or leaves fewer than 2 hidden channels (the layer norm of a
            single channel is always zero).

    Source:
        Cao et al., GCNet, https://arxiv.org/abs/1904.11492, GC block.
        Departures: positions are (T, H, W) instead of (H, W); linear layers stand for the 1x1 convolutions on a
        single position and LayerNorm(hidden) for LayerNorm((hidden, 1, 1)), which is the same arithmetic.
    """

    def __init__(self, channels: int, ratio: float = 1 / 4) -> None:
        super().__init__(channels)
        if not 0 < ratio < 1:
            raise ValueError(f"ratio is {ratio}; expected a share between 0 and 1, such as 0.25 for a quarter")
        hidden = int(channels * ratio)
        if hidden < 2:
            raise ValueError(f"ratio {ratio} of {channels} channels leaves {hidden} hidden ones; at least 2 are needed")
        self.mask = nn.Conv3d(channels, 1, kernel_size=1)
        last = nn.Linear(hidden, channels)
        self.transform = nn.Sequential(nn.Linear(channels, hidden), nn.LayerNorm(hidden), nn.ReLU(), last)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """As in GCNet: He initialisation of the mask, zero for the last layer."""
        nn.init.kaiming_normal_(self.mask.weight, mode="fan_in", nonlinearity="relu")
        for parameter in self.transform[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """z_i = x_i + transform(sum_j softmax(mask(x))_j x_j)."""
        self._check_input(x)
        context: Tensor = self.transform(self.pool(x))  # (N, C)
        return x + context[:, :, None, None, None].to(x.dtype)

    def pool(self, x: Tensor) -> Tensor:
        """The context: attention-weighted sum over all positions, (N, C)."""
        attention = self.attention(x).flatten(1)  # (N, S)
        return torch.einsum("ncs,ns->nc", x.flatten(2), attention.to(x.dtype))

    def attention(self, x: Tensor) -> Tensor:
        """The softmax weights of all positions: float32 (N, T, H, W), sum 1 for each clip."""
        logits: Tensor = self.mask(x).flatten(1).float()  # (N, S)
        return logits.softmax(dim=1).view(x.shape[0], *x.shape[2:])
