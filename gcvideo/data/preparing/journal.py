"""Remembers which files are written from what, so that a job that was interrupted goes on where it was."""

from __future__ import annotations

import json
from pathlib import Path
from types import TracebackType
from typing import Self

from gcvideo.errors import InputError

try:
    import fcntl
except ImportError:  # Windows: nothing keeps two jobs apart there
    fcntl = None  # type: ignore[assignment]


class Journal:
    """A text file with a line for each file that is done; while it is open, no other job may open it.

    A line that is torn by a crash, and a file that was changed or deleted, count as not done.

    Args:
        path: the journal; made if it is not there. The files it speaks of are named relative to its folder.

    Raises:
        InputError: if another job has it open.
    """

    def __init__(self, path: Path) -> None:
        self.folder = path.parent
        self._file = path.open("a+", encoding="utf-8")
        if not _lock(self._file.fileno()):
            self._file.close()
            raise InputError(f"{self.folder}: another gcvideo is writing there; wait for it, or name another folder")
        self._done = self._read()

    def is_done(self, file: Path, origin: str) -> bool:
        """Whether ``file`` was written from ``origin`` and lies there unchanged."""
        return self._done.get(self._name(file)) == (origin, *_state(file))

    def add(self, file: Path, origin: str) -> None:
        """Notes that ``file`` is written from ``origin``, a text that stands for all that the content depends on."""
        state = _state(file)
        self._done[self._name(file)] = (origin, *state)
        line = {"file": self._name(file), "origin": origin, "num_bytes": state[0], "modified_ns": state[1]}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def _name(self, file: Path) -> str:
        return str(file.relative_to(self.folder))

    def _read(self) -> dict[str, tuple[object, ...]]:
        self._file.seek(0)
        done: dict[str, tuple[object, ...]] = {}
        text = self._file.read()
        for line in text.splitlines():
            try:
                row = json.loads(line)
                done[row["file"]] = (row["origin"], row["num_bytes"], row["modified_ns"])
            except (ValueError, KeyError, TypeError):
                continue
        if text and not text.endswith("\n"):
            self._file.write("\n")  # so that the next line does not continue a torn one
        return done


def _state(file: Path) -> tuple[int, int]:
    try:
        status = file.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _lock(descriptor: int) -> bool:
    """False where another process has the lock; a file system without locks lets everyone in."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True
