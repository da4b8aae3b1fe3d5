"""Finds the files that a list names. Each folder is listed once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from gcvideo.data.annotations import SPLIT_NAMES, VIDEO_SUFFIXES, check_is_local


class Places:
    """Where listed videos may lie.

    Args:
        roots: folders that listed paths begin in; the first is named where a video is not found.
    """

    def __init__(self, roots: Iterable[Path]) -> None:
        self._roots = [str(root) for root in roots]
        self._listed: dict[str, dict[str, str]] = {}
        self._open = cache(self._list_all)
        self._expected = cache(self._first_there)

    def find_listed(self, name: str, where: str, split: str | None) -> Path:
        """The file that a list names by its path, relative or not; the expected place where there is none.

        A name without a video's suffix may be that of a folder of pictures, or of a video.

        Raises:
            InputError: if the path is on the network.
        """
        check_is_local(name, where)
        if os.path.isabs(name) and os.path.exists(name):
            return Path(name)
        found = self._find(name.lstrip("/"), split, ("",))
        if found is None and "\\" in name:  # written on Windows
            found = self._find(name.replace("\\", "/"), split, ("",))
        return Path(found or os.path.join(self._roots[0], name))

    def find_named(self, names: Sequence[str], folders: Sequence[str], split: str) -> Path:
        """The video, or folder of pictures, with one of these names (without suffix) in one of these class folders.

        Where there is none: the expected place.
        """
        found = next(filter(None, (self._find(name, split, (*folders, "")) for name in names)), None)
        return Path(found or os.path.join(self._expected(split, tuple(folders)), f"{names[0]}.mp4"))

    def _find(self, name: str, split: str | None, folders: tuple[str, ...]) -> str | None:
        above, last = os.path.split(name)
        for place, listed in self._open(above, split, folders):
            if last in listed:
                return os.path.join(place, listed[last])
        return None

    def _list_all(self, above: str, split: str | None, folders: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
        """The places in order, each with what its names mean; those that are not there are left out."""
        bases = [os.path.join(root, base) for root in self._roots for base in _folders(split)]
        places = dict.fromkeys(os.path.join(base, folder, above) for base in bases for folder in folders)
        for place in places.keys() - self._listed.keys():
            self._listed[place] = _listing(place)
        return [(place, self._listed[place]) for place in places if self._listed[place]]

    def _first_there(self, split: str, folders: tuple[str, ...]) -> str:
        """The folder in which a missing video would lie."""
        return _first_folder(_first_folder(self._roots[0], _folders(split)[1:]), folders)


def _first_folder(base: str, names: Sequence[str]) -> str:
    """The first of these folders that is there, else the base."""
    paths = [os.path.join(base, name) for name in names]
    return next((path for path in paths if os.path.isdir(path)), base)


def _listing(folder: str) -> dict[str, str]:
    """What each name in a folder means: itself or, where it is a video's without suffix, the video."""
    try:
        names = sorted(os.listdir(folder))
    except (OSError, ValueError):
        return {}
    stems = {stem: stem + suffix for stem, suffix in map(os.path.splitext, names) if suffix.lower() in VIDEO_SUFFIXES}
    return stems | {name: name for name in names}


def _folders(split: str | None) -> list[str]:
    """Where the videos of a split lie below a root: in it, in ``val/``, ``validation/`` or ``videos_val/``."""
    if split is None:
        return ["", *SPLIT_NAMES]
    return ["", *(name for name, meaning in SPLIT_NAMES.items() if meaning == split), f"videos_{split}"]
