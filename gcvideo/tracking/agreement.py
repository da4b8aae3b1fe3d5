"""What all ranks decide together while they train: every few steps, so that it costs nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch
from lightning import Trainer

EVERY_S = 0.25


class Agreement:
    """Asks all ranks every ``EVERY_S`` seconds or so, always after the same step on each.

    How many steps that is comes from the slowest rank's step, told in the same message; the first one asks. From one
    time to the next it grows by half at most, for steps may become slower: batches that were read ahead go first.
    Where something else is repeated that takes another time, a new one is needed.
    """

    def __init__(self) -> None:
        self._steps_left, self._asked_at, self._steps = 0, 0.0, 1

    def largest(self, trainer: Trainer, wishes: Sequence[float], *, now: bool = False) -> list[float]:
        """Of each wish the largest of all ranks; all 0 where this is no step at which ranks talk.

        Every rank must come here after every step, with the same ``now``: whether this step is one in any case.
        """
        if trainer.world_size == 1:
            return [float(wish) for wish in wishes]
        self._steps_left -= 1
        if self._steps_left > 0 and not now:
            return [0.0] * len(wishes)
        at = time.monotonic()
        step_s = (at - self._asked_at) / (self._steps - self._steps_left) if self._asked_at else EVERY_S
        told = any_rank(trainer, [*(float(wish) for wish in wishes), step_s])
        steps = int(EVERY_S / max(told[-1], 1e-6))
        self._steps = self._steps_left = max(1, min(steps, self._steps + max(1, self._steps // 2), 1000))
        self._asked_at = at
        return told[:-1]


def any_rank(trainer: Trainer, numbers: Sequence[float]) -> list[float]:
    """The largest of each number over all ranks."""
    if trainer.world_size == 1:
        return list(numbers)
    told = torch.tensor(numbers, dtype=torch.float32, device=trainer.strategy.root_device)
    torch.distributed.all_reduce(told, op=torch.distributed.ReduceOp.MAX)
    largest: list[float] = told.tolist()
    return largest
