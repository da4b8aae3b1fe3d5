"""SlowOnly: the Slow pathway of SlowFast by itself."""

from __future__ import annotations

from typing import Any

from gcvideo.models.backbones.resnet import Backbone


class SlowOnly(Backbone):
    """A ResNet with temporal 3x1x1 convolutions in res4 and res5 only, and no temporal stride.

    Args:
        depth: 50, 101 or 152.
        width: channels of the stem, 64 as published.
        options: see Backbone.

    Source:
        Feichtenhofer et al., SlowFast Networks, https://arxiv.org/abs/1812.03982, table 1, Slow pathway.
        Parameter names are those of pytorchvideo's ``slow_r50``.
    """

    def __init__(self, depth: int = 50, width: int = 64, **options: Any) -> None:
        super().__init__({"stem_conv_kernel_size": (1, 7, 7)}, depth, width, **options)
