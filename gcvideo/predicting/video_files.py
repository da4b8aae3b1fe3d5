"""Which files are meant by what a user names: videos, folders of videos, lists of videos. Opens no video."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from gcvideo.data.annotations import VIDEO_SUFFIXES, check_is_local
from gcvideo.errors import InputError

_PATH_COLUMNS = ("path", "video", "file", "filename")
_NUMBERED = re.compile(r"(.*\S)\s+\d+")  # a line of a list of videos and labels, as other programs have them


def find_videos(sources: Sequence[str | Path]) -> list[Path]:
    """The videos in the order in which they are named, each once however often and in whatever way it is named.

    A folder stands for all in it, at any depth, that has a video's suffix and is not hidden; links to folders are not
    followed. A ``.txt`` names a video a line; a ``.csv`` in its column ``path`` (or video, file, filename), else in its
    first. Where there is no file ``clip.mp4 3``, but ``clip.mp4``, the number is taken for a label and left out. A path
    in a list begins in the list's folder or, where it is not there, in the working folder.

    Args:
        sources: files, folders and lists.

    Returns:
        The files; also those that are not there, and folders that cannot be listed.

    Raises:
        InputError: if a source is an address, a list cannot be read, or there is not one video in folders and lists.
    """
    found: dict[str, Path] = {}
    for path in (path for source in sources for path in _named(source)):
        found.setdefault(os.path.abspath(path), path)
    if not found:
        endings = ", ".join(sorted(VIDEO_SUFFIXES))
        raise InputError(f"no video in {', '.join(map(str, sources))}; expected files that end in {endings}")
    return list(found.values())


def _named(source: str | Path) -> Iterator[Path]:
    check_is_local(str(source), "video")
    path = Path(source).expanduser()
    if path.is_dir():
        yield from _inside(path)
    elif path.suffix.lower() in (".txt", ".csv") and path.is_file():
        yield from _listed(path)
    else:
        yield path


def _inside(folder: Path) -> Iterator[Path]:
    """The videos of a folder in the order of their names; the folder itself where it cannot be listed."""
    try:
        children = sorted(folder.iterdir())
    except OSError:
        yield folder
        return
    for path in children:
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from () if path.is_symlink() else _inside(path)
        elif path.suffix.lower() in VIDEO_SUFFIXES:
            yield path


def _listed(path: Path) -> Iterator[Path]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a list of videos: no text in UTF-8") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    names = _column(text) if path.suffix.lower() == ".csv" else text.splitlines()
    for name in dict.fromkeys(name.strip() for name in names):
        if name:
            check_is_local(name, str(path))
            yield _found(path.parent, name) or _without_label(path.parent, name)


def _found(folder: Path, name: str) -> Path | None:
    places = (folder / Path(name).expanduser(), Path(name))
    return next((place for place in places if os.path.lexists(place)), None)


def _without_label(folder: Path, name: str) -> Path:
    """The file before a number at the end of a line; the whole line where there is none, to be named later."""
    numbered = _NUMBERED.fullmatch(name)
    return (numbered and _found(folder, numbered[1])) or folder / Path(name).expanduser()


def _column(text: str) -> list[str]:
    """The cells that name videos."""
    rows = [row for row in csv.reader(text.splitlines(keepends=True)) if row]
    head = [cell.strip().lower() for cell in rows[0]] if rows else []
    column = next((head.index(name) for name in _PATH_COLUMNS if name in head), None)
    if column is None:
        return [row[0] for row in rows]
    return [row[column] for row in rows[1:] if len(row) > column]
