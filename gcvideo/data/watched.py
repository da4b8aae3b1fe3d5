"""Shares out jobs to processes that are watched: one that hangs or crashes costs its job and no other."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from multiprocessing import connection, get_context
from typing import Any, Generic, TypeVar

from gcvideo.data.pools import begin_as_a_worker, ended_by_sigterm

Job = TypeVar("Job")
Result = TypeVar("Result")

_START_SECONDS = 120.0  # imports from a slow disk; no job is to blame for them
_SLICE_SECONDS = 1.0
_READY = "ready"


class LostJobError(RuntimeError):
    """A job whose process hung or crashed; the message says which: ``crashed on it (SIGSEGV)``."""


def watched(
    function: Callable[[Job], Result], jobs: Sequence[Job], *, seconds: Callable[[Job], float], num_workers: int = 0
) -> Generator[tuple[Job, Result | LostJobError]]:
    """Each job with its result, or with how it was lost, in the order in which they are done.

    The processes end with the iterator: read it to its end, or close it. Ctrl-C, SIGTERM and SIGKILL of this process
    end them too.

    Args:
        function: at the top level of a module; it may raise nothing but what ends its process.
        jobs: what it is called with, one at a time.
        seconds: how long a job may take.
        num_workers: processes; 0 means one for each processor.

    Raises:
        RuntimeError: if a process does not start.
    """
    waiting = deque(jobs)
    workers: list[_Worker[Job, Result]] = []
    try:
        with ended_by_sigterm():
            workers += [_Worker(function) for _ in range(min(num_workers or os.cpu_count() or 1, len(jobs)))]
            while workers:
                for worker in _due(workers):
                    jobs_done, outcome = worker.hand_over()
                    if isinstance(outcome, LostJobError):
                        workers.remove(worker)
                        workers += [_Worker(function)] if waiting else []
                    elif waiting:
                        worker.begin(waiting[0], seconds(waiting.popleft()))
                    else:
                        workers.remove(worker)
                        worker.end()
                    yield from ((job, outcome) for job in jobs_done)
    finally:
        for worker in workers:
            worker.end()


class _Worker(Generic[Job, Result]):
    """A process that does one job at a time.

    Attributes:
        connection: can be read when the process has started, has done its job, or has ended.
        left: seconds that it may still take for what it does now.
    """

    def __init__(self, function: Callable[[Job], Result]) -> None:
        context = get_context("spawn")
        self.connection, theirs = context.Pipe()
        self.left = self._seconds = _START_SECONDS
        self._jobs: list[Job] = []  # none while it starts
        self._process = context.Process(target=_work, args=(theirs, function, os.getpid()), daemon=True)
        self._process.start()
        theirs.close()

    def begin(self, job: Job, seconds: float) -> None:
        self._jobs, self.left, self._seconds = [job], seconds, seconds
        with suppress(BrokenPipeError):  # it has died; that is seen when its answer is read
            self.connection.send(job)

    def hand_over(self) -> tuple[list[Job], Any]:
        """What it was doing (nothing where it has just started), and what came of it; it has ended where that is lost.

        Raises:
            RuntimeError: if it has not started.
        """
        try:
            late = LostJobError(f"took longer than {self._seconds:g} s on it")
            outcome = self.connection.recv() if self.left > 0 else late
        except (EOFError, OSError):
            outcome = LostJobError(f"crashed on it ({self._cause_of_death()})")
        if isinstance(outcome, LostJobError):
            self.end()
            if not self._jobs:
                raise RuntimeError("a process that shares the work does not start; see what it says above")
        return self._jobs, outcome

    def end(self) -> None:
        """Kills it: whatever it does now is not wanted."""
        self._process.kill()
        self._process.join()
        self.connection.close()

    def _cause_of_death(self) -> str:
        self._process.join()
        code = self._process.exitcode or 0
        return f"exit code {code}" if code >= 0 else signal.Signals(-code).name


def _due(workers: list[_Worker[Job, Result]]) -> list[_Worker[Job, Result]]:
    """Waits for those that have something to say or have had their time."""
    while True:
        before = time.monotonic()
        ready = connection.wait([worker.connection for worker in workers], _SLICE_SECONDS)
        passed = min(time.monotonic() - before, _SLICE_SECONDS)  # not the hour for which all were stopped
        due = []
        for worker in workers:
            is_ready = worker.connection in ready
            worker.left -= 0 if is_ready else passed
            due += [worker] if is_ready or worker.left <= 0 else []
        if due:
            return due


def _work(requests: connection.Connection, function: Callable[[Any], Any], parent: int) -> None:
    begin_as_a_worker(parent)
    with suppress(EOFError, BrokenPipeError):  # nobody waits any more
        requests.send(_READY)
        while True:
            requests.send(function(requests.recv()))
