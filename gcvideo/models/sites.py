"""Where a context block may stand in a backbone, and the one function that puts it there.

Every residual block gets four empty slots. A slot without a block is the identity and has no parameters, so all names
of a pretrained network stay as they are, and loading weights and inserting blocks may happen in either order.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from torch import Tensor, nn

from gcvideo.models.block import Block

Position = Literal["after_3x3", "after_1x1", "after_add", "after_relu"]
POSITIONS: tuple[Position, ...] = ("after_3x3", "after_1x1", "after_add", "after_relu")
Where = list[int] | Literal["all", "last"]


@dataclass(frozen=True)
class Site:
    """A place for a block.

    Attributes:
        stage: ``res2`` to ``res5``.
        index: number of the residual block in its stage, 0-based.
        path: dotted name of the slot in the backbone.
        channels: C of the features there.
    """

    stage: str
    index: int
    path: str
    channels: int


@dataclass
class Insertion:
    """A block, and the residual blocks it is put into.

    Attributes:
        block: makes a block for a number of channels.
        stages: for each stage, block indices (0-based), ``all`` or ``last``.
        position: after_3x3: after the 3x3 convolution, its norm and ReLU; after_1x1: after the closing 1x1 convolution
            and its norm, before the addition; after_add: before the final ReLU; after_relu: after it.
    """

    block: Callable[[int], Block]
    stages: dict[str, Where]
    position: Position = "after_1x1"


class HasSites(Protocol):
    """A backbone that blocks can be put into."""

    def sites(self, position: Position) -> list[Site]:
        """All places of one position, in the order of the forward pass."""

    def get_submodule(self, target: str) -> nn.Module:
        """The module at a dotted path."""


class ResidualSum(nn.Module):
    """The addition of a residual block, with a slot before and after it; the branch_fusion of pytorchvideo's block."""

    def __init__(self) -> None:
        super().__init__()
        self.after_1x1 = nn.Sequential()
        self.after_add = nn.Sequential()

    def forward(self, shortcut: Tensor, residual: Tensor) -> Tensor:
        """after_add(shortcut + after_1x1(residual))."""
        fused: Tensor = self.after_add(shortcut + self.after_1x1(residual))
        return fused


def add_slots(res_block: Any) -> None:
    """Gives a pytorchvideo ``ResBlock`` with a bottleneck its four slots; no parameter changes its name."""
    res_block.branch_fusion = ResidualSum()
    res_block.activation = _with_slot(res_block.activation, "after_relu")
    res_block.branch2.act_b = _with_slot(res_block.branch2.act_b, "after_3x3")


def slot_path(position: Position) -> str:
    """The dotted path from a residual block to its slot."""
    return {
        "after_3x3": "branch2.act_b.after_3x3",
        "after_1x1": "branch_fusion.after_1x1",
        "after_add": "branch_fusion.after_add",
        "after_relu": "activation.after_relu",
    }[position]


def insert(backbone: HasSites, name: str, insertion: Insertion) -> list[str]:
    """Puts a new block into each of the named sites.

    Args:
        backbone: the network to change.
        name: of the insertion; it ends the path of each block.
        insertion: what goes where.

    Returns:
        The dotted paths of the new blocks.

    Raises:
        ValueError: if a position, stage or index does not exist, the name stands in a slot already, or nothing is
            touched; the message lists what exists.
    """
    if insertion.position not in POSITIONS:
        raise ValueError(f"context.{name}: unknown position {insertion.position!r}; one of {', '.join(POSITIONS)}")
    if not name.isidentifier():
        raise ValueError(f"context.{name}: not a name for an insertion; take letters, digits and _")
    chosen = _chosen(backbone.sites(insertion.position), name, insertion)
    for site in chosen:
        slot = backbone.get_submodule(site.path)
        if hasattr(slot, name):
            raise ValueError(f"context.{name}: {site.path} holds something of this name already; take another name")
        slot.add_module(name, insertion.block(site.channels))
    return [f"{site.path}.{name}" for site in chosen]


def _chosen(sites: list[Site], name: str, insertion: Insertion) -> list[Site]:
    numbers: dict[str, list[int]] = {}
    for site in sites:
        numbers.setdefault(site.stage, []).append(site.index)
    wanted: set[tuple[str, int]] = set()
    for stage, where in insertion.stages.items():
        if stage not in numbers:
            raise ValueError(f"context.{name}: unknown stage {stage!r}; there are {', '.join(numbers)}")
        wanted |= {(stage, index) for index in _indices(where, numbers[stage], f"context.{name}.stages.{stage}")}
    if not wanted:
        raise ValueError(f"context.{name}: no block chosen; name stages such as {{res4: all}} or set it to null")
    return [site for site in sites if (site.stage, site.index) in wanted]


def _indices(where: Where, existing: list[int], field: str) -> list[int]:
    if where == "all":
        return existing
    if where == "last":
        return existing[-1:]
    unknown = [index for index in where if index not in existing]
    if isinstance(where, str) or unknown:
        raise ValueError(f"{field} is {where!r}; expected 'all', 'last' or indices from {existing}")
    return list(where)


def _with_slot(activation: nn.Module, name: str) -> nn.Module:
    return nn.Sequential(OrderedDict([("relu", activation), (name, nn.Sequential())]))
