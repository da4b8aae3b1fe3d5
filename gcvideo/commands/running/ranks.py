"""Several processes (ranks) that train together: how long one waits for the others, and what happens when one is lost.

A rank that dies ends the whole job, and it is said why. torchrun and srun see to that for the ranks they start. Where
the first rank starts the others itself (``--trainer.devices=8`` on one machine), Lightning ends all of them seconds
after the death of a child, without a word, and nobody ends the children when the first one is killed: that is done
here.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from lightning import Trainer
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.strategies import DDPStrategy, FSDPStrategy, StrategyRegistry
from torch import distributed

from gcvideo.commands.running.folders import to_go_on
from gcvideo.commands.running.stopping import let_children_end
from gcvideo.errors import InputError
from gcvideo.tracking.run import RunTracker

log = logging.getLogger(__name__)

# How long a rank waits for the others where they exchange something: torch's default for GPUs; Lightning's is half an
# hour. While one process indexes the videos, the others wait without an end: Lightning has a group of its own for that.
PATIENCE = timedelta(minutes=10)

_LAUNCHER = "GCVIDEO_LAUNCHER"  # process id of the rank that starts the others of its machine
_TOLD_TO_END = (0, 130, 143)  # exit codes: done, interrupted, preempted
_LOOK_EVERY_S, _GRACE_S = 1.0, 10.0
# What stands in the errors of gloo, NCCL and torch's store.
_GONE = re.compile("closed by peer|reset by peer|Broken pipe|Connection refused|remote process exit")
_LATE = re.compile(
    "Timed out waiting|[Ww]ait timeout|timed out in monitoredBarrier|socket has timed out|seconds waiting for clients"
    "|collective operation timeout"
)


def limit_waiting() -> None:
    """Gives ``PATIENCE`` to the strategies that Lightning chooses by itself or by a short name."""
    for entry in StrategyRegistry.values():
        if issubclass(entry["strategy"], DDPStrategy | FSDPStrategy):
            entry["init_params"].setdefault("timeout", PATIENCE)


def with_cluster(plugins: Any) -> list[Any]:
    """The trainer's plugins; on SLURM, without Lightning's own way to requeue a job.

    That one saves to the working folder, and any later job there continues from it, whatever it trains. Here a job
    continues from its run folder, and puts itself back into the queue (tracking/preemption.py).
    """
    given = list(plugins) if isinstance(plugins, list | tuple) else [] if plugins is None else [plugins]
    if SLURMEnvironment.detect() and not any(isinstance(plugin, ClusterEnvironment) for plugin in given):
        given.append(SLURMEnvironment(auto_requeue=False))
    return given


@contextmanager
def together(trainer: Trainer, tracker: RunTracker) -> Iterator[None]:
    """Runs what all ranks do: none outlives the others, and one that cannot go on says why in a line."""
    if trainer.world_size == 1:
        yield
        return
    launcher: Any = trainer.strategy.launcher
    if hasattr(launcher, "procs") and "LOCAL_RANK" not in os.environ:
        os.environ[_LAUNCHER] = str(os.getpid())
        atexit.register(_see_off, launcher)  # after the error is printed
    threading.Thread(target=_watch, args=(trainer, _parent()), name="rank-watch", daemon=True).start()
    try:
        yield
    except Exception as error:
        let_children_end()  # before that of this process is said
        reason = lost_or_late(str(error), trainer) if isinstance(error, RuntimeError) else None
        if reason is None:
            raise
        raise InputError(f"{reason}; {to_go_on(tracker.folder)}") from error


def _watch(trainer: Trainer, parent: int | None) -> None:
    """Names a child that was lost, and ends this process when the one that started it is gone."""
    while True:
        time.sleep(_LOOK_EVERY_S)
        lost = _lost_child(trainer)
        if lost is not None:
            log.warning(f"{lost}; the run ends")
            return
        if parent is not None and os.getppid() != parent:
            time.sleep(_GRACE_S)  # what ends by itself may: a run that is over, or an exchange that failed
            log.warning(f"rank {trainer.global_rank} ends: process {parent}, which started it, is gone")
            os._exit(1)


def _lost_child(trainer: Trainer) -> str | None:
    """Which of the ranks that this one started has ended before its time, and how."""
    for local_rank, child in enumerate(getattr(trainer.strategy.launcher, "procs", []), start=1):
        code = child.poll()
        if code is not None and (code < 0 or (code not in _TOLD_TO_END and not trainer.interrupted)):
            return f"rank {trainer.global_rank + local_rank} (process {child.pid}) {_how(code)}"
    return None


def _parent() -> int | None:
    """The process that this rank must not outlive."""
    first = os.environ.get(_LAUNCHER)
    if first is not None:
        return None if first == str(os.getpid()) else int(first)
    return os.getppid() if distributed.is_torchelastic_launched() else None


def _see_off(launcher: Any) -> None:
    """When the command ends, its ranks have ended."""
    deadline = time.monotonic() + _GRACE_S
    for child in launcher.procs:
        try:
            child.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            child.kill()


def _how(code: int) -> str:
    """How a process ended."""
    if code >= 0:
        return f"ended with exit code {code}"
    hint = " (by hand, or by the system because the memory was full)" if -code == signal.SIGKILL else ""
    return f"was ended by {signal.Signals(-code).name}{hint}"


def lost_or_late(message: str, trainer: Trainer) -> str | None:
    """What an error of torch's exchange between ranks means; none where it is another error."""
    if _GONE.search(message):
        time.sleep(_LOOK_EVERY_S / 2)  # its connections are closed before a process has ended
        return _lost_child(trainer) or "another rank is gone: it was killed, or ended with an error of its own"
    if _LATE.search(message):
        return (
            "another rank did not come within the time: it hangs, is far slower, or cannot be reached "
            "(--trainer.strategy=DDPStrategy --trainer.strategy.timeout=1:00:00 waits for an hour)"
        )
    return None
