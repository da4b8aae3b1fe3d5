"""Every block of the family, for the tests that hold for all of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from gcvideo.models.block import Block
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

_Options = dict[str, Any]
NON_LOCAL: dict[str, Callable[[int], Block]] = {
    f"NonLocal {pairwise}": partial(NonLocal, **_Options(pairwise=pairwise)) for pairwise in PAIRWISE
}
SUBSAMPLED: dict[str, Callable[[int], Block]] = {
    f"NonLocal {pairwise} subsampled {where}": partial(
        NonLocal, **_Options(pairwise=pairwise, subsample=(1, 2, 2), subsample_where=where)
    )
    for pairwise in PAIRWISE
    for where in ("before", "after")
}
ADDED: dict[str, Callable[[int], Block]] = {
    "GC": GlobalContext,
    "GC average": partial(GlobalContext, pool="average"),
    "SNL": SimplifiedNonLocal,
    "GC scale, identity gate": partial(GlobalContext, fusion="scale", gate="identity"),
    "GC both, identity gate": partial(GlobalContext, fusion="both", gate="identity"),
    "SE identity gate": partial(SqueezeExcitation, ratio=1 / 4, gate="identity"),
}
GATES: dict[str, Callable[[int], Block]] = {
    "SE": partial(SqueezeExcitation, ratio=1 / 4),
    "SE-Var1": SEVar1,
    "SE-Var2": SEVar2,
    "SE-Var3": SEVar3,
    "SE-GC": partial(SEGrouped, groups=4),
    "ECA": EfficientChannel,
    "ECA-NS": EfficientChannelNS,
    "GC scale": partial(GlobalContext, fusion="scale"),
    "GC both": partial(GlobalContext, fusion="both"),
}
IDENTITIES = {**ADDED, **NON_LOCAL, **SUBSAMPLED}  # at birth
FAMILY = {**IDENTITIES, **GATES}
CONTEXT_BLOCKS = {**ADDED, **GATES}
