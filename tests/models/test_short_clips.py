from __future__ import annotations

from typing import Any

import pytest
import torch

from gcvideo.models.backbones.i3d import I3D
from gcvideo.models.backbones.slow import SlowOnly


def _gradients(backbone: Any, clips: torch.Tensor, *, bf16: bool) -> list[torch.Tensor]:
    backbone.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        result = backbone(clips)
    result.float().square().mean().backward()
    return [p.grad.clone() for n, p in backbone.named_parameters() if p.ndim == 5 and p.shape[2] > 1]


@pytest.mark.parametrize("kind", [SlowOnly, I3D])
@pytest.mark.parametrize("frames", [1, 2, 3, 4, 5])
def test_gradients_on_short_clips_are_those_of_float32(kind: Any, frames: int) -> None:
    backbone = kind(width=8, zero_init_last_bn=False).eval().to(memory_format=torch.channels_last_3d)
    clips = torch.randn(2, 3, frames, 32, 32)
    pairs = zip(_gradients(backbone, clips, bf16=True), _gradients(backbone, clips, bf16=False), strict=True)
    for half, exact in pairs:
        assert half.isfinite().all()
        assert float((half - exact).norm()) <= 0.5 * float(exact.norm())  # bfloat16; the wrong ones are off by orders
