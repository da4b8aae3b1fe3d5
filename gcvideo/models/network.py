"""What is trained, saved and exported: normalisation, backbone with blocks, head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from pytorchvideo.models.resnet import ResStage
from torch import Tensor, nn

from gcvideo.models.backbones.resnet import Backbone
from gcvideo.models.head import Head, HeadKind
from gcvideo.models.sites import Insertion, insert

KINETICS_MEAN = (0.45, 0.45, 0.45)
KINETICS_STD = (0.225, 0.225, 0.225)


class Network(nn.Module):
    """From pixels to class scores; the parameter names are those of pytorchvideo's zoo (``blocks.N. …``).

    Args:
        backbone: the 3D ResNet; the network takes its modules over.
        num_classes: K.
        context: named insertions of context blocks; None leaves one out.
        dropout: before the classifier, 0 to 1.
        head: how the features are averaged, see ``Head``.
        mean: of each colour, in pixel values scaled to 0-1.
        std: of each colour, likewise.

    Shape:
        input: (N, 3, T, H, W), uint8 0-255 or floating 0-1; output: (N, K), logits.

    Raises:
        ValueError: if an insertion names a place that does not exist.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: Backbone,
        num_classes: int,
        context: Mapping[str, Insertion | None] | None = None,
        dropout: float = 0.5,
        head: HeadKind = "global",
        mean: Sequence[float] = KINETICS_MEAN,
        std: Sequence[float] = KINETICS_STD,
    ) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean))
        self.register_buffer("std", torch.tensor(std))
        wanted = {name: insertion for name, insertion in (context or {}).items() if insertion is not None}
        self.block_paths = [path for name, insertion in wanted.items() for path in insert(backbone, name, insertion)]
        self.blocks = nn.ModuleList([*backbone.blocks, Head(backbone.out_channels, num_classes, dropout, head)])

    def forward(self, clips: Tensor) -> Tensor:
        """Normalises, then every block in order."""
        x = self.normalize(clips)
        for block in self.blocks:
            x = block(x)
        return x

    def stages(self) -> dict[str, list[str]]:
        """Paths of the modules of each stage: stem, res2 to res5 (a pool belongs to the stage before it), head."""
        groups: dict[str, list[str]] = {"stem": ["blocks.0"]}
        for number, block in list(enumerate(self.blocks))[1:-1]:
            if isinstance(block, ResStage):
                groups[f"res{len(groups) + 1}"] = []
            groups[next(reversed(groups))].append(f"blocks.{number}")
        return {**groups, "head": [f"blocks.{len(self.blocks) - 1}"]}

    def normalize(self, clips: Tensor) -> Tensor:
        """uint8 0-255 or floating 0-1 to mean 0 and standard deviation 1, float32."""
        scale = 1 / 255 if clips.dtype == torch.uint8 else 1.0
        slope, offset = (v.view(3, 1, 1, 1) for v in (scale / self.std, self.mean / self.std))
        return clips.float() * slope - offset
