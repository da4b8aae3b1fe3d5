from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from pytorchvideo.models import hub

from gcvideo.models.backbones.c2d import C2D
from gcvideo.models.backbones.i3d import I3D
from gcvideo.models.backbones.resnet import Backbone
from gcvideo.models.backbones.slow import SlowOnly
from gcvideo.models.blocks.global_context import GlobalContext
from gcvideo.models.network import Network
from gcvideo.models.sites import Insertion

ALL_GC = {"gc": Insertion(GlobalContext, {"res3": "all", "res4": "all", "res5": "all"})}


@pytest.mark.parametrize("crop_px", [224, 256])
@pytest.mark.parametrize(("backbone", "peer"), [(SlowOnly, hub.slow_r50), (I3D, hub.i3d_r50), (C2D, hub.c2d_r50)])
def test_logits_equal_pytorchvideo_with_the_same_weights(
    backbone: Callable[[], Backbone], peer: Callable[..., Any], crop_px: int
) -> None:
    torch.manual_seed(0)
    theirs = peer().eval()
    for norm in (m for m in theirs.modules() if isinstance(m, torch.nn.BatchNorm3d)):
        torch.nn.init.uniform_(norm.weight, 0.5, 1.0)  # zero at birth would hide the branches
    ours = Network(backbone(), 400, head="pytorchvideo").eval()
    missing, unexpected = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert (sorted(missing), unexpected) == (["mean", "std"], [])
    clips = torch.rand(1, 3, 8, crop_px, crop_px)
    with torch.inference_mode():
        expected = theirs((clips - 0.45) / 0.225)
        got = ours(clips)
        assert float((got - expected).abs().max()) <= 1e-5 * max(1.0, float(expected.abs().max()))
        setattr(ours.blocks[-1], "kind", "global")  # noqa: B010 (typed as Module)
        assert torch.allclose(ours(clips), got, rtol=1e-4, atol=1e-5) == (crop_px == 224)


def test_pixels_of_0_to_255_and_of_0_to_1_are_the_same() -> None:
    network = Network(SlowOnly(width=4), 5).eval()
    clips = torch.randint(0, 256, (2, 3, 4, 32, 32), dtype=torch.uint8)
    torch.testing.assert_close(network.normalize(clips), (clips / 255 - 0.45) / 0.225)
    torch.testing.assert_close(network.normalize(clips / 255), network.normalize(clips))


@pytest.mark.parametrize("backbone", [SlowOnly, I3D, C2D])
@pytest.mark.parametrize("shape", [(1, 32, 32), (8, 64, 64), (3, 50, 70)])
def test_any_length_and_crop_gives_scores(backbone: Any, shape: tuple[int, int, int]) -> None:
    assert Network(backbone(width=4), 5).eval()(torch.rand(2, 3, *shape)).shape == (2, 5)


def test_normalisation_is_saved_with_the_network() -> None:
    state = Network(SlowOnly(width=4), 5, mean=(0.1, 0.2, 0.3)).state_dict()
    torch.testing.assert_close(state["mean"], torch.tensor([0.1, 0.2, 0.3]))


def test_null_leaves_an_insertion_out() -> None:
    network = Network(SlowOnly(width=8), 5, {**ALL_GC, "other": None})
    assert len(network.block_paths) == 13
    assert Network(SlowOnly(width=8), 5, {"gc": None}).block_paths == []


@pytest.mark.parametrize("options", [{"depth": 34}, {"width": 0}])
def test_impossible_backbones_are_refused(options: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=r"(depth is 34|width is 0); expected"):
        SlowOnly(**options)


def test_last_norm_of_a_branch_starts_as_asked() -> None:
    for wanted in (True, False):
        backbone = SlowOnly(width=4, zero_init_last_bn=wanted)
        weights = torch.cat([p for name, p in backbone.named_parameters() if name.endswith("norm_c.weight")])
        assert torch.unique(weights).tolist() == [0.0 if wanted else 1.0]


def test_pyslowfast_head_averages_probabilities_in_evaluation_and_stays_finite() -> None:
    network = Network(SlowOnly(width=4), 5, head="pyslowfast", dropout=0).eval()
    logits = network(torch.rand(1, 3, 2, 256, 256))
    assert torch.allclose(logits.exp().sum(1), torch.ones(1))
    head = network.blocks[-1]
    torch.nn.init.normal_(head.get_parameter("proj.weight"), std=1e4)
    assert network(torch.rand(1, 3, 2, 256, 256)).isfinite().all()
