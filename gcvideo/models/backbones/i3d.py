"""I3D: a 2D ResNet whose filters are inflated in time."""

from __future__ import annotations

from typing import Any, Literal

from pytorchvideo.models.resnet import create_bottleneck_block

from gcvideo.models.backbones.resnet import Backbone, TemporalMaxPool

_FLAT, _DEEP = (1, 1, 1), (3, 1, 1)
_EVERY_SECOND = (_DEEP, [_DEEP, _FLAT], [_DEEP, _FLAT], [_FLAT, _DEEP])  # res2 to res5, repeated over the blocks


class I3D(Backbone):
    """A ResNet with a 5x7x7 stem and temporal convolutions in every second residual block (in all of res2).

    Args:
        depth: 50, 101 or 152.
        width: channels of the stem, 64 as published.
        kernel: which convolution of a block is inflated: its first 1x1 (3x1x1), or its 3x3 (3x3x3).
        inflate: every_second block, as published; or all of them (mmaction2's "heavy").
        temporal: where time shrinks. pool2: to a half after res2 (8 frames: pytorchvideo, PySlowFast); pool1: also by
            the first convolution and pooling, to an eighth (32 frames of mmaction2); paper: likewise, with a first
            pooling of 3x3x3 and 3x1x1 after res2 (32 and 128 frames of the paper, table 1).
        options: see Backbone.

    Raises:
        ValueError: if ``kernel``, ``inflate`` or ``temporal`` is none of these.

    Source:
        Carreira and Zisserman, https://arxiv.org/abs/1705.07750, as a ResNet in Wang et al., Non-local Neural Networks,
        https://arxiv.org/abs/1711.07971, section 4.1. Parameter names are those of pytorchvideo's ``i3d_r50``.
    """

    def __init__(
        self,
        depth: int = 50,
        width: int = 64,
        kernel: Literal["3x1x1", "3x3x3"] = "3x1x1",
        inflate: Literal["every_second", "all"] = "every_second",
        temporal: Literal["pool2", "pool1", "paper"] = "pool2",
        **options: Any,
    ) -> None:
        resnet: dict[str, Any] = {
            "stem_conv_kernel_size": (5, 7, 7),
            "stage1_pool": TemporalMaxPool,
            "bottleneck": _chosen("kernel", kernel, {"3x1x1": create_bottleneck_block, "3x3x3": _with_deep_3x3}),
            "stage_conv_a_kernel_size": _chosen(
                "inflate", inflate, {"every_second": _EVERY_SECOND, "all": (_DEEP,) * 4}
            ),
        }
        strided = {"stem_conv_stride": (2, 2, 2), "stem_pool_stride": (2, 2, 2)}
        overlapping = {"stem_pool_kernel_size": (3, 3, 3), "stage1_pool_kernel_size": (3, 1, 1)}
        shrinking: dict[str, dict[str, Any]] = {"pool2": {}, "pool1": strided, "paper": strided | overlapping}
        super().__init__(resnet | _chosen("temporal", temporal, shrinking), depth, width, **options)


def _chosen(field: str, value: str, existing: dict[str, Any]) -> Any:
    if value not in existing:
        raise ValueError(f"{field} is {value!r}; expected one of {', '.join(existing)}")
    return existing[value]


def _with_deep_3x3(**block: Any) -> Any:
    """Moves the temporal extent of a bottleneck from its first convolution to the 3x3."""
    if block["conv_a_kernel_size"][0] == 3:
        block |= {"conv_a_kernel_size": _FLAT, "conv_a_padding": (0, 0, 0)}
        block |= {"conv_b_kernel_size": (3, 3, 3), "conv_b_padding": (1, 1, 1)}
    return create_bottleneck_block(**block)
