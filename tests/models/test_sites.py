from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from gcvideo.models.backbones.c2d import C2D
from gcvideo.models.backbones.i3d import I3D
from gcvideo.models.backbones.resnet import Backbone
from gcvideo.models.backbones.slow import SlowOnly
from gcvideo.models.block import Block
from gcvideo.models.blocks.global_context import GlobalContext
from gcvideo.models.sites import POSITIONS, Insertion, Position, insert

BACKBONES = [SlowOnly, I3D, C2D]


class Shift(Block):
    """Adds its own number: not the identity, so that an unused block is seen."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.shift = torch.nn.Parameter(torch.full((1,), 0.5))

    def forward(self, x: Tensor) -> Tensor:
        self._check_input(x)
        return x + self.shift


def _tiny(kind: type[Backbone]) -> Backbone:
    return kind(width=4)  # type: ignore[call-arg]


def _used(backbone: Backbone, paths: list[str]) -> list[str]:
    """The paths whose parameter gets a gradient."""
    backbone(torch.randn(2, 3, 2, 32, 32)).square().sum().backward()
    return [path for path in paths if backbone.get_submodule(path).shift.grad is not None]


@pytest.mark.parametrize("kind", BACKBONES)
@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("stage", ["res2", "res3", "res4", "res5"])
def test_insert_touches_exactly_the_listed_paths(kind: type[Backbone], position: Position, stage: str) -> None:
    backbone, before = _tiny(kind), set(_tiny(kind).state_dict())
    paths = insert(backbone, "probe", Insertion(Shift, {stage: "all"}, position))
    depth = {"res2": 3, "res3": 4, "res4": 6, "res5": 3}[stage]
    assert len(paths) == depth
    assert set(backbone.state_dict()) - before == {f"{path}.shift" for path in paths}
    assert before <= set(backbone.state_dict())
    assert _used(backbone, paths) == paths


@pytest.mark.parametrize("kind", BACKBONES)
def test_channels_of_a_site_are_those_of_its_features(kind: type[Backbone]) -> None:
    backbone = _tiny(kind)
    for position in POSITIONS:  # Shift refuses another number of channels when the network runs
        insert(backbone, position, Insertion(Shift, {f"res{n}": "all" for n in range(2, 6)}, position))
    assert backbone(torch.randn(2, 3, 2, 32, 32)).shape == (2, 128, 2 if kind is SlowOnly else 1, 1, 1)


def test_indices_last_and_all_choose_blocks() -> None:
    paths = insert(
        _tiny(SlowOnly), "x", Insertion(Shift, {"res3": [1, 3], "res4": "last", "res5": "all"}, "after_relu")
    )
    assert paths == [
        f"blocks.{stage}.res_blocks.{index}.activation.after_relu.x"
        for stage, index in [(2, 1), (2, 3), (3, 5), (4, 0), (4, 1), (4, 2)]
    ]


def test_several_insertions_stand_at_one_block() -> None:
    backbone = _tiny(SlowOnly)
    first = insert(backbone, "a", Insertion(Shift, {"res4": [0]}, "after_1x1"))
    second = insert(backbone, "b", Insertion(Shift, {"res4": [0]}, "after_1x1"))
    assert _used(backbone, first + second) == first + second


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("train", [True, False])
def test_network_with_fresh_blocks_is_the_network_without(position: Position, train: bool) -> None:
    torch.manual_seed(0)
    backbone = _tiny(SlowOnly).train(train)
    x = torch.randn(2, 3, 2, 32, 32)
    expected = backbone(x)
    insert(backbone, "gc", Insertion(GlobalContext, {"res3": "all", "res5": "all"}, position))
    assert torch.equal(backbone(x), expected)


@pytest.mark.parametrize("load_first", [True, False])
def test_insert_keeps_pretrained_names(load_first: bool) -> None:
    pretrained = _tiny(SlowOnly).state_dict()
    backbone = _tiny(SlowOnly)
    if load_first:
        backbone.load_state_dict(pretrained)
    insert(backbone, "gc", Insertion(GlobalContext, {"res4": "all"}))
    if not load_first:
        missing, unexpected = backbone.load_state_dict(pretrained, strict=False)
        assert unexpected == []
        assert all(".gc." in name for name in missing)
    loaded = backbone.state_dict()
    assert all(torch.equal(loaded[name], value) for name, value in pretrained.items())


@pytest.mark.parametrize(
    ("stages", "position", "message"),
    [
        ({"res6": "all"}, "after_1x1", r"context.x: unknown stage 'res6'; there are res2, res3, res4, res5"),
        ({"res4": [6]}, "after_1x1", r"context.x.stages.res4 is \[6\]; expected .* indices from \[0, 1, 2, 3, 4, 5\]"),
        ({"res4": "first"}, "after_1x1", r"is 'first'; expected 'all', 'last'"),
        ({}, "after_1x1", "no block chosen"),
        ({"res4": []}, "after_1x1", "no block chosen"),
        (
            {"res4": "all"},
            "after_5x5",
            "unknown position 'after_5x5'; one of after_3x3, after_1x1, after_add, after_relu",
        ),
    ],
)
def test_insert_refuses_what_does_not_exist(stages: Any, position: Any, message: str) -> None:
    backbone = _tiny(SlowOnly)
    before = set(backbone.state_dict())
    with pytest.raises(ValueError, match=message):
        insert(backbone, "x", Insertion(Shift, stages, position))
    assert set(backbone.state_dict()) == before


def test_insert_refuses_a_name_that_is_taken() -> None:
    backbone = _tiny(SlowOnly)
    insert(backbone, "gc", Insertion(Shift, {"res4": "all"}))
    with pytest.raises(ValueError, match="holds something of this name already"):
        insert(backbone, "gc", Insertion(Shift, {"res4": "last"}))


@pytest.mark.parametrize("name", ["a.b", "", "a b"])
def test_name_that_cannot_be_part_of_a_path_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="not a name for an insertion"):
        insert(_tiny(SlowOnly), name, Insertion(Shift, {"res2": "all"}))
