"""Shares out work on files that may crash the process that opens them; the others are done all the same."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache
from multiprocessing import active_children, parent_process
from threading import Thread
from typing import Generic, TypeVar

from gcvideo.data.pools import process_pool

Item = TypeVar("Item")
Result = TypeVar("Result")


class CrashedError(RuntimeError):
    """The process that worked on an item died."""


def map_surviving(
    function: Callable[[Item], Result], items: Sequence[Item], num_workers: int
) -> Generator[tuple[Item, Result | CrashedError]]:
    """Each item with its result, or with what its process died of, in the order in which they are done.

    An interruption ends the processes at once, in the middle of their work. Close the iterator if it is not read to
    its end.

    Args:
        function: a function at the top level of a module; what it raises is raised here and ends all.
        items: what it is called with, one at a time.
        num_workers: processes; 0 means one for each processor, 1 this process itself.
    """
    workers = min(num_workers or os.cpu_count() or 1, len(items))
    if workers <= 1:
        yield from ((item, function(item)) for item in items)
        return
    work = _Work(function, deque(items))
    while work.waiting or work.running:
        try:
            yield from work.through_pool(workers)
        except BrokenProcessPool:  # one of those in hand killed its process; which, is seen when each is alone
            suspects = list(work.running.values())
            work.running.clear()
            yield from ((item, _alone(function, item)) for item in suspects)


class _Work(Generic[Item, Result]):
    """What is still to be done, and what is in hand."""

    def __init__(self, function: Callable[[Item], Result], waiting: deque[Item]) -> None:
        self.function, self.waiting = function, waiting
        self.running: dict[Future[Result], Item] = {}

    def through_pool(self, workers: int) -> Iterator[tuple[Item, Result]]:
        with process_pool(workers) as pool, _ended_at_once():
            while self.waiting or self.running:
                while self.waiting and len(self.running) < 2 * workers:
                    item = self.waiting.popleft()
                    self.running[pool.submit(_call, self.function, item)] = item
                for future in wait(self.running, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    yield self.running.pop(future), result


def _alone(function: Callable[[Item], Result], item: Item) -> Result | CrashedError:
    try:
        with process_pool(1) as pool, _ended_at_once():
            return pool.submit(_call, function, item).result()
    except BrokenProcessPool:
        return CrashedError("the process that opens it crashes")


def _call(function: Callable[[Item], Result], item: Item) -> Result:
    _end_with_the_first_process()
    return function(item)


@cache
def _end_with_the_first_process() -> None:
    """A process of the pool whose first process was killed would wait for work for ever."""
    first = parent_process()

    def wait_and_end() -> None:
        if first is not None:
            first.join()
            os._exit(1)

    Thread(target=wait_and_end, daemon=True).start()


@contextmanager
def _ended_at_once() -> Iterator[None]:
    """Ctrl-C does not wait until each process is done with its file, which may take an hour."""
    before = set(active_children())
    try:
        yield
    except BaseException:
        for child in set(active_children()) - before:
            child.terminate()
        raise
