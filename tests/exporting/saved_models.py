"""Small networks as a checkpoint would give them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from gcvideo.data.preprocessing import Preprocessing, Views
from gcvideo.models.backbones.c2d import C2D
from gcvideo.models.backbones.i3d import I3D
from gcvideo.models.backbones.resnet import Backbone
from gcvideo.models.backbones.slow import SlowOnly
from gcvideo.models.block import Block
from gcvideo.models.network import Network
from gcvideo.models.sites import Insertion
from gcvideo.predicting.saved_model import SavedModel

BACKBONES: dict[str, Callable[..., Backbone]] = {"slow": SlowOnly, "i3d": I3D, "c2d": C2D}
CLASSES = ("bow", "jump", "run", "sit", "wave")


def network(context: dict[str, Insertion | None] | None = None, backbone: str = "slow", **options: Any) -> Network:
    """Of width 8 and random weights, so that no block is the identity and no class is certain."""
    made = Network(BACKBONES[backbone](width=8), len(CLASSES), context, **options)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            inside = any(name.startswith(path) for path in made.block_paths)
            parameter.add_(torch.randn(parameter.shape) * (0.2 if inside else 0.02))
        made.blocks[-1].proj.weight.normal_(std=1.0)  # type: ignore[union-attr,operator]
    return made.eval()


def one(block: Any, stage: str = "res4", index: int = 1) -> dict[str, Insertion | None]:
    """A block at one place."""
    make: Any = block
    return {"block": Insertion(make, {stage: [index]})}


def many(blocks: list[Any]) -> dict[str, Insertion | None]:
    """A block at each of the places of a ResNet-50, in their order; at most 16."""
    places = [
        (stage, index)
        for stage, count in (("res2", 3), ("res3", 4), ("res4", 6), ("res5", 3))
        for index in range(count)
    ]
    return {
        f"b{n}": Insertion(make, {stage: [index]})
        for n, (make, (stage, index)) in enumerate(zip(blocks, places, strict=False))
    }


def saved(folder: Path, made: Network, precision: str = "32-true", crop_px: int = 48, **values: Any) -> SavedModel:
    """As if it came from ``folder/best.ckpt``, a file of a few bytes."""
    path = folder / "best.ckpt"
    path.write_bytes(b"a checkpoint")
    views = Views(1, 1, crop_px)
    plain = {"num_frames": 4, "frame_stride": 2, "target_fps": None, "sampling": "dense", "short": "loop"}
    how = Preprocessing(**{**plain, "short_side_px": 56, "val_views": views, "test_views": views} | values)
    return SavedModel(path, made, CLASSES, how, precision, 7, 2)


class Restless(Block):
    """Gives other numbers each time."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Adds noise."""
        return x + torch.randn_like(x)
