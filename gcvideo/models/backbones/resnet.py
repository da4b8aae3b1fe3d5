"""What all 3D ResNets share: they are built by pytorchvideo, keep its parameter names, and offer sites for blocks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytorchvideo.models.resnet import ResStage, create_resnet
from torch import Tensor, nn

from gcvideo.models.norms import Norm, freeze, norm_maker
from gcvideo.models.recompute import RecomputedStage
from gcvideo.models.short_clips import mend_short_clips
from gcvideo.models.sites import Position, Site, add_slots, slot_path

DEPTHS = (50, 101, 152)
STAGES = ("stem", "res2", "res3", "res4", "res5")


class Backbone(nn.Module):
    """A 3D ResNet of bottleneck blocks without a head.

    Args:
        resnet: what pytorchvideo's ``create_resnet`` is given to make the kind of network.
        depth: 50, 101 or 152.
        width: channels of the stem; 64 as published. Stage res(2+i) gives ``width * 4 * 2**i`` channels.
        zero_init_last_bn: whether the last norm of each residual block starts at zero, so that it starts as the
            identity (Goyal et al., https://arxiv.org/abs/1706.02677); frozen norms start at one in any case.
        norm: batch; frozen: statistics and weights stay as loaded; sync: statistics over all GPUs.
        frozen_stages: of stem and res2 to res5, those that are not trained (their norms keep their statistics);
            blocks that are put into them are trained.
        checkpointed_stages: of res2 to res5, those that compute their activations again in the backward pass instead
            of keeping them: less memory, about a third more time each, the same results.

    Shape:
        input: (N, 3, T, H, W), normalised; output: (N, out_channels, T', H/32, W/32).

    Raises:
        ValueError: if the depth, the norm or a stage is not one of these, or the width is less than 1.
    """

    def __init__(
        self,
        resnet: dict[str, Any],
        depth: int = 50,
        width: int = 64,
        zero_init_last_bn: bool = True,
        norm: Norm = "batch",
        frozen_stages: Sequence[str] = (),
        checkpointed_stages: Sequence[str] = (),
    ) -> None:
        super().__init__()
        if depth not in DEPTHS:
            raise ValueError(f"depth is {depth}; expected one of {', '.join(map(str, DEPTHS))}")
        if width < 1:
            raise ValueError(f"width is {width}; expected at least 1 (published networks have 64)")
        _check_stages("frozen_stages", frozen_stages, STAGES)
        _check_stages("checkpointed_stages", checkpointed_stages, STAGES[1:])
        make_norm = norm_maker(norm)
        self.blocks: nn.ModuleList = create_resnet(
            model_depth=depth, stem_dim_out=width, head=None, norm=make_norm, **resnet
        ).blocks
        self.out_channels = width * 32
        mend_short_clips(self)
        _mend_strides(self)
        for _, _, res_block in self._res_blocks():
            add_slots(res_block)
            if not zero_init_last_bn or norm == "frozen":  # a frozen zero would never let the branch in
                nn.init.ones_(res_block.branch2.norm_c.weight)
        numbers = self._numbers()
        for number in (numbers[stage] for stage in checkpointed_stages):
            self.blocks[number] = RecomputedStage(self.blocks[number].res_blocks)
        for number in (numbers[stage] for stage in frozen_stages):
            freeze(self.blocks[number])

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

    def _numbers(self) -> dict[str, int]:
        """The number of each stage among the blocks (a pooling layer may stand between them)."""
        stages = [number for number, block in enumerate(self.blocks) if isinstance(block, ResStage)]
        return dict(zip(STAGES, [0, *stages], strict=True))

    def _res_blocks(self) -> list[tuple[str, str, Any]]:
        """Stage name, dotted path and module of each residual block."""
        stages: dict[str, tuple[int, Any]] = {name: (n, self.blocks[n]) for name, n in self._numbers().items()}
        return [
            (name, f"blocks.{number}.res_blocks.{index}", res_block)
            for name, (number, stage) in stages.items()
            if name != "stem"
            for index, res_block in enumerate(stage.res_blocks)
        ]


class TemporalMaxPool(nn.MaxPool3d):
    """Pools neighbouring frames, stride 2; a single frame stays as it is (pytorchvideo's pool refuses it)."""

    def __init__(self, kernel_size: tuple[int, int, int], stride: tuple[int, int, int], padding: object) -> None:
        super().__init__(kernel_size, (2, 1, 1), padding=(kernel_size[0] // 2 if kernel_size[0] % 2 else 0, 0, 0))
        self.ceil_mode = kernel_size[0] % 2 == 0


def _mend_strides(network: nn.Module) -> None:
    """Makes plain numbers of those that pytorchvideo computes with numpy.

    torch.compile takes numpy's for tensors, and so compiled no network as a whole, but some of its parts.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv3d):
            module.stride = tuple(int(step) for step in module.stride)


def _check_stages(name: str, wanted: Sequence[str], existing: Sequence[str]) -> None:
    unknown = [stage for stage in wanted if stage not in existing]
    if unknown:
        raise ValueError(f"{name} names {unknown[0]!r}; expected some of {', '.join(existing)}")
