"""How a block is being run: under autocast, by a compiler or an exporter, for second derivatives."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def without_autocast(x: Tensor) -> AbstractContextManager[object]:
    """In the dtypes that are given (the meta device, where nothing is computed, has no autocast to turn off)."""
    return nullcontext() if x.is_meta else torch.autocast(x.device.type, enabled=False)


def is_traced() -> bool:
    """Whether a compiler or an exporter reads the operations: a gradient of one's own, or a loop, is not for it."""
    return torch.compiler.is_compiling() or torch.onnx.is_in_onnx_export()


def example_size(size: int) -> int:
    """A size to choose a form by: where an exporter keeps it open, that of its example.

    All forms give the same numbers, so what is exported is not bound to the sizes that would choose the same one.
    """
    return int(size.node.hint) if torch.compiler.is_exporting() and isinstance(size, torch.SymInt) else size


def refuse_second_derivatives() -> None:
    """To be called in a backward pass of one's own, which nobody differentiates.

    torch's ``once_differentiable`` refuses later, and says nothing where the gradient that arrives is a constant.

    Raises:
        RuntimeError: if the backward pass is to have a graph (``create_graph=True``).
    """
    if torch.is_grad_enabled():
        raise RuntimeError("the fast form of this block has no second derivatives; call its `reference` for them")
