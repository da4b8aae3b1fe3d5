"""Processes that share out work on files, and end with the one that started them."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

_PR_SET_PDEATHSIG = 1  # of <linux/prctl.h>
_STOP = {signal.SIGTERM, *([signal.SIGUSR1] if os.name == "posix" else [])}


@contextmanager
def process_pool(num_workers: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes; Ctrl-C and SIGTERM reach the first process, which ends the others."""
    with ended_by_sigterm():
        pool = ProcessPoolExecutor(
            num_workers, mp_context=get_context("spawn"), initializer=begin_as_a_worker, initargs=(os.getpid(),)
        )
        try:
            yield pool
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def ended_by_sigterm() -> Iterator[None]:
    """SIGTERM becomes an exit that runs what is to be run at the end, unless somebody listens to it already."""
    is_heard = signal.getsignal(signal.SIGTERM) != signal.SIG_DFL
    if is_heard or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def begin_as_a_worker(parent: int) -> None:
    """Leaves Ctrl-C to the process ``parent``, and does not outlive it, even in a decoder that hangs (on Linux)."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.name == "posix" and os.getppid() != parent:  # it ended before the kernel was told
        os._exit(1)


def hear_the_parent_alone(parent: int) -> None:
    """SIGTERM and SIGUSR1 go to all processes of a job; what trains saves then, and needs its workers until it has.

    Only SIGTERM from ``parent`` itself ends this process, at once, also in a decoder that hangs. Processes that it
    starts hear neither signal. (On Linux; elsewhere nothing is changed.)
    """
    if hasattr(signal, "sigwaitinfo") and sys.platform == "linux":
        signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)  # of this thread, and of all that it starts
        threading.Thread(target=_wait_for_the_parent, args=(parent,), name="stop-signals", daemon=True).start()


def _wait_for_the_parent(parent: int) -> None:
    while True:
        received = signal.sigwaitinfo(_STOP)
        if received.si_signo == signal.SIGTERM and received.si_pid == parent:
            os._exit(0)


def _end(number: int, frame: object) -> None:
    sys.exit(128 + number)
