"""Works around wrong gradients of temporal convolutions on a processor.

In bfloat16 on a processor, torch 2.15 gives random weight gradients (up to 1e30, or not a number) for a convolution
whose kernel is longer in time than a clip of more than one frame: 3x1x1 on 2 frames, 5x7x7 on 2 to 4. In float32 they
are right.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class TemporalConv3d(nn.Conv3d):
    """A convolution that runs in float32 where its clip is shorter than its kernel, on a processor under autocast."""

    def forward(self, x: Tensor) -> Tensor:
        """As ``nn.Conv3d``."""
        if x.device.type != "cpu" or not torch.is_autocast_enabled("cpu") or not 1 < x.shape[2] < self.kernel_size[0]:
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float())


def mend_short_clips(network: nn.Module) -> None:
    """Makes every temporal convolution of a network one that is right on short clips; names and weights stay."""
    for module in network.modules():
        if type(module) is nn.Conv3d and module.kernel_size[0] > 1:
            module.__class__ = TemporalConv3d
