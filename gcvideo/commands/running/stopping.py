"""The end of a run that was told to stop: what is said, and the exit code that a launcher goes by."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

from lightning import Trainer

from gcvideo.commands.running.folders import can_go_on, to_go_on
from gcvideo.errors import InputError
from gcvideo.tracking.preemption import EXIT_CODE, SIGNALS, Preempted, requeue_in_slurm, was_requeued


def stopped(stop: Preempted, trainer: Trainer, folder: Path) -> BaseException:
    """What a run raises that a signal has stopped: one line of the first process; 143 of all."""
    for number in SIGNALS:  # srun ends all ranks when the first has ended; this one has a job to put back
        signal.signal(number, signal.SIG_IGN)
    if not trainer.is_global_zero:
        return SystemExit(EXIT_CODE)
    let_children_end()
    where = f"{stop.name} came in epoch {trainer.current_epoch + 1}, after step {trainer.global_step}"
    again = requeue_in_slurm(stop.name) or to_go_on(folder)
    return InputError(f"{where} ({_saved(stop, trainer)}); {again}", exit_code=EXIT_CODE)


def _saved(stop: Preempted, trainer: Trainer) -> str:
    if stop.saved_step is None:
        return "not saved"
    return "saved" if stop.saved_step == trainer.global_step else f"last.ckpt is of step {stop.saved_step}"


def last_of_requeued(run_dir: str | None) -> str | None:
    """``last`` where SLURM runs a job again that has left a checkpoint: the same command goes on."""
    is_there = bool(run_dir) and can_go_on(Path(str(run_dir)).expanduser())
    return "last" if is_there and was_requeued() else None


def let_children_end() -> None:
    """Lightning's observer would kill this process when those it started end with another code than 0."""
    for thread in threading.enumerate():
        if thread.name == "child-process-observer":
            thread._run = lambda: True  # type: ignore[attr-defined]
