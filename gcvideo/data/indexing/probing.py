"""Probes files in processes of their own, so that one on which a decoder hangs or crashes is listed and not the end.

It imports no torch, so that the processes start quickly.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

from gcvideo.data.decoding.decode import DecodeError, first_line
from gcvideo.data.indexing.probe import Probe, probe_pictures, probe_video
from gcvideo.data.indexing.quick import probe_pictures_quickly, probe_quickly
from gcvideo.data.watched import LostJobError, watched

# Generous: a slow disk or a busy machine is no fault of the file.
_SECONDS, _SECONDS_PER_MB = 120.0, 2.0
_BYTES_PER_WORKER = 2_000_000  # for less it is not worth the start of another process


class Task(NamedTuple):
    """A file to be probed.

    Attributes:
        path: a video, or a folder of pictures.
        fps: rate of the pictures.
        num_bytes: its size, which the time that it may take goes by.
        quick: whether header and packets are enough.
    """

    path: Path
    fps: float
    num_bytes: int
    quick: bool = False

    @property
    def deadline_s(self) -> float:
        """Seconds that the file may take."""
        return _SECONDS + _SECONDS_PER_MB * self.num_bytes / 1e6


def probe_all(tasks: Sequence[Task], *, num_workers: int = 0) -> Generator[tuple[Task, Probe | str]]:
    """Each file with what it holds, or with why it cannot be used, in the order in which they are done.

    Args:
        tasks: the files.
        num_workers: processes; 0 means one for each processor, or fewer where there is little to do.
    """
    workers = num_workers or min(os.cpu_count() or 1, 1 + sum(task.num_bytes for task in tasks) // _BYTES_PER_WORKER)
    found = watched(probe_one, tasks, seconds=lambda task: task.deadline_s, num_workers=workers)
    with closing(found):
        for task, outcome in found:
            yield task, f"the decoder {outcome}" if isinstance(outcome, LostJobError) else outcome


def probe_one(task: Task) -> Probe | str:
    """What a file holds, or why it cannot be used."""
    try:
        with _without_noise():
            if task.path.is_dir():
                return (probe_pictures_quickly if task.quick else probe_pictures)(task.path, task.fps)
            return (probe_quickly if task.quick else probe_video)(task.path)
    except DecodeError as error:
        return str(error)
    except MemoryError:
        return "needs more memory than there is"
    except Exception as error:  # a video must not end an index, whatever a decoder makes of it
        return f"cannot be decoded: {type(error).__name__}: {first_line(error)}"


@contextmanager
def _without_noise() -> Iterator[None]:
    """What the decoders' libraries write to a terminal about a damaged file, up to hundreds of lines, is dropped."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
