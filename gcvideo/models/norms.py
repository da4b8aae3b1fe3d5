"""Batch norms that do not move: their statistics and weights stay what they were loaded as."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Self

from torch import nn

Norm = Literal["batch", "frozen", "sync"]


class FrozenBatchNorm3d(nn.BatchNorm3d):
    """A batch norm that is always in evaluation mode and is not trained; names as in ``nn.BatchNorm3d``."""

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__(num_features, eps, momentum)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> Self:
        """Stays in evaluation mode."""
        return super().train(False)


def norm_maker(norm: Norm) -> Callable[..., nn.Module]:
    """What makes the norm layers of a backbone.

    Raises:
        ValueError: if there is no such kind.
    """
    makers: dict[str, Callable[..., nn.Module]] = {
        "batch": nn.BatchNorm3d,
        "frozen": FrozenBatchNorm3d,
        "sync": nn.SyncBatchNorm,
    }
    if norm not in makers:
        raise ValueError(f"norm is {norm!r}; expected one of {', '.join(makers)}")
    return makers[norm]


def freeze(module: nn.Module) -> None:
    """Stops all that is in a module: parameters get no gradient, batch norms keep their statistics."""
    module.requires_grad_(False)
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if isinstance(child, nn.BatchNorm3d | nn.SyncBatchNorm):
                frozen = FrozenBatchNorm3d(child.num_features, child.eps).to(child.weight.device)
                frozen.load_state_dict(child.state_dict())
                setattr(parent, name, frozen)
