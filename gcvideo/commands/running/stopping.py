"""The end of a run that was told to stop: what is said, and the exit code that a launcher goes by."""

from __future__ import annotations

import threading
from pathlib import Path

from lightning import Trainer

from gcvideo.commands.running.folders import to_continue
from gcvideo.errors import InputError
from gcvideo.tracking.checkpoint_io import LAST
from gcvideo.tracking.preemption import EXIT_CODE, Preempted, requeue_in_slurm, was_requeued


def stopped(stop: Preempted, trainer: Trainer, folder: Path) -> BaseException:
    """What a run raises that a signal has stopped: one line of the first process; 143 of all."""
    if not trainer.is_global_zero:
        return SystemExit(EXIT_CODE)
    let_children_end()
    where = f"{stop.name} came in epoch {trainer.current_epoch + 1}, after step {trainer.global_step}"
    saved = "saved" if stop.saved else "last.ckpt is of the step before it" if trainer.validating else "not saved"
    again = requeue_in_slurm(stop.name) or f"continue with: {to_continue(folder)}"
    return InputError(f"{where} ({saved}); {again}", exit_code=EXIT_CODE)


def last_of_requeued(run_dir: str | None) -> str | None:
    """``last`` where SLURM runs a job again that has left a checkpoint: the same command goes on."""
    is_there = run_dir is not None and (Path(run_dir).expanduser() / LAST).exists()
    return "last" if is_there and was_requeued() else None


def let_children_end() -> None:
    """Lightning's observer would kill this process when those it started end with another code than 0."""
    for thread in threading.enumerate():
        if thread.name == "child-process-observer":
            thread._run = lambda: True  # type: ignore[attr-defined]
