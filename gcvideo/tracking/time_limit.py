"""Ends a run when its time is over, so that it can be continued at the next batch."""

from __future__ import annotations

import re
import time
from datetime import timedelta
from typing import Any

from lightning import Callback, LightningModule, Trainer

from gcvideo.tracking.agreement import Agreement


class TimeLimit(Callback):
    """Stops as Lightning's timer does, for a job that may be one of several: each has the whole time.

    (Lightning's goes on counting where the job before stopped, so that the same command would stop at once, counts an
    epoch as done that was cut short, and has all processes talk to each other after every batch.)

    The time begins with the command. When it is over, the optimizer step at hand is finished, the network validated
    (also where this epoch would not have been) and saved; a run that is continued goes on in that epoch. The time that
    validating and saving take comes on top.

    Args:
        max_time: ``DD:HH:MM:SS``, a timedelta, or its arguments by name; a number, which YAML makes of ``1:00:00:00``,
            is refused.

    Attributes:
        stopped_in: epoch (from 1) in which it has ended the run; None where it has not.

    Raises:
        ValueError: if it is none of these, or no time at all.
    """

    def __init__(self, max_time: str | int | timedelta | dict[str, Any]) -> None:
        self.limit_s = _seconds(max_time)
        self.stopped_in: int | None = None
        self._began, self._agreement = time.monotonic(), Agreement()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Looks at the clock after each optimizer step; the run stops on all processes after the same one."""
        if (batch_idx + 1) % trainer.accumulate_grad_batches and not trainer.is_last_batch:
            return
        is_over = any(self._agreement.largest(trainer, [time.monotonic() - self._began >= self.limit_s]))
        if is_over and not trainer.should_stop and not _is_done(trainer):
            self.stopped_in, trainer.should_stop = trainer.current_epoch + 1, True
            trainer.check_val_every_n_epoch = trainer.check_val_every_n_epoch and 1  # now


def _is_done(trainer: Trainer) -> bool:
    """Whether this was the last batch of the run anyway."""
    is_last_epoch = trainer.current_epoch + 1 == trainer.max_epochs
    return (trainer.is_last_batch and is_last_epoch) or trainer.global_step == trainer.max_steps


def _seconds(max_time: str | int | timedelta | dict[str, Any]) -> float:
    length = {} if isinstance(max_time, int) else _parsed(max_time) if isinstance(max_time, str) else max_time
    try:
        seconds = (length if isinstance(length, timedelta) else timedelta(**length)).total_seconds()
    except TypeError:  # a name that is none of its arguments
        seconds = 0.0
    if seconds <= 0:
        raise ValueError(
            f"max_time is {max_time!r}; expected days, hours, minutes and seconds as DD:HH:MM:SS, such as 00:23:30:00 "
            "for 23 and a half hours"
        )
    return seconds


def _parsed(text: str) -> dict[str, int]:
    found = re.fullmatch(r"(\d+):(\d\d):(\d\d):(\d\d)", text.strip())
    numbers = [int(number) for number in found.groups()] if found else []
    return dict(zip(("days", "hours", "minutes", "seconds"), numbers, strict=False))
