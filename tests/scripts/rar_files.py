"""Writes real rar files, for no free program does."""

from __future__ import annotations

import struct
import zlib

import pytest

from scripts.fetching.unpack import rar_programs

needs_rar = pytest.mark.skipif(not rar_programs(), reason="no program that unpacks rar is on the PATH")


def rar(files: dict[str, bytes]) -> bytes:
    """A rar of the fourth format, nothing compressed, as the format's published notes have it."""
    blocks = [b"Rar!\x1a\x07\x00", _header(0x73, 0, bytes(6))]
    for name, content in files.items():
        inner = name.replace("/", "\\").encode()
        size, crc = len(content), zlib.crc32(content)
        numbers = struct.pack("<IIBIIBBHI", size, size, 2, crc, 0x5A210000, 29, 0x30, len(inner), 0x20)
        blocks += [_header(0x74, 0x8000, numbers + inner), content]
    return b"".join([*blocks, _header(0x7B, 0x4000, b"")])


def _header(kind: int, flags: int, rest: bytes) -> bytes:
    body = struct.pack("<BHH", kind, flags, 7 + len(rest)) + rest
    return struct.pack("<H", zlib.crc32(body) & 0xFFFF) + body
