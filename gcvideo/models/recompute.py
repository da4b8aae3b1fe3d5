"""Activation checkpointing: a stage keeps its input alone and is computed again in the backward pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from pytorchvideo.models.resnet import ResStage
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint


class RecomputedStage(ResStage):  # type: ignore[misc]
    """A stage of residual blocks whose activations are not kept; results and statistics are those of the plain one.

    Costs about a third more time for the stage. Source: Chen et al., https://arxiv.org/abs/1604.06174.

    Attributes:
        recomputes: False makes it a plain stage.
    """

    recomputes = True

    def forward(self, x: Tensor) -> Tensor:
        """The blocks, one after the other."""
        if not (self.recomputes and self.training and torch.is_grad_enabled()):
            return self._blocks(x)
        result: Tensor = checkpoint(self._blocks, x, use_reentrant=False, context_fn=self._contexts)
        return result

    def _blocks(self, x: Tensor) -> Tensor:
        result: Tensor = super().forward(x)
        return result

    def _contexts(self) -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _statistics_kept(self)


@contextmanager
def _statistics_kept(module: nn.Module) -> Iterator[None]:
    """The second pass over the same batch must not move the running statistics a second time."""
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.training]
    momenta = [norm.momentum for norm in norms]
    counters = [norm.num_batches_tracked for norm in norms if norm.num_batches_tracked is not None]
    batches = [counter.clone() for counter in counters]
    for norm in norms:
        norm.momentum = 0.0  # running = 1 * running + 0 * new
    try:
        yield
    finally:
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
        for counter, number in zip(counters, batches, strict=True):
            counter.copy_(number)
