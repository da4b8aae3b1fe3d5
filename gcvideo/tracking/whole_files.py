"""Files of a run folder that are whole at every moment: a new one is written beside the old one, and takes its name."""

from __future__ import annotations

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_REFUSED = (errno.EINVAL, errno.ENOTSUP)  # by file systems that put names on the disk by themselves


def write_whole(path: Path, content: str | bytes) -> None:
    """Writes a text, or bytes; where the disk is full, the file of before stays.

    Raises:
        OSError: if it cannot be written.
    """
    temporary = beside(path)
    try:
        with naming(path), temporary.open("xb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """An error of the disk within says which file was meant; by itself it does only where the file is opened."""
    try:
        yield
    except OSError as error:
        error.filename = str(path)
        raise


def beside(path: Path) -> Path:
    """A name in the same folder, hidden, that no other process chooses; ``remove_leftovers`` knows it."""
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")


def remove_leftovers(folder: Path) -> None:
    """Removes what a process that was killed while it wrote has left in a run folder."""
    for path in folder.glob(f".*.{'[0-9a-f]' * 8}.tmp"):
        path.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Waits until the names in a folder are on the disk."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    except OSError as error:
        if error.errno not in _REFUSED:
            raise
    finally:
        os.close(number)


def is_full(error: OSError) -> bool:
    """Whether an error says that a disk, or one's share of it, is full."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def free_space(folder: Path) -> str:
    """What is free on the disk of a folder, as a user reads it."""
    try:
        return f"{megabytes(shutil.disk_usage(folder).free)} free"
    except OSError:
        return "what is free is unknown"


def megabytes(num_bytes: int) -> str:
    """``4.6 MB`` (10^6 bytes)."""
    return f"{num_bytes / 1e6:.1f} MB"
