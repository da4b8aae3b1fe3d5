"""C2D: a 2D ResNet over the frames of a clip."""

from __future__ import annotations

from typing import Any, Literal

from gcvideo.models.backbones.resnet import Backbone, TemporalMaxPool


class C2D(Backbone):
    """A ResNet without temporal convolutions; time is only pooled, and averaged at the end.

    Without temporal strides, or with pool2 and an even number of frames, it cannot tell a clip from the same clip
    played backwards.

    Args:
        depth: 50, 101 or 152.
        width: channels of the stem, 64 as published.
        temporal: where time shrinks. pool2: to a half after res2 (pytorchvideo, and the "temporal pool" of mmaction2);
            none: nowhere (the "nopool" of PySlowFast and mmaction2); paper: to an eighth for clips of 32 frames, by the
            first convolution, the first pooling (3x3x3) and after res2 (3x1x1), table 1 of the paper.
        options: see Backbone.

    Raises:
        ValueError: if ``temporal`` is none of these.

    Source:
        Wang et al., Non-local Neural Networks, https://arxiv.org/abs/1711.07971, section 4.1, in the form of
        pytorchvideo's ``c2d_r50``, whose parameter names it keeps.
    """

    def __init__(
        self, depth: int = 50, width: int = 64, temporal: Literal["pool2", "none", "paper"] = "pool2", **options: Any
    ) -> None:
        shrinking: dict[str, dict[str, Any]] = {
            "pool2": {"stage1_pool": TemporalMaxPool},
            "none": {},
            "paper": {
                "stem_conv_stride": (2, 2, 2),
                "stem_pool_kernel_size": (3, 3, 3),
                "stem_pool_stride": (2, 2, 2),
                "stage1_pool": TemporalMaxPool,
                "stage1_pool_kernel_size": (3, 1, 1),
            },
        }
        if temporal not in shrinking:
            raise ValueError(f"temporal is {temporal!r}; expected one of {', '.join(shrinking)}")
        kernels = {"stem_conv_kernel_size": (1, 7, 7), "stage_conv_a_kernel_size": ((1, 1, 1),) * 4}
        super().__init__(kernels | shrinking[temporal], depth, width, **options)
