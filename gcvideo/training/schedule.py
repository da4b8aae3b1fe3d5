"""How the learning rate goes: a function of the optimizer step and of how many there are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler


@dataclass(frozen=True)
class Schedule:
    """The learning rate as a function of the optimizer step and of how many there are.

    So a run that is continued with more epochs has the rates of a run of that length from there on.

    Attributes:
        kind: cosine goes down to zero at the end of the run; step multiplies by ``gamma`` at each milestone.
        warmup: share of all steps in which the rate rises linearly, 0 to 1.
        warmup_start: the first rate, as a share of the full one, 0 to 1.
        milestones: for step, shares of all steps, 0 to 1.
        gamma: for step, what the rate is multiplied by at a milestone.
        cosine_after_warmup: whether the cosine begins where the warm-up ends (mmaction2), or at the first step, so that
            the warm-up rises to the rate the cosine has come down to by then (PySlowFast).
        full_rate_at: the step with the full rate: the first after the warm-up (PySlowFast), or its last (mmengine).
        every: what the rate changes with: each optimizer step, or each epoch, all of whose steps have one rate
            (mmengine's ``by_epoch``); then ``full_rate_at`` means epochs.

    Raises:
        ValueError: if a share is outside 0 to 1, or ``gamma`` outside 0 to 1.
    """

    kind: Literal["cosine", "step", "constant"] = "cosine"
    warmup: float = 0.1
    warmup_start: float = 0.01
    milestones: tuple[float, ...] = (0.6, 0.85)
    gamma: float = 0.1
    cosine_after_warmup: bool = True
    full_rate_at: Literal["after_warmup", "last_of_warmup"] = "after_warmup"
    every: Literal["step", "epoch"] = "step"

    def __post_init__(self) -> None:
        for name, share in {"warmup": self.warmup, "warmup_start": self.warmup_start, "gamma": self.gamma}.items():
            if not 0 <= share <= 1:
                raise ValueError(f"schedule.{name} is {share}; expected a share, 0 to 1 (0.1 is a tenth)")
        if not all(0 <= share <= 1 for share in self.milestones):
            raise ValueError(f"schedule.milestones are {self.milestones}; expected shares of the run, 0 to 1")

    def factor(self, step: int, total_steps: int, steps_per_epoch: int) -> float:
        """The rate of a step (0-based), as a share of the full one."""
        if self.every == "epoch":
            return self._factor(step // steps_per_epoch, -(-total_steps // steps_per_epoch))
        return self._factor(step, total_steps)

    def build(self, optimizer: Optimizer, total_steps: int, steps_per_epoch: int) -> LRScheduler:
        """The scheduler for a run of ``total_steps`` optimizer steps, ``steps_per_epoch`` of them in each epoch."""
        return LambdaLR(optimizer, lambda step: self.factor(step, total_steps, steps_per_epoch))

    def _factor(self, step: int, total_steps: int) -> float:
        warmup_steps = round(self.warmup * total_steps)
        if step >= warmup_steps:
            return self._after_warmup(step, warmup_steps, total_steps)
        top = self._after_warmup(warmup_steps, warmup_steps, total_steps)
        rise = warmup_steps if self.full_rate_at == "after_warmup" else max(1, warmup_steps - 1)
        return self.warmup_start + (top - self.warmup_start) * step / rise

    def _after_warmup(self, step: int, warmup_steps: int, total_steps: int) -> float:
        if self.kind == "step":
            return float(self.gamma ** sum(step >= round(share * total_steps) for share in self.milestones))
        if self.kind == "cosine":
            begin = warmup_steps if self.cosine_after_warmup else 0
            return 0.5 * (1 + math.cos(math.pi * (step - begin) / max(1, total_steps - begin)))
        return 1.0
