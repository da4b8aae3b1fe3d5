"""What the optimizer is given, and how the learning rate goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LinearLR, LRScheduler, MultiStepLR, SequentialLR


@dataclass(frozen=True)
class Schedule:
    """The learning rate, changed after every optimizer step.

    Attributes:
        kind: cosine goes down to zero over the steps after the warm-up; step divides by 10 at each milestone.
        warmup: share of all steps in which the rate rises linearly.
        warmup_start: the first rate, as a share of the full one.
        milestones: for step, shares of all steps.
    """

    kind: Literal["cosine", "step", "constant"] = "cosine"
    warmup: float = 0.1
    warmup_start: float = 0.01
    milestones: tuple[float, ...] = (0.6, 0.85)

    def build(self, optimizer: Optimizer, total_steps: int) -> LRScheduler:
        """The scheduler for a run of ``total_steps`` optimizer steps."""
        warmup_steps = round(self.warmup * total_steps)
        rest = max(1, total_steps - warmup_steps)
        main: LRScheduler
        if self.kind == "cosine":
            main = CosineAnnealingLR(optimizer, rest)
        elif self.kind == "step":
            main = MultiStepLR(optimizer, [round(share * total_steps) - warmup_steps for share in self.milestones])
        else:
            main = ConstantLR(optimizer, factor=1.0, total_iters=0)
        if warmup_steps == 0:
            return main
        return SequentialLR(
            optimizer, [LinearLR(optimizer, self.warmup_start, 1.0, warmup_steps), main], [warmup_steps]
        )


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
