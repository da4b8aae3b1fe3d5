"""Which archives are unpacked, and which files came of each: what a second run need not do again."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path


class Journal:
    """``journal.jsonl``: a line per unpacked archive, written after its files are in their place.

    A last line that was cut off (the process was killed) does not count.

    Args:
        path: the file; it need not be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._files: dict[str, tuple[str, ...]] = {}
        self._kept: set[str] = set()
        for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            self._note(entry["archive"], tuple(entry["files"]), entry["kept"])

    def files(self, archive: str) -> tuple[str, ...]:
        """The files of an archive, relative to the folder; empty if it was not unpacked."""
        return self._files.get(archive, ())

    def is_kept(self, archive: str) -> bool:
        """Whether an unpacked archive was meant to stay."""
        return archive in self._kept

    def add(self, archive: str, files: tuple[str, ...], *, kept: bool) -> None:
        """Notes an archive as unpacked."""
        with self._lock:
            self._note(archive, files, kept)
            torn = self.path.is_file() and not self.path.read_bytes().endswith(b"\n")
            with self.path.open("a", encoding="utf-8") as file:
                file.write("\n" * torn + json.dumps({"archive": archive, "kept": kept, "files": files}) + "\n")
                file.flush()
                os.fsync(file.fileno())

    def _note(self, archive: str, files: tuple[str, ...], kept: bool) -> None:
        self._files[archive] = files
        (self._kept.add if kept else self._kept.discard)(archive)
