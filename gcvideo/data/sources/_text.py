"""Reads the text of a list, and says clearly when it is none."""

from __future__ import annotations

import codecs
import json
import shlex
from pathlib import Path
from typing import Any

from gcvideo.errors import InputError

_HEAD_BYTES = 65536
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path) -> str:
    """The whole text, with its line ends as they are.

    Raises:
        InputError: if it cannot be read, is no text in UTF-8, or is empty.
    """
    return _decoded(path, _bytes(path, -1))


def first_line(path: Path) -> str:
    """The first line that is not blank; empty where the file is no text at all, such as a video.

    Raises:
        InputError: if it cannot be read, is a text that is not UTF-8, or is empty.
    """
    head = _bytes(path, _HEAD_BYTES)
    if b"\0" in head and not head.startswith(_UTF16) and head[1:20:2].strip(b"\0"):
        return ""
    whole = head if len(head) < _HEAD_BYTES else head[: -_cut_off(head)]
    return _decoded(path, whole).strip().partition("\n")[0].strip()


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        InputError: if it is none; the message names the line.
    """
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from error


def _cut_off(head: bytes) -> int:
    """How many bytes at the end may be part of a letter."""
    return next((number for number in range(1, 5) if head[-number] & 0xC0 != 0x80), 1)


def _bytes(path: Path, limit: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(limit)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _decoded(path: Path, content: bytes) -> str:
    cure = f"iconv -t UTF-8 -f CHARSET {shlex.quote(str(path))} > utf8{path.suffix}"
    if content.startswith(_UTF16) or b"\0" in content[:_HEAD_BYTES]:
        raise InputError(f"{path}: not UTF-8 but UTF-16; save it as UTF-8: {cure.replace('CHARSET', 'UTF-16')}")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise InputError(f"{path}, line {line}: not UTF-8; save it as UTF-8: {cure}") from error
    if not text.strip():
        raise InputError(f"{path}: no video is listed in it; it is empty")
    return text
