"""Counts, explicit triples, derivations, and parity with the blocks of the peers."""

from __future__ import annotations

import importlib
import warnings
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from gcvideo.models.backbones.i3d import I3D
from gcvideo.models.backbones.slow import SlowOnly
from gcvideo.models.blocks.context_block import ContextBlock
from gcvideo.models.blocks.efficient_channel import EfficientChannel, kernel_size
from gcvideo.models.blocks.efficient_channel_ns import EfficientChannelNS
from gcvideo.models.blocks.fusions import Add, Scale, ScaleAndAdd
from gcvideo.models.blocks.global_context import GlobalContext
from gcvideo.models.blocks.non_local import NonLocal
from gcvideo.models.blocks.pools import AttentionPool, AveragePool
from gcvideo.models.blocks.se_grouped import SEGrouped
from gcvideo.models.blocks.se_var1 import SEVar1
from gcvideo.models.blocks.se_var2 import SEVar2
from gcvideo.models.blocks.se_var3 import SEVar3
from gcvideo.models.blocks.simplified_non_local import SimplifiedNonLocal
from gcvideo.models.blocks.squeeze_excitation import SqueezeExcitation
from gcvideo.models.blocks.transforms import (
    Bottleneck,
    Branches,
    Diagonal,
    Full,
    Grouped,
    Identity,
    PerChannelConv1d,
    SharedConv1d,
)
from gcvideo.models.counting import Clip, count
from gcvideo.models.network import Network
from gcvideo.models.sites import Insertion


def _num(block: nn.Module) -> int:
    return sum(parameter.numel() for parameter in block.parameters())


