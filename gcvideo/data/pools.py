"""Processes that share out work on files, and end with the one that started them."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context


@contextmanager
def process_pool(num_workers: int) -> Iterator[ProcessPoolExecutor]:
    """Fresh processes; Ctrl-C and SIGTERM reach the first process, which ends the others."""
    in_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _end) if in_main else None
    pool = ProcessPoolExecutor(num_workers, mp_context=get_context("spawn"), initializer=_leave_signals)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)
        if in_main:
            signal.signal(signal.SIGTERM, before)


def _end(number: int, frame: object) -> None:
    sys.exit(128 + number)


def _leave_signals() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
