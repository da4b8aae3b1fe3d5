"""The forms that benchmarks/blocks.py compares: each block as ours, as its textbook, as pytorchvideo's and mmcv's."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from gcvideo.models.blocks.efficient_channel import EfficientChannel
from gcvideo.models.blocks.efficient_channel_ns import EfficientChannelNS
from gcvideo.models.blocks.global_context import GlobalContext
from gcvideo.models.blocks.non_local import PAIRWISE, NonLocal
from gcvideo.models.blocks.se_grouped import SEGrouped
from gcvideo.models.blocks.se_var1 import SEVar1
from gcvideo.models.blocks.se_var2 import SEVar2
from gcvideo.models.blocks.se_var3 import SEVar3
from gcvideo.models.blocks.simplified_non_local import SimplifiedNonLocal
from gcvideo.models.blocks.squeeze_excitation import SqueezeExcitation

SUB = (1, 2, 2)
CONTEXT: dict[str, Callable[[int], Any]] = {
    "GC": GlobalContext,
    "GC average": partial(GlobalContext, pool="average"),
    "GC scale": partial(GlobalContext, fusion="scale"),
    "GC both": partial(GlobalContext, fusion="both"),
    "SNL": SimplifiedNonLocal,
    "SE": SqueezeExcitation,
    "SE-Var1": SEVar1,
    "SE-Var2": SEVar2,
    "SE-Var3": SEVar3,
    "SE-GC1": partial(SEGrouped, groups=16),
    "ECA": EfficientChannel,
    "ECA-NS": EfficientChannelNS,
}
MMCV_CONTEXT: dict[str, tuple[str, list[str]]] = {  # how mmcv's ContextBlock pools and fuses
    "GC": ("att", ["channel_add"]),
    "GC average": ("avg", ["channel_add"]),
    "GC scale": ("att", ["channel_mul"]),
    "GC both": ("att", ["channel_mul", "channel_add"]),
}


def forms_of(channels: int, name: str) -> dict[str, nn.Module]:
    """A block of that name by ours, the textbook, and others."""
    if name in PAIRWISE:
        return _blocks(channels, name)
    block = CONTEXT[name](channels)
    forms: dict[str, nn.Module] = {"ours": block, "textbook": Textbook(block)}
    if name == "SE":
        theirs = importlib.import_module("fvcore.nn.squeeze_excitation").SqueezeExcitation  # that of its X3D
        forms["pytorchvideo"] = theirs(channels, num_channels_reduced=channels // 16, is_3d=True)
    if name in MMCV_CONTEXT:
        forms["mmcv"] = OnPictures(_from_mmcv("ContextBlock")(channels, 1 / 4, *MMCV_CONTEXT[name]))
    return forms


def _blocks(channels: int, pairwise: Any) -> dict[str, nn.Module]:
    """The same block four times; mmcv pools after phi and g, so it does more where keys are subsampled."""
    ours = NonLocal(channels, pairwise=pairwise, subsample=SUB)
    blocks: dict[str, nn.Module] = {"ours": ours, "textbook": Textbook(ours)}
    if pairwise != "concatenation":  # mmcv 2.2's divides in place what its backward needs, which torch refuses
        blocks["mmcv"] = _from_mmcv("NonLocal3d")(channels, mode=pairwise, norm_cfg={"type": "BN3d"}, sub_sample=True)
    kinds = {"embedded_gaussian": "softmax", "dot_product": "dot_product"}
    if pairwise in kinds:
        create = importlib.import_module("pytorchvideo.layers.nonlocal_net").create_nonlocal
        blocks["pytorchvideo"] = create(
            dim_in=channels,
            dim_inner=channels // 2,
            pool_size=SUB,
            instantiation=kinds[pairwise],
            norm=nn.BatchNorm3d,
            norm_eps=1e-5,
            norm_momentum=0.1,
        )
    return blocks


def _from_mmcv(name: str) -> Callable[..., nn.Module]:
    with warnings.catch_warnings(action="ignore"):
        block: Callable[..., nn.Module] = getattr(importlib.import_module("mmcv.cnn.bricks"), name)
    return block


class OnPictures(nn.Module):
    """mmcv's ContextBlock takes (N, C, H, W) alone; frames one below the other have the same positions: a view."""

    def __init__(self, block: nn.Module) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, T, H, W) as (N, C, T H, W)."""
        result: Tensor = self.block(x.flatten(2, 3))
        return result.view_as(x)


class Textbook(nn.Module):
    """The reference of a block, with the block's own weights."""

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.block = block

    def forward(self, x: Tensor) -> Tensor:
        """As the paper writes it."""
        result: Tensor = self.block.reference(x)
        return result