COUNTS: list[tuple[Any, dict[str, Any], tuple[int, int, int]]] = [  # at 512, 1024 and 2048 channels
    (NonLocal, {}, (526_592, 2_101_760, 8_397_824)),
    (NonLocal, {"pairwise": "dot_product"}, (526_592, 2_101_760, 8_397_824)),
    (NonLocal, {"pairwise": "gaussian"}, (263_936, 1_052_160, 4_201_472)),
    (NonLocal, {"pairwise": "concatenation"}, (527_104, 2_102_784, 8_399_872)),
    (SimplifiedNonLocal, {}, (263_169, 1_050_625, 4_198_401)),
    (GlobalContext, {}, (132_481, 527_105, 2_102_785)),
    (GlobalContext, {"ratio": 1 / 16}, (33_889, 133_313, 528_769)),
    (GlobalContext, {"pool": "avg"}, (131_968, 526_080, 2_100_736)),
    (GlobalContext, {"fusion": "both"}, (264_449, 1_053_185, 4_203_521)),
    (SqueezeExcitation, {}, (33_312, 132_160, 526_464)),
    (SEVar1, {}, (0, 0, 0)),
    (SEVar2, {}, (512, 1024, 2048)),
    (SEVar3, {}, (512**2, 1024**2, 2048**2)),
    (SEGrouped, {"groups": 16}, (512**2 // 16, 1024**2 // 16, 2048**2 // 16)),
    (EfficientChannel, {}, (5, 5, 7)),
    (EfficientChannel, {"kernel": 3}, (3, 3, 3)),
    (EfficientChannelNS, {}, (5 * 512, 5 * 1024, 7 * 2048)),
]


@pytest.mark.parametrize(("make", "options", "counts"), COUNTS)
def test_parameters_of_a_block(make: Any, options: dict[str, Any], counts: tuple[int, int, int]) -> None:
    with torch.device("meta"):
        assert tuple(_num(make(channels, **options)) for channels in (512, 1024, 2048)) == counts


FIVE: Any = {"res3": [1, 3], "res4": [1, 3, 5]}
ALL: Any = {"res3": "all", "res4": "all", "res5": "all"}
SUB: dict[str, Any] = {"subsample": (1, 2, 2)}


@pytest.mark.parametrize(
    ("backbone", "make", "stages", "params", "macs"),
    [
        (SlowOnly, partial(NonLocal, **SUB), FIVE, 39_812_560, 63.976),
        (SlowOnly, partial(NonLocal, **SUB, subsample_where="after"), FIVE, 39_812_560, 70.141),
        (SlowOnly, NonLocal, FIVE, 39_812_560, 106.0),
        (SlowOnly, SimplifiedNonLocal, FIVE, 36_132_309, 41.767),
        (SlowOnly, GlobalContext, FIVE, 34_300_373, 41.765),
        (SlowOnly, GlobalContext, ALL, 42_455_005, 41.801),
        (SlowOnly, partial(GlobalContext, ratio=1 / 16), ALL, 34_975_837, None),
        (I3D, partial(NonLocal, **SUB), FIVE, 35_401_936, None),
    ],
)
def test_whole_networks_cost_what_the_reference_says(
    backbone: Any, make: Any, stages: Any, params: int, macs: float | None
) -> None:
    with torch.device("meta"):
        network = Network(backbone(), 400, {"block": Insertion(make, stages)})
    counted = count(network, Clip(8, 224, 224))
    assert counted.params == params
    assert macs is None or counted.macs / 1e9 == pytest.approx(macs, rel=0.005)


_gate = partial(Bottleneck, ratio=1 / 4)
PRESETS: list[tuple[Any, Any]] = [
    (
        partial(SqueezeExcitation, ratio=1 / 4),
        (AveragePool, partial(Bottleneck, ratio=1 / 4, norm=False, zero=False), Scale),
    ),
    (SEVar1, (AveragePool, Identity, Scale)),
    (SEVar2, (AveragePool, Diagonal, Scale)),
    (SEVar3, (AveragePool, Full, Scale)),
    (partial(SEGrouped, groups=4), (AveragePool, partial(Grouped, groups=4), Scale)),
    (partial(EfficientChannel, kernel=3), (AveragePool, partial(SharedConv1d, kernel=3), Scale)),
    (partial(EfficientChannelNS, kernel=3), (AveragePool, partial(PerChannelConv1d, kernel=3), Scale)),
    (SimplifiedNonLocal, (AttentionPool, partial(Full, bias=True), Add)),
    (GlobalContext, (AttentionPool, Bottleneck, Add)),
    (partial(GlobalContext, pool="average", fusion="scale"), (AveragePool, Bottleneck, Scale)),
    (partial(GlobalContext, fusion="both"), (AttentionPool, partial(Branches, gate=_gate, add=_gate), ScaleAndAdd)),
]


@pytest.mark.parametrize(("preset", "triple"), PRESETS)
def test_preset_is_its_triple(preset: Any, triple: Any) -> None:
    named, explicit = preset(16), ContextBlock(16, *triple)
    assert list(named.state_dict()) == list(explicit.state_dict())
    with torch.no_grad():
        for parameter in named.parameters():
            parameter.normal_(std=0.5)
    explicit.load_state_dict(named.state_dict())
    x = torch.randn(2, 16, 2, 3, 3)
    assert torch.equal(named(x), explicit(x))


@pytest.mark.parametrize("axes", ["space", "time"])
@pytest.mark.parametrize("make", [partial(SqueezeExcitation, ratio=1 / 4), EfficientChannel, SEVar1])
def test_squeezing_one_axis_is_the_block_on_each_slice(make: Any, axes: str) -> None:
    torch.manual_seed(1)
    whole, part = make(16), make(16, axes=axes)
    part.load_state_dict(whole.state_dict())
    x = torch.randn(2, 16, 3, 4, 5)
    if axes == "space":
        slices = torch.cat([whole(x[:, :, t : t + 1]) for t in range(3)], dim=2)
    else:
        rows = [[whole(x[..., h : h + 1, w : w + 1]) for w in range(5)] for h in range(4)]
        slices = torch.cat([torch.cat(row, dim=4) for row in rows], dim=3)
    torch.testing.assert_close(part(x), slices)


def test_kernel_of_eca_is_that_of_the_official_code() -> None:
    assert [kernel_size(c, "auto") for c in (64, 128, 256, 512, 1024, 2048)] == [3, 5, 5, 5, 5, 7]


_GC: Any = GlobalContext  # of options that the types refuse, too
_VAR: Any = SEVar1
_ECA: Any = EfficientChannel


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (partial(SqueezeExcitation, 64, ratio=16), "ratio is 16; expected a share between 0 and 1"),
        (partial(SqueezeExcitation, 16), "leaves 1 hidden ones; at least 2 are needed"),
        (partial(GlobalContext, 64, ratio=1.0), "ratio is 1.0; expected a share"),
        (partial(_GC, 64, pool="max"), "pool is 'max'; expected one of attention, average, att, avg"),
        (partial(_GC, 64, fusion="concat"), "fusion is 'concat'; expected one of add, scale, both"),
        (partial(_GC, 64, fusion="scale", gate="tanh"), "gate is 'tanh'; expected one of sigmoid, identity"),
        (partial(_GC, 64, gate="nonsense"), "gate is 'nonsense'; expected one of sigmoid, identity"),
        (partial(_ECA, 64, kernel="x"), "kernel is 'x'; expected an odd number"),
        (partial(EfficientChannel, 64, kernel=4), "kernel is 4; expected an odd number"),
        (partial(EfficientChannelNS, 64, kernel=0), "kernel is 0; expected an odd number"),
        (partial(SEGrouped, 64, groups=24), "groups is 24, which does not divide 64 channels"),
        (partial(_VAR, 64, axes="channels"), "axes is 'channels'; expected one of spacetime, space, time"),
    ],
)
def test_impossible_options_are_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def _random(module: nn.Module) -> None:
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.normal_(std=0.3)


