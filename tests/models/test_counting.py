"""Counts against the literals of the peers and papers, and memory against what a real step keeps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.autograd.graph import saved_tensors_hooks

from gcvideo.models.backbones.c2d import C2D
from gcvideo.models.backbones.i3d import I3D
from gcvideo.models.backbones.slow import SlowOnly
from gcvideo.models.blocks.global_context import GlobalContext
from gcvideo.models.counting import Clip, Count, activation_bytes, count
from gcvideo.models.network import Network
from gcvideo.models.recompute import RecomputedStage
from gcvideo.models.sites import Insertion

FIVE = {"gc": Insertion(GlobalContext, {"res3": [1, 3], "res4": [1, 3, 5]})}
ALL = {"gc": Insertion(GlobalContext, {"res3": "all", "res4": "all", "res5": "all"})}


def _counted(kind: Any, frames: int, crop_px: int, context: Any = None, **options: Any) -> Count:
    with torch.device("meta"):
        network = Network(kind(**options), 400, context)
    return count(network, Clip(frames, crop_px, crop_px))


@pytest.mark.parametrize(
    ("kind", "options", "context", "params", "macs_224", "macs_256"),
    [  # pytorchvideo's zoo with fvcore, and the parameters of GCNet's table
        (SlowOnly, {}, None, 32_454_096, 41.740, 54.518),
        (SlowOnly, {}, FIVE, 34_300_373, 41.765, 54.550),
        (SlowOnly, {}, ALL, 42_455_005, 41.801, 54.593),
        (I3D, {}, None, 28_043_472, 28.407, 37.103),
        (C2D, {}, None, 24_327_632, 19.492, 25.459),
    ],
)
def test_counts_equal_the_published_networks(
    kind: Any, options: Any, context: Any, params: int, macs_224: float, macs_256: float
) -> None:
    for crop_px, macs in ((224, macs_224), (256, macs_256)):
        counted = _counted(kind, 8, crop_px, context, **options)
        assert counted.params == counted.trainable == params
        assert counted.macs / 1e9 == pytest.approx(macs, rel=0.0002)


@pytest.mark.parametrize(
    ("kind", "options", "frames", "crop_px", "millions", "giga"),
    [  # mmaction2 1.2.0's tables; theirs add two operations for each element of a batch norm
        (SlowOnly, {}, 4, 256, 32.45, 27.38),
        (SlowOnly, {"depth": 101}, 8, 256, 60.36, 111.90),
        (I3D, {"temporal": "pool1"}, 32, 256, 28.0, 43.457),
        (I3D, {"inflate": "all"}, 32, 256, 33.02, 166.275),
        (C2D, {"temporal": "none"}, 8, 224, 24.3, 32.9),
        (C2D, {}, 8, 224, 24.3, 19.6),
        (C2D, {}, 16, 224, 24.3, 39.2),
    ],
)
def test_counts_are_near_mmaction2(
    kind: Any, options: Any, frames: int, crop_px: int, millions: float, giga: float
) -> None:
    counted = _counted(kind, frames, crop_px, **options)
    assert counted.params / 1e6 == pytest.approx(millions, abs=0.06)
    assert counted.macs / 1e9 == pytest.approx(giga, rel=0.007)


@pytest.mark.parametrize(("kernel", "params", "macs"), [("3x1x1", 1.2, 1.5), ("3x3x3", 1.5, 1.8)])
def test_ratios_to_c2d_are_those_of_the_non_local_paper(kernel: str, params: float, macs: float) -> None:
    """Table 2e, ResNet-101, 32 frames of 224 px."""
    base = _counted(C2D, 32, 224, depth=101, temporal="paper")
    inflated = _counted(I3D, 32, 224, depth=101, temporal="paper", kernel=kernel)
    assert inflated.params / base.params == pytest.approx(params, abs=0.05)
    assert inflated.macs / base.macs == pytest.approx(macs, abs=0.05)


def test_parts_add_up_to_the_whole() -> None:
    counted = _counted(I3D, 8, 224, FIVE)
    assert [stage.name for stage in counted.stages] == ["stem", "res2", "res3", "res4", "res5", "head"]
    assert sum(stage.params for stage in counted.stages) == counted.params
    assert sum(stage.macs for stage in counted.stages) == counted.macs
    assert [stage.shape for stage in counted.stages[1:3]] == [(256, 4, 56, 56), (512, 4, 28, 28)]  # pool2 is res2's
    assert [block.params for block in counted.blocks] == [132_481] * 2 + [527_105] * 3
    assert counted.stages[-1].shape == (400,)


@pytest.mark.parametrize("bf16", [False, True])
@pytest.mark.parametrize("kind", [SlowOnly, I3D, C2D])
def test_activation_memory_is_what_a_real_step_keeps(kind: Any, bf16: bool) -> None:
    network = Network(kind(width=8), 10, FIVE).train()
    weights = {p.untyped_storage().data_ptr() for p in [*network.parameters(), *network.buffers()]}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    with saved_tensors_hooks(pack, lambda x: x), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        network(torch.zeros(2, 3, 4, 64, 64, dtype=torch.uint8))
    real = sum(t.untyped_storage().nbytes() for where, t in kept.items() if where not in weights)
    counted = activation_bytes(network, Clip(4, 64, 64), 2, bf16=bf16)
    assert sum(counted.values()) == pytest.approx(real, rel=0.005 if bf16 else 0)
    assert network.training


def test_checkpointed_stages_keep_their_input_and_the_largest_once_more() -> None:
    clip, batch = Clip(4, 64, 64), 2
    plain = activation_bytes(Network(SlowOnly(width=8), 10), clip, batch, bf16=False)
    saving = SlowOnly(width=8, checkpointed_stages=["res2", "res3"])
    counted = activation_bytes(Network(saving, 10), clip, batch, bf16=False)
    assert 0.9 * max(plain["res2"], plain["res3"]) < counted["recomputed"] <= max(plain["res2"], plain["res3"])
    assert counted["res2"] + counted["res3"] < 0.1 * (plain["res2"] + plain["res3"])


@pytest.mark.parametrize("stages", [["res3"], ["res3", "res4"], ["res2", "res3", "res4", "res5"], ["res5"]])
def test_memory_of_checkpointed_stages_is_what_a_real_step_keeps(stages: list[str]) -> None:
    network = Network(SlowOnly(width=8, checkpointed_stages=stages), 10, FIVE).train()
    weights = {p.untyped_storage().data_ptr() for p in [*network.parameters(), *network.buffers()]}
    kept: dict[int, torch.Tensor] = {}

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        kept.setdefault(tensor.untyped_storage().data_ptr(), tensor)
        return tensor

    def keep_input(_: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
        pack(inputs[0])

    hooks = []
    for block in network.blocks:
        if isinstance(block, RecomputedStage):
            hooks.append(block.register_forward_pre_hook(keep_input))
    with saved_tensors_hooks(pack, lambda x: x):
        result = network(torch.zeros(2, 3, 4, 64, 64, dtype=torch.uint8))
    real = sum(t.untyped_storage().nbytes() for where, t in kept.items() if where not in weights)
    for hook in hooks:
        hook.remove()
    counted = activation_bytes(network, Clip(4, 64, 64), 2, bf16=False)
    assert sum(counted.values()) - counted["recomputed"] == real
    assert result.requires_grad


def test_clip_that_does_not_fit_is_refused() -> None:
    with torch.device("meta"):
        network = Network(SlowOnly(width=4), 10, head="pytorchvideo")
    with pytest.raises(ValueError, match="take a crop of at least 224 px"):
        count(network, Clip(8, 128, 128))
