"""A progress bar for counted work: on a terminal it moves, in a log it is one line at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


@contextmanager
def counted_progress(what: str) -> Iterator[tuple[Callable[[int], None], Callable[[], None]]]:
    """Yields ``on_start(total)`` and ``on_step()`` for a bar headed by ``what``; a total of 0 shows nothing."""
    console = Console(file=sys.stderr)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    began, counts = time.monotonic(), {"total": 0}
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        task = progress.add_task(what, total=None, visible=False)

        def on_start(total: int) -> None:
            counts["total"] = total
            progress.update(task, total=total, visible=total > 0)

        yield on_start, lambda: progress.advance(task)
    if counts["total"]:
        print(f"{what}: {counts['total']} in {time.monotonic() - began:.0f} s", file=sys.stderr)