@pytest.mark.parametrize("pool", ["att", "avg"])
@pytest.mark.parametrize("fusion", ["add", "scale", "both"])
def test_gc_equals_mmcv_on_pictures(pool: str, fusion: str) -> None:
    with warnings.catch_warnings(action="ignore"):
        peer = importlib.import_module("mmcv.cnn.bricks.context_block").ContextBlock
    branches = {
        "add": {"channel_add": "transform"},
        "scale": {"channel_mul": "transform"},
        "both": {"channel_mul": "transform.gate", "channel_add": "transform.add"},
    }[fusion]
    theirs, ours = peer(16, 1 / 4, pool, list(branches)).double(), _GC(16, 1 / 4, pool, fusion).double()
    _random(theirs)
    state: dict[str, torch.Tensor] = {}
    for their_name, our_name in branches.items():
        for number, part in ((0, "down"), (1, "norm"), (3, "up")):
            layer = theirs.get_submodule(f"{their_name}_conv.{number}")
            state |= {f"{our_name}.{part}.weight": layer.weight.flatten(1 if part != "norm" else 0)}
            state |= {f"{our_name}.{part}.bias": layer.bias.flatten()}
    if pool == "att":
        mask = theirs.conv_mask
        state |= {"pool.mask.weight": mask.weight[..., None], "pool.mask.bias": mask.bias}
    ours.load_state_dict(state)
    x = torch.randn(3, 16, 5, 6, dtype=torch.float64)
    torch.testing.assert_close(ours(x[:, :, None])[:, :, 0], theirs(x), rtol=1e-10, atol=1e-10)


def test_se_and_eca_equal_timm_on_pictures_and_on_frames() -> None:
    peers = importlib.import_module("timm.layers")
    se, our_se = peers.SEModule(32, rd_ratio=1 / 4, rd_divisor=1), SqueezeExcitation(32, 1 / 4)
    _random(se)
    state = {"transform.down.weight": se.fc1.weight[:, :, 0, 0], "transform.down.bias": se.fc1.bias}
    our_se.load_state_dict(state | {"transform.up.weight": se.fc2.weight[:, :, 0, 0], "transform.up.bias": se.fc2.bias})
    eca, our_eca = peers.EcaModule(kernel_size=5), EfficientChannel(32, kernel=5)
    our_eca.load_state_dict({"transform.weight": eca.conv.weight})
    x = torch.randn(2, 32, 3, 4, 5)
    frames = x.transpose(1, 2).flatten(0, 1)
    for theirs, ours in ((se, our_se), (eca, our_eca)):
        expected = theirs(frames).unflatten(0, (2, 3)).transpose(1, 2)
        by_frame = type(ours)(32, **({"kernel": 5} if ours is our_eca else {"ratio": 1 / 4}), axes="space")
        by_frame.load_state_dict(ours.state_dict())
        torch.testing.assert_close(by_frame(x), expected, rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(ours(x[:, :, :1])[:, :, 0], theirs(x[:, :, 0]), rtol=1e-5, atol=1e-6)


def test_gc_with_one_layer_is_the_simplified_non_local_block() -> None:
    one_layer = ContextBlock(16, AttentionPool, partial(Full, bias=True), Add)
    simplified = SimplifiedNonLocal(16)
    _random(simplified)
    one_layer.load_state_dict(simplified.state_dict())
    x = torch.randn(2, 16, 2, 3, 3)
    assert torch.equal(one_layer(x), simplified(x))


def test_moving_the_value_layer_out_of_the_sum_changes_nothing() -> None:
    block, x = SimplifiedNonLocal(16).double(), torch.randn(2, 16, 2, 3, 3, dtype=torch.float64)
    _random(block)
    pool, layer = block.pool, block.transform
    assert isinstance(pool, AttentionPool)
    assert isinstance(layer, Full)
    weights = pool.attention(x).flatten(1)
    inside = torch.einsum("ns,nsc->nc", weights, layer.linear(x.flatten(2).transpose(1, 2)))  # W_v x_j for each j
    torch.testing.assert_close(block(x), x + inside[:, :, None, None, None], rtol=1e-10, atol=1e-10)


def test_se_is_average_pool_and_scale() -> None:
    block, x = SqueezeExcitation(32, 1 / 4), torch.randn(2, 32, 2, 3, 3)
    transform = block.transform
    assert isinstance(transform, Bottleneck)
    gate = transform.up(transform.down(x.mean(dim=(2, 3, 4))).relu()).sigmoid()
    torch.testing.assert_close(block(x), x * gate[:, :, None, None, None])
