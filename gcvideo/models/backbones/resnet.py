"""What all 3D ResNets share: they are built by pytorchvideo, keep its parameter names, and offer sites for blocks."""

from __future__ import annotations

from typing import Any

from pytorchvideo.models.resnet import ResStage, create_resnet
from torch import Tensor, nn

from gcvideo.models.sites import Position, Site, add_slots, slot_path

DEPTHS = (50, 101, 152)


class Backbone(nn.Module):
    """A 3D ResNet of bottleneck blocks without a head.

    Args:
        depth: 50, 101 or 152.
        width: channels of the stem; 64 as published. Stage res(2+i) gives ``width * 4 * 2**i`` channels.
        zero_init_last_bn: whether the last norm of each residual block starts at zero, so that it starts as the
            identity (Goyal et al., https://arxiv.org/abs/1706.02677).
        resnet: what pytorchvideo's ``create_resnet`` is given to make the kind of network.

    Shape:
        input: (N, 3, T, H, W), normalised; output: (N, out_channels, T', H/32, W/32).

    Raises:
        ValueError: if the depth is not one of these, or the width is less than 1.
    """

    def __init__(self, depth: int, width: int, zero_init_last_bn: bool, **resnet: Any) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise ValueError(f"depth is {depth}; expected one of {', '.join(map(str, DEPTHS))}")
        if width < 1:
            raise ValueError(f"width is {width}; expected at least 1 (published networks have 64)")
        net = create_resnet(model_depth=depth, stem_dim_out=width, head=None, **resnet)
        self.blocks: nn.ModuleList = net.blocks
        self.out_channels = width * 32
        for _, _, res_block in self._res_blocks():
            add_slots(res_block)
            if not zero_init_last_bn:
                nn.init.ones_(res_block.branch2.norm_c.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Stem and stages, one after the other."""
        for block in self.blocks:
            x = block(x)
        return x

    def sites(self, position: Position) -> list[Site]:
        """The places of one position in every residual block, res2 to res5."""
        return [
            Site(
                stage,
                int(path.rsplit(".", 1)[1]),
                f"{path}.{slot_path(position)}",
                (res_block.branch2.conv_b if position == "after_3x3" else res_block.branch2.conv_c).out_channels,
            )
            for stage, path, res_block in self._res_blocks()
        ]

    def _res_blocks(self) -> list[tuple[str, str, Any]]:
        """Stage name, dotted path and module of each residual block."""
        stages = [(number, block) for number, block in enumerate(self.blocks) if isinstance(block, ResStage)]
        return [
            (f"res{position + 2}", f"blocks.{number}.res_blocks.{index}", res_block)
            for position, (number, stage) in enumerate(stages)
            for index, res_block in enumerate(stage.res_blocks)
        ]
