"""Finds a class list by name (those in gcvideo/labels) or by path."""

from __future__ import annotations

from pathlib import Path

from gcvideo.data.manifest import read_classes
from gcvideo.errors import InputError

_SHIPPED = Path(__file__).parents[1] / "labels"


def find_classes(name_or_file: str) -> tuple[str, ...]:
    """The class names of a shipped list such as ``ucf101``, or of a text file with a name a line.

    Raises:
        InputError: if it is neither; the message lists the shipped names.
    """
    path = Path(name_or_file).expanduser()
    if path.is_file():
        return read_classes(path)
    shipped = _SHIPPED / f"{name_or_file}.txt"
    if shipped.is_file():
        return read_classes(shipped)
    names = ", ".join(sorted(path.stem for path in _SHIPPED.glob("*.txt")))
    raise InputError(f"class list {name_or_file!r}: no such file, and not a shipped list ({names})")
