"""Draws a network as text: its stages, what stands in them, and the shapes between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytorchvideo.models.resnet import ResStage
from torch import nn

from gcvideo.commands._networks import Model
from gcvideo.commands._tables import dimensions
from gcvideo.models.counting import count
from gcvideo.models.network import Network

_ARROW = "      |"
_LEGEND = """kernels and sizes are frames x height x width, after a kernel its channels; res3 to res5 halve height and
width in the 3x3 of their block 0; a block adds what went through its three convolutions to what came in"""


def draw(model: Model) -> str:
    """Lines from the clip to the classes."""
    network, counted = model.network, count(model.network, model.clip)
    lines = [f"{model.name}: {counted.params:,} parameters, {counted.macs / 1e9:.2f} G MACs", ""]
    lines.append(f"clip  3 x {dimensions(model.clip)}")
    shapes = {stage.name: stage.shape for stage in counted.stages}
    for stage, paths in network.stages().items():
        inside = [line for path in paths for line in _lines(network, stage, path)]
        lines += [_ARROW, *(f"{stage if not number else '':<6}| {line}" for number, line in enumerate(inside))]
        lines.append(f"{_ARROW}-> {dimensions(shapes[stage])}" + (" classes" if stage == "head" else ""))
    return "\n".join([*lines, "", _LEGEND])


def _lines(network: Network, stage: str, path: str) -> list[str]:
    module: Any = network.get_submodule(path)
    if stage == "head":
        return [f"{module.kind} average, dropout {module.dropout.p:g}, linear {module.proj.in_features}"]
    if stage == "stem":
        return [_layer(module.conv), f"max pool {_sizes(module.pool)}"]
    if not isinstance(module, ResStage):
        return [f"max pool {_sizes(module)}"]
    return _residual(network, module, path)


def _residual(network: Network, stage: Any, path: str) -> list[str]:
    """Residual blocks that are alike share a line; each context block in them has its own."""
    alike: dict[tuple[str, ...], list[int]] = {}
    for index, block in enumerate(stage.res_blocks):
        branch = block.branch2
        convolutions = ", ".join(_layer(conv, stride=False) for conv in (branch.conv_a, branch.conv_b, branch.conv_c))
        here = f"{path}.res_blocks.{index}."
        context = [_slot(network, name) for name in network.block_paths if name.startswith(here)]
        alike.setdefault((convolutions, *context), []).append(index)
    lines = []
    for (convolutions, *context), indices in alike.items():
        lines.append(f"{_indices(indices)}: {convolutions}")
        lines += [f"  + {text}" for text in context]
    return lines


def _slot(network: Network, path: str) -> str:
    """The block at a path that ends like ``after_1x1.gc``."""
    *_, position, name = path.split(".")
    return f"{name}: {type(network.get_submodule(path)).__name__} {position}"


def _indices(indices: list[int]) -> str:
    """``block 0``, ``blocks 1 3 5``, ``blocks 0-22``."""
    if len(indices) == 1:
        return f"block {indices[0]}"
    is_run = indices == list(range(indices[0], indices[-1] + 1))
    return f"blocks {indices[0]}-{indices[-1]}" if is_run else f"blocks {' '.join(map(str, indices))}"


def _layer(conv: nn.Conv3d, stride: bool = True) -> str:
    return f"{_sizes(conv) if stride else _times(conv.kernel_size)} {conv.out_channels}"


def _sizes(layer: Any) -> str:
    strides = _times(layer.stride)
    return _times(layer.kernel_size) + (f" stride {strides}" if strides != "1x1x1" else "")


def _times(sizes: Sequence[int]) -> str:
    return "x".join(map(str, sizes))
