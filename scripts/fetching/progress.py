"""How far a job of downloads is: a bar on a terminal, a line per archive in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from scripts.fetching.space import readable


class Meter:
    """Counts bytes and archives; may be called from several threads.

    Args:
        progress: the bar.
        num_archives: how many there are to come.
        num_bytes: their size together.
    """

    def __init__(self, progress: Progress, num_archives: int, num_bytes: int) -> None:
        self._progress = progress
        self.num_done, self._num_archives = 0, num_archives
        self._task = progress.add_task(self._count(), total=num_bytes)

    def on_bytes(self, change: int) -> None:
        """More bytes are here, or fewer, if an archive begins anew."""
        self._progress.advance(self._task, change)

    def on_archive(self, name: str, num_files: int, num_bytes: int) -> None:
        """An archive is unpacked."""
        self.num_done += 1
        self._progress.update(self._task, description=self._count())
        if self._progress.disable:
            print(f"{self._count()} {name}: {num_files} files, {readable(num_bytes)}", file=sys.stderr, flush=True)

    def _count(self) -> str:
        return f"{self.num_done}/{self._num_archives} archives"


@contextmanager
def metered(num_archives: int, num_bytes: int) -> Iterator[Meter]:
    """Shows a ``Meter`` while it lasts."""
    console = Console(file=sys.stderr)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    began = time.monotonic()
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as progress:
        meter = Meter(progress, num_archives, num_bytes)
        yield meter
    print(f"fetched {meter.num_done} of {num_archives} archives in {time.monotonic() - began:.0f} s", file=sys.stderr)
