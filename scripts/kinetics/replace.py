"""Puts the videos that replace damaged ones of Kinetics-400 into their place."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_ID_LENGTH = 11  # of a YouTube identifier


def replace_videos(root: Path, splits: list[str]) -> int:
    """Replaces each video of ``root/videos/SPLIT`` that has a namesake in ``root/replacement``.

    Namesakes have the same YouTube identifier (the first 11 characters of the name), as the mirror's own script has it.
    The videos in ``replacement`` stay: a part that is fetched again brings the damaged ones back, and the next call
    replaces them again. Where the disk can, a replaced video is a second name of the same file.

    Returns:
        how many videos were replaced by this call.
    """
    new = {path.name[:_ID_LENGTH]: path for path in sorted((root / "replacement").iterdir()) if path.suffix == ".mp4"}
    num_replaced = 0
    for split in splits:
        for old in sorted((root / "videos" / split).iterdir()):
            path = new.get(old.name[:_ID_LENGTH])
            if path is not None and not _is_same(path, old):
                _replace(path, old)
                num_replaced += 1
    return num_replaced


def _is_same(new: Path, old: Path) -> bool:
    one, other = new.stat(), old.stat()
    return os.path.samestat(one, other) or (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def _replace(new: Path, old: Path) -> None:
    temporary = old.with_name(f".{old.name}.tmp")
    temporary.unlink(missing_ok=True)
    try:
        os.link(new, temporary)
    except OSError:  # another disk, or one without hard links
        shutil.copy2(new, temporary)
    temporary.replace(old)
