"""Lists of SHA-256 digests, as ``sha256sum`` writes and checks them."""

from __future__ import annotations

import hashlib
import re
import threading
from pathlib import Path

from gcvideo.errors import InputError

_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](.+)")


def sha256(path: Path) -> str:
    """The digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_digests(path: Path) -> dict[str, str]:
    """Reads lines ``DIGEST  PATH``.

    Returns:
        digest by path, as written.

    Raises:
        InputError: if the file is missing or a line is not as it should be; the message names the line.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such list of digests")
    found = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        match = _LINE.fullmatch(line)
        if line and not match:
            raise InputError(f"{path}, line {number}: expected 64 hexadecimal digits, two blanks and a path")
        if match:
            found[match[2]] = match[1].lower()
    return found


def digest_of(digests: dict[str, str], name: str) -> str | None:
    """The digest of ``train/part_0.tar.gz``, whatever folders stand before it in the list."""
    return next((value for path, value in digests.items() if path == name or path.endswith(f"/{name}")), None)


class DigestList:
    """``digests.sha256`` of a folder: what was seen of each archive, written anew with each addition.

    Args:
        path: the file; it need not be there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._digests = read_digests(path) if path.is_file() else {}
        self._lock = threading.Lock()

    def get(self, name: str) -> str | None:
        """The digest of an archive, if it was seen."""
        return self._digests.get(f"archives/{name}")

    def record(self, name: str, digest: str) -> None:
        """Notes a digest; the file appears whole or not at all."""
        with self._lock:
            self._digests[f"archives/{name}"] = digest
            lines = [f"{value}  {path}\n" for path, value in sorted(self._digests.items())]
            temporary = self.path.with_name(self.path.name + ".tmp")
            temporary.write_text("".join(lines), encoding="utf-8")
            temporary.replace(self.path)
