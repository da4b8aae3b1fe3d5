"""SlowOnly: the Slow pathway of SlowFast by itself."""

from __future__ import annotations

from gcvideo.models.backbones.resnet import Backbone


class SlowOnly(Backbone):
    """A ResNet with temporal 3x1x1 convolutions in res4 and res5 only, and no temporal stride.

    Args:
        depth: 50, 101 or 152.
        width: channels of the stem, 64 as published.
        zero_init_last_bn: start each residual block as the identity.

    Source:
        Feichtenhofer et al., SlowFast Networks, https://arxiv.org/abs/1812.03982, table 1, Slow pathway.
        Parameter names are those of pytorchvideo's ``slow_r50``.
    """

    def __init__(self, depth: int = 50, width: int = 64, zero_init_last_bn: bool = True) -> None:
        super().__init__(depth, width, zero_init_last_bn, stem_conv_kernel_size=(1, 7, 7))
