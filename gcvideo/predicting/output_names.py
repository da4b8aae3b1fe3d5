"""Where the files go that are made of videos: a folder, a name for each video, none of them a video that is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from gcvideo.data.preparing.file_names import distinct_names
from gcvideo.errors import InputError


def check_folder(folder: Path, option: str) -> None:
    """Before any work; the folder need not be there yet.

    Raises:
        InputError: if it is none, or cannot be written to.
    """
    existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(path))
    if not existing.is_dir() or not os.access(existing, os.W_OK):
        raise InputError(f"{option} {folder}: {existing} is not a folder that can be written to; name another one")


def output_paths(paths: Sequence[Path], folder: Path, ending: str, option: str) -> dict[str, Path]:
    """For each video, as it is named, a file in the folder that is called as it is; equal names get a number.

    Raises:
        InputError: if one of them would take the place of a video that is read.
    """
    names = distinct_names([path.stem for path in paths])
    found = {str(path): folder / f"{name}{ending}" for path, name in zip(paths, names, strict=True)}
    sources = {os.path.realpath(path) for path in paths}
    for target in found.values():
        if os.path.realpath(target) in sources:
            raise InputError(f"{option} {folder}: {target} is one of the videos; name another folder", exit_code=2)
    return found
