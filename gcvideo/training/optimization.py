"""What the optimizer is given, and how the learning rate goes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler


@dataclass(frozen=True)
class Schedule:
    """The learning rate as a function of the optimizer step and of how many there are.

    So a run that is continued with more epochs has the rates of a run of that length from there on.

    Attributes:
        kind: cosine goes down to zero over the steps after the warm-up; step divides by 10 at each milestone.
        warmup: share of all steps in which the rate rises linearly, 0 to 1.
        warmup_start: the first rate, as a share of the full one, 0 to 1.
        milestones: for step, shares of all steps, 0 to 1.

    Raises:
        ValueError: if a share is outside 0 to 1.
    """

    kind: Literal["cosine", "step", "constant"] = "cosine"
    warmup: float = 0.1
    warmup_start: float = 0.01
    milestones: tuple[float, ...] = (0.6, 0.85)

    def __post_init__(self) -> None:
        for name, share in {"warmup": self.warmup, "warmup_start": self.warmup_start}.items():
            if not 0 <= share <= 1:
                raise ValueError(f"schedule.{name} is {share}; expected a share, 0 to 1 (0.1 is a tenth of the run)")
        if not all(0 <= share <= 1 for share in self.milestones):
            raise ValueError(f"schedule.milestones are {self.milestones}; expected shares of the run, 0 to 1")

    def factor(self, step: int, total_steps: int) -> float:
        """The rate of a step (0-based), as a share of the full one."""
        warmup_steps = round(self.warmup * total_steps)
        if step < warmup_steps:
            return self.warmup_start + (1 - self.warmup_start) * step / warmup_steps
        if self.kind == "step":
            return float(0.1 ** sum(step >= round(share * total_steps) for share in self.milestones))
        if self.kind == "cosine":
            return 0.5 * (1 + math.cos(math.pi * (step - warmup_steps) / max(1, total_steps - warmup_steps)))
        return 1.0

    def build(self, optimizer: Optimizer, total_steps: int) -> LRScheduler:
        """The scheduler for a run of ``total_steps`` optimizer steps."""
        return LambdaLR(optimizer, lambda step: self.factor(step, total_steps))


def parameter_groups(network: nn.Module, *, decay_norms_and_biases: bool) -> list[dict[str, Any]]:
    """All trained parameters; those of norms, and biases, in a group without weight decay unless it is wanted."""
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if decay_norms_and_biases:
        return [{"params": trained}]
    return [
        {"params": [parameter for parameter in trained if parameter.ndim > 1]},
        {"params": [parameter for parameter in trained if parameter.ndim <= 1], "weight_decay": 0.0},
    ]


def num_optimizer_steps(batches: int, epochs: int, accumulation: int, max_steps: int) -> int:
    """Optimizer steps of a run.

    Args:
        batches: in an epoch, on each rank.
        epochs: of the run; -1 for no end but ``max_steps``.
        accumulation: batches that make one step; the last step of an epoch may have fewer.
        max_steps: upper bound; -1 for none.

    Raises:
        ValueError: if the run has no end; a schedule needs one.
    """
    if epochs < 0 and max_steps < 0:
        raise ValueError(
            "the run has no end, and a schedule needs one: set --trainer.max_epochs or --trainer.max_steps"
        )
    steps = epochs * -(-batches // accumulation)
    return max_steps if epochs < 0 else steps if max_steps < 0 else min(steps, max_steps)
