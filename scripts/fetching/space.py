"""How much room a job needs on the disk, said before it begins."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Sequence
from pathlib import Path

from gcvideo.errors import InputError

EXIT_CODE_NO_ROOM = 75  # EX_TEMPFAIL: the same command works later
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


def needed_bytes(sizes: Sequence[int], *, jobs: int, keep: bool) -> int:
    """The room for archives that are still to come, at the worst moment.

    Videos do not shrink when packed, so what is unpacked is as large as its archive. An archive and its files are there
    together until it is deleted, for as many archives as are worked on at a time: sizes 10, 20, 30 with two jobs need
    60 + 30 + 20 = 110.

    Args:
        sizes: bytes of each archive.
        jobs: archives at a time.
        keep: whether the archives stay.
    """
    at_a_time = sizes if keep else sorted(sizes, reverse=True)[:jobs]
    return sum(sizes) + sum(at_a_time)


def free_bytes(folder: Path) -> int:
    """What is free where the folder is, or will be."""
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def check_room(folder: Path, needed: int, *, force: bool) -> None:
    """Refuses a job that will not fit.

    Raises:
        InputError: with both numbers and exit code 75, unless ``force``.
    """
    free = free_bytes(folder)
    if needed > free and not force:
        raise InputError(
            f"{folder}: {readable(needed)} are needed and {readable(free)} are free; make room, name another folder "
            "with --out, take fewer archives with --only, or go on all the same with --force",
            exit_code=EXIT_CODE_NO_ROOM,
        )


def is_no_room(error: BaseException) -> bool:
    """Whether an error says that the disk, or the user's share of it, is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def readable(num_bytes: float) -> str:
    """1234567890 as 1.2 GB (powers of ten)."""
    power = next((power for power in range(len(_UNITS)) if num_bytes < 1000 ** (power + 1)), len(_UNITS) - 1)
    value = num_bytes / 1000**power
    return f"{value:.1f} {_UNITS[power]}" if power and value < 100 else f"{value:.0f} {_UNITS[power]}"
