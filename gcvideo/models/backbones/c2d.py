"""C2D: a 2D ResNet over the frames of a clip."""

from __future__ import annotations

from torch import nn

from gcvideo.models.backbones.resnet import Backbone


class C2D(Backbone):
    """A ResNet without temporal convolutions; time is only pooled: by 2 after res2, and over all frames at the end.

    With an even number of frames it cannot tell a clip from the same clip played backwards.

    Args:
        depth: 50, 101 or 152.
        width: channels of the stem, 64 as published.
        zero_init_last_bn: start each residual block as the identity.

    Source:
        Wang et al., Non-local Neural Networks, https://arxiv.org/abs/1711.07971, section 4.1, in the form of
        pytorchvideo's ``c2d_r50``, whose parameter names it keeps.
    """

    def __init__(self, depth: int = 50, width: int = 64, zero_init_last_bn: bool = True) -> None:
        super().__init__(
            depth,
            width,
            zero_init_last_bn,
            stem_conv_kernel_size=(1, 7, 7),
            stage1_pool=_TemporalMaxPool,
            stage_conv_a_kernel_size=((1, 1, 1),) * 4,
        )


class _TemporalMaxPool(nn.MaxPool3d):
    """Pools pairs of frames; a single frame stays as it is (pytorchvideo's refuses it)."""

    def __init__(self, kernel_size: tuple[int, int, int], stride: tuple[int, int, int], padding: object) -> None:
        super().__init__(kernel_size, stride, ceil_mode=True)
