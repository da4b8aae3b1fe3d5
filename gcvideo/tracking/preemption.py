"""SIGTERM and SIGUSR1: a machine is taken away. The handler sets a flag and does nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGUSR1) if os.name == "posix" else (signal.SIGTERM,)
EXIT_CODE = 143  # what a shell says of a process that SIGTERM ended


class Preempted(SystemExit):
    """Ends a run that was told to stop, after what was needed is saved.

    Args:
        number: of the signal.
        saved_step: optimizer steps in ``last.ckpt``; none where it was not written yet.
    """

    def __init__(self, number: float, saved_step: int | None) -> None:
        super().__init__(EXIT_CODE)
        self.name, self.saved_step = signal.Signals(int(number)).name, saved_step


class StopSignals:
    """Remembers that SIGTERM or SIGUSR1 came.

    (Lightning's own handler of SIGTERM talks to the other ranks from within, which hangs where they wait for each
    other; so these are set after Lightning's.)
    """

    def __init__(self) -> None:
        self.number = 0

    def listen(self) -> None:
        """From now on; only the main thread may."""
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._remember)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        self.number = number


def requeue_in_slurm(name: str) -> str:
    """Puts a SLURM job that SIGUSR1 warned back into the queue; gives a line about it, empty where there is none."""
    job = os.environ.get("SLURM_JOB_ID")
    if name != "SIGUSR1" or job is None:
        return ""
    array, task = os.environ.get("SLURM_ARRAY_JOB_ID"), os.environ.get("SLURM_ARRAY_TASK_ID")
    job = f"{array}_{task}" if array and task else job
    try:
        subprocess.run(["scontrol", "requeue", job], check=True, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.SubprocessError) as error:
        reason = (getattr(error, "stderr", None) or str(error)).strip()
        return f"job {job} could not be put back into the queue: {reason}"
    return f"job {job} is back in the queue and will continue by itself"


def was_requeued() -> bool:
    """Whether SLURM runs this job again."""
    return int(os.environ.get("SLURM_RESTART_COUNT") or 0) > 0
