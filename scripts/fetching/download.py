"""A large file that arrives in pieces: a download goes on where it stopped, if the server still has the same file."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.request import Request

from scripts.fetching.web import Dropped, Remote, Stopped, Web, first_byte, length, lost, validator

_CHUNK_BYTES = 1 << 16  # what a killed process loses at most


def download(web: Web, remote: Remote, path: Path, on_bytes: Callable[[int], None]) -> None:
    """Downloads to ``path``, going on with ``path.part`` if that is a piece of the same file.

    What the server cannot continue begins anew: a file that has changed, a server without ranges or validators.

    Args:
        web: the requests.
        remote: what the server said of the file.
        path: the file; it appears when all that was promised has come. The caller compares size and digest.
        on_bytes: told of each change of the number of bytes held; negative when the file begins anew.

    Raises:
        InputError: if the server refuses, or fails too often in a row without a byte more.
        Stopped: if ``web.stop`` was set; what was received stays.
    """
    part = part_of(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not _is_piece_of(part, remote):
        discard(part)
    held = most = _size(part)
    on_bytes(held)
    failures = 0
    while remote.num_bytes is None or held != remote.num_bytes:
        try:
            _receive(web, remote.url, part, on_bytes)
            break
        except Dropped as error:
            held = _size(part)
            failures = 1 if held > most else failures + 1
            most = max(most, held)
            web.wait(remote.url, failures, error)
    part.replace(path)
    discard(part)


def part_of(path: Path) -> Path:
    """Where the bytes of a file stand until it is whole."""
    return path.with_name(path.name + ".part")


def discard(part: Path) -> None:
    """Deletes what was received of a file, and what is known of it."""
    part.unlink(missing_ok=True)
    _note(part).unlink(missing_ok=True)


def _receive(web: Web, url: str, part: Path, on_bytes: Callable[[int], None]) -> None:
    """One request: to the end, or until the connection drops."""
    held, known = _size(part), _known(part)
    headers = {"Range": f"bytes={held}-", "If-Range": known} if held and known else {}
    with web.open(Request(url, headers=headers | {"Accept-Encoding": "identity"})) as answer:
        start = first_byte(answer)
        if start != held:
            on_bytes(-held)
            _begin(part, "")
        if start not in (0, held):
            raise Dropped(f"the server sent the bytes from {start} on instead of {held}")
        if not start:
            _begin(part, validator(answer))
        with part.open("ab", buffering=0) as file:
            for chunk in _chunks(answer, web.stop):
                file.write(chunk)
                on_bytes(len(chunk))
        promised, received = length(answer), _size(part)
        if promised is not None and received < start + promised:
            raise Dropped(f"connection closed after {received} of {start + promised} bytes")


def _chunks(answer: http.client.HTTPResponse, stop: threading.Event) -> Iterator[bytes]:
    while not stop.is_set():
        try:
            chunk = answer.read(_CHUNK_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise lost(error) from error
        if not chunk:
            return
        yield chunk
    raise Stopped


def _begin(part: Path, known: str) -> None:
    """The empty part first, then what it belongs to: killed between the two, it begins anew."""
    _note(part).unlink(missing_ok=True)
    part.open("wb").close()
    _note(part).write_text(known, encoding="utf-8")


def _is_piece_of(part: Path, remote: Remote) -> bool:
    same = bool(remote.validator) and _known(part) == remote.validator
    return same and remote.num_bytes is not None and _size(part) <= remote.num_bytes


def _known(part: Path) -> str:
    return _note(part).read_text(encoding="utf-8") if _note(part).is_file() else ""


def _note(part: Path) -> Path:
    return part.with_name(part.name + ".validator")


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
