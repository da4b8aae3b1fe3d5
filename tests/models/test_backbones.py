from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn

from gcvideo.models.backbones.c2d import C2D
from gcvideo.models.backbones.i3d import I3D
from gcvideo.models.backbones.resnet import Backbone
from gcvideo.models.backbones.slow import SlowOnly
from gcvideo.models.blocks.global_context import GlobalContext
from gcvideo.models.sites import Insertion, insert

CLIPS = (2, 3, 4, 32, 32)


def _step(backbone: Backbone, clips: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = backbone.train()(clips)
    result.square().sum().backward()  # type: ignore[no-untyped-call]
    return result.detach()


@pytest.mark.parametrize("stages", [["res2"], ["res3", "res5"], ["res2", "res3", "res4", "res5"]])
@pytest.mark.parametrize("kind", [SlowOnly, I3D, C2D])
def test_checkpointed_stages_change_no_result_no_gradient_and_no_statistic(kind: Any, stages: list[str]) -> None:
    plain = kind(width=4, zero_init_last_bn=False)
    saving = kind(width=4, zero_init_last_bn=False, checkpointed_stages=stages)
    saving.load_state_dict(plain.state_dict())
    for _ in range(2):
        clips = torch.randn(CLIPS)
        assert torch.equal(_step(plain, clips), _step(saving, clips))
    assert all(
        torch.equal(a, b) for a, b in zip(plain.state_dict().values(), saving.state_dict().values(), strict=True)
    )
    for a, b in zip(plain.parameters(), saving.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert torch.equal(a.grad, b.grad)


def test_checkpointed_stages_run_twice_in_training_and_once_without() -> None:
    backbone = SlowOnly(width=4, checkpointed_stages=["res4"])
    calls: list[int] = []
    backbone.get_submodule("blocks.3.res_blocks.0").register_forward_hook(lambda *_: calls.append(1))
    _step(backbone, torch.randn(CLIPS))
    assert len(calls) == 2
    backbone.eval()(torch.randn(CLIPS))
    assert len(calls) == 3


def test_frozen_stages_stay_as_they_are_and_their_blocks_learn() -> None:
    backbone = SlowOnly(width=8, zero_init_last_bn=False, frozen_stages=["stem", "res2", "res3"])
    paths = insert(backbone, "gc", Insertion(GlobalContext, {"res3": "last", "res4": "last"}))
    before = copy.deepcopy(backbone.state_dict())
    optimizer = torch.optim.SGD([p for p in backbone.parameters() if p.requires_grad], lr=0.1)
    _step(backbone, torch.randn(CLIPS))
    optimizer.step()
    changed = {name for name, value in backbone.state_dict().items() if not torch.equal(value, before[name])}
    frozen = [n for n in changed if n.startswith(("blocks.0.", "blocks.1.", "blocks.2."))]
    assert frozen
    assert all(n.startswith(paths[0]) for n in frozen)
    assert any(n.startswith("blocks.3.") and n.endswith("running_mean") for n in changed)


def test_frozen_norms_keep_statistics_and_weights_while_convolutions_learn() -> None:
    backbone = I3D(width=4, norm="frozen", zero_init_last_bn=False)
    before = copy.deepcopy(backbone.state_dict())
    trained = [p for p in backbone.parameters() if p.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=0.1)
    _step(backbone, torch.randn(CLIPS))
    optimizer.step()
    norms = [n for n in before if "norm" in n]
    assert norms
    assert all(torch.equal(backbone.state_dict()[n], before[n]) for n in norms)
    assert not torch.equal(backbone.state_dict()["blocks.0.conv.weight"], before["blocks.0.conv.weight"])
    assert all(p.ndim == 5 for p in trained)


def test_kinds_of_norm_have_the_same_names() -> None:
    names = {norm: list(SlowOnly(width=4, norm=norm).state_dict()) for norm in ("batch", "frozen", "sync")}
    assert names["batch"] == names["frozen"] == names["sync"]
    assert any(isinstance(m, nn.SyncBatchNorm) for m in SlowOnly(width=4, norm="sync").modules())
    with torch.no_grad():
        sizes = {norm: SlowOnly(width=4, norm=norm).eval()(torch.randn(CLIPS)).shape for norm in names}
    assert len(set(sizes.values())) == 1


def test_kernels_stand_where_the_non_local_paper_has_them() -> None:
    """res2 all, res3 and res4 every second from the first, res5 the second; 3x3x3 moves them to the 3x3."""
    pattern = [1, 1, 1, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 1, 0]
    for backbone, conv in ((I3D(width=4), "conv_a"), (I3D(width=4, kernel="3x3x3"), "conv_b")):
        blocks = [block for _, _, block in backbone._res_blocks()]
        depths = {c: [getattr(b.branch2, c).kernel_size[0] for b in blocks] for c in ("conv_a", "conv_b", "conv_c")}
        assert depths.pop(conv) == [1 + 2 * inflated for inflated in pattern]
        assert all(set(rest) == {1} for rest in depths.values())
        assert all(b.branch2.conv_b.kernel_size[1:] == (3, 3) for b in blocks)
    heavy = [block.branch2.conv_a.kernel_size for _, _, block in I3D(width=4, inflate="all")._res_blocks()]
    assert set(heavy) == {(3, 1, 1)}


@pytest.mark.parametrize(
    ("kind", "options", "frames"),
    [
        (SlowOnly, {}, 32),
        (C2D, {"temporal": "none"}, 32),
        (C2D, {}, 16),
        (C2D, {"temporal": "paper"}, 4),
        (I3D, {}, 16),
        (I3D, {"temporal": "pool1"}, 4),
        (I3D, {"temporal": "paper"}, 4),
    ],
)
def test_frames_that_32_become(kind: Any, options: dict[str, str], frames: int) -> None:
    with torch.device("meta"):
        assert kind(width=4, **options)(torch.empty(1, 3, 32, 64, 64)).shape == (1, 128, frames, 2, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"norm": "layer"}, "norm is 'layer'; expected one of batch, frozen, sync"),
        ({"frozen_stages": ["res1"]}, "frozen_stages names 'res1'; expected some of stem, res2, res3, res4, res5"),
        (
            {"checkpointed_stages": ["stem"]},
            "checkpointed_stages names 'stem'; expected some of res2",
        ),
        ({"kernel": "5x1x1"}, "kernel is '5x1x1'; expected one of 3x1x1, 3x3x3"),
        ({"inflate": "some"}, "inflate is 'some'; expected one of every_second, all"),
        ({"temporal": "pool3"}, "temporal is 'pool3'; expected one of pool2, pool1, paper"),
    ],
)
def test_options_that_do_not_exist_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        I3D(width=4, **options)


def test_frozen_norms_do_not_shut_the_branches() -> None:
    backbone = SlowOnly(width=4, norm="frozen")
    _step(backbone, torch.randn(CLIPS))
    convolutions = [p for n, p in backbone.named_parameters() if "branch2.conv" in n]
    assert all(p.grad is not None and float(p.grad.abs().max()) > 0 for p in convolutions)


@pytest.mark.parametrize("kind", [SlowOnly, I3D, C2D])
def test_convolutions_have_plain_numbers(kind: Any) -> None:
    """A compiler takes numpy's, which pytorchvideo puts there, for tensors that it cannot know."""
    convolutions = [module for module in kind(width=4).modules() if isinstance(module, nn.Conv3d)]
    numbers = [value for c in convolutions for value in (*c.kernel_size, *c.stride, *c.padding, *c.dilation, c.groups)]
    assert {type(number) for number in numbers} == {int}
