"""File names that every file system takes, from any text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_LONGEST_BYTES = 150  # file systems take 255; a number and suffixes are added
_REFUSED = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*]')  # by one file system or another


def distinct_names(texts: Sequence[str]) -> list[str]:
    """A file name without suffix for each text, in the same order; no two are equal where case does not count.

    ``["Run", "run", "a/b", ".x"]`` gives ``["Run", "run_2", "a_b", "x"]``.
    """
    taken: set[str] = set()
    result = []
    for name in map(_safe, texts):
        candidate, number = name, 1
        while _folded(candidate) in taken:
            number += 1
            candidate = f"{name}_{number}"
        taken.add(_folded(candidate))
        result.append(candidate)
    return result


def _safe(text: str) -> str:
    name = _REFUSED.sub("_", text.encode(errors="replace").decode())
    return name.encode()[:_LONGEST_BYTES].decode(errors="ignore").strip(" .") or "_"


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
