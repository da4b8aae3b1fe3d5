"""The optimizer's step in one pass over the weights, by torch's fused kernels."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim import SGD, Optimizer

_DEVICES = ("cpu", "cuda", "mps")  # with kernels of torch's own


def fuse(optimizer: Optimizer) -> None:
    """Lets an optimizer of torch take its fused kernel, unless it was told how to step.

    Set in its groups: made with ``fused=True``, an optimizer unscales the gradients of 16-bit floats itself, and
    nobody could judge or clip them before.
    """
    for group in optimizer.param_groups:
        is_free = (
            "fused" in group and group["fused"] is None and not group.get("foreach") and not group.get("dampening")
        )
        if is_free and all(parameter.device.type in _DEVICES for parameter in group["params"]):
            group["fused"] = True


def align_states(optimizer: Optimizer) -> None:
    """Brings momentum and the like into the memory layout of their weights.

    A fused kernel goes through them side by side, whatever their strides. A checkpoint may have another layout: that of
    a run with another ``channels_last``.
    """
    for parameter, state in optimizer.state.items():
        for name, value in state.items():
            if isinstance(value, Tensor) and value.shape == parameter.shape and _order(value) != _order(parameter):
                state[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def prepare_step(optimizer: Optimizer) -> None:
    """Brings gradients into the memory layout of their weights, where something else than autograd has set them.

    SGD begins with a momentum of zero, which is what it does without one; its fused kernel takes a momentum for all
    weights of a group or for none, and those of a stage that was held have none yet.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is None:
                continue
            if _order(parameter.grad) != _order(parameter):
                parameter.grad = torch.empty_like(parameter).copy_(parameter.grad)
            if isinstance(optimizer, SGD) and group["fused"] and group["momentum"]:
                _begin_momentum(optimizer.state[parameter], parameter)


def _begin_momentum(state: dict[str, Any], parameter: Tensor) -> None:
    if state.get("momentum_buffer") is None:
        state["momentum_buffer"] = torch.zeros_like(parameter)


def _order(tensor: Tensor) -> list[int]:
    """The strides of the axes along which there is more than one element."""
    return [stride for stride, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1]
