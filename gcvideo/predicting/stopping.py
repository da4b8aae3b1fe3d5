"""Ctrl-C and SIGTERM end the work after the batch at hand, so that what is done is not lost."""

from __future__ import annotations

import multiprocessing
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.synchronize import Event
from typing import Any


class StopRequest:
    """Whether somebody wants an end; it may be handed to processes that are started anew.

    Attributes:
        event: is set when an end is wanted.
        number: of the signal that came; 0 for none.
    """

    def __init__(self) -> None:
        self.event: Event = multiprocessing.get_context("spawn").Event()
        self.number = 0

    @contextmanager
    def heard(self) -> Iterator[None]:
        """In this block the first signal asks for an end and the second one ends at once.

        In a thread other than the first nothing is changed, as Python gives signals to that one alone.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self._hear) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _hear(self, number: int, frame: Any) -> None:
        if self.event.is_set():
            for process in multiprocessing.active_children():
                process.kill()
            raise KeyboardInterrupt
        self.number = number
        self.event.set()
