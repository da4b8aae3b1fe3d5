"""Labelled videos: which files, which label, which split, read from any source. Opens no video.

A kind of source is a file in ``data/sources/``: see ``SourceFormat`` for what it has.
"""

from __future__ import annotations

import importlib
import math
import os
import pkgutil
import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import NamedTuple, Protocol, cast

import gcvideo.data.sources
from gcvideo.errors import InputError

SPLITS = ("train", "val", "test")
SPLIT_NAMES = {
    **{name: name for name in SPLITS},
    **{"training": "train", "valid": "val", "validation": "val", "validate": "val", "testing": "test"},
}
VIDEO_SUFFIXES = frozenset(
    ".3gp .asf .avi .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .vob .webm .wmv".split()
)
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


class Entry(NamedTuple):
    """One labelled video, or one labelled part of a video.

    Attributes:
        path: a video file, or a folder of numbered pictures.
        label: class number.
        split: ``train``, ``val`` or ``test``.
        start: seconds from the first shown frame to the beginning of the part.
        end: seconds to its end; None is the end of the file.
        fps: frames per second of a folder of pictures; a video file says its own.
    """

    path: Path
    label: int
    split: str
    start: float = 0.0
    end: float | None = None
    fps: float = 0.0


@dataclass(frozen=True)
class Annotations:
    """What a source of labels says, before any file is opened.

    Attributes:
        classes: class names; the position is the label.
        entries: the labelled videos, in the order of the source.
        notes: what was passed over, a line each.
    """

    classes: tuple[str, ...]
    entries: tuple[Entry, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SourceOptions:
    """What a source does not say by itself; None leaves it to the source.

    Attributes:
        root: the folder that listed paths begin in.
        split: the split of everything listed, whatever the list says.
        fold: which of the published splits, from 1.
        fps: frames per second of folders of pictures, above 0.
        classes: class names in label order.

    Raises:
        InputError: if a value is out of its range, or there is no such folder.
    """

    root: Path | None = None
    split: str | None = None
    fold: int | None = None
    fps: float | None = None
    classes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.root is not None and not self.root.is_dir():
            raise InputError(f"--root {self.root}: no such folder; name the one that the listed paths begin in")
        if self.split not in (None, *SPLITS):
            raise InputError(f"--split is {self.split!r}, expected {', '.join(SPLITS)}", exit_code=2)
        if self.fold is not None and self.fold < 1:
            raise InputError(f"--fold is {self.fold}, expected 1 or more", exit_code=2)
        if self.fps is not None and not 0 < self.fps < math.inf:
            raise InputError(f"--fps is {self.fps}, expected frames per second above 0", exit_code=2)


class SourceFormat(Protocol):
    """What each file in ``data/sources/`` has; the first line of its docstring is its help, its name its format."""

    READS: frozenset[str]
    """The options it reads, besides the classes."""

    @staticmethod
    def claims(sources: tuple[Path, ...]) -> int:
        """How surely the sources are of this format: 0 they are not, 4 by the names of the files; the surest reads."""

    @staticmethod
    def read(sources: tuple[Path, ...], options: SourceOptions) -> Annotations:
        """The videos and labels of the sources."""


def read_annotations(
    sources: Sequence[Path], options: SourceOptions | None = None, format_name: str = "auto"
) -> Annotations:
    """Reads labels from one source, or from several lists of one format.

    Args:
        sources: a folder or a list; or several lists, such as one for each split.
        options: what the sources do not say.
        format_name: one of ``format_names()``; ``auto`` finds it out.

    Raises:
        InputError: if there is no such source, no format fits, or the source holds a mistake; it names the line.
    """
    options, paths = options or SourceOptions(), tuple(sources)
    for path in paths:
        _check_source(path)
    if format_name not in ("auto", *format_names()):
        raise InputError(f"--format is {format_name!r}, expected auto, {', '.join(format_names())}", exit_code=2)
    name = _find_format(paths) if format_name == "auto" else format_name
    source_format = _load(name)
    if format_name != "auto" and not source_format.claims(paths):
        raise InputError(f"{paths[0]}: not of the format {name} ({describe_formats()[name]})")
    for field in fields(options):
        if getattr(options, field.name) is not None and field.name not in source_format.READS | {"classes"}:
            raise InputError(_unread(field.name, name, paths[0]), exit_code=2)
    return source_format.read(paths, options)


def format_names() -> list[str]:
    """Every format that is read, sorted."""
    names = (module.name for module in pkgutil.iter_modules(gcvideo.data.sources.__path__))
    return sorted(name for name in names if not name.startswith("_"))


def describe_formats() -> dict[str, str]:
    """The name of each format and what it is, in a line."""
    return {name: (_load(name).__doc__ or "").partition("\n")[0] for name in format_names()}


def check_is_local(path: str, where: str) -> None:
    """Refuses a place on the network.

    Raises:
        InputError: naming where it stands.
    """
    if _URL.match(path):
        raise InputError(f"{where}: {path} is on the network; fetch it first and name the file on this machine")


def _load(name: str) -> SourceFormat:
    return cast(SourceFormat, importlib.import_module(f"gcvideo.data.sources.{name}"))


def _check_source(path: Path) -> None:
    if not path.exists():
        near = next((parent for parent in path.absolute().parents if parent.exists()), path)
        kind = "file" if path.suffix else "folder"
        raise InputError(
            f"{path}: no such {kind} (there is {near}); name the folder or the list of your videos (fit: --data.root)"
        )
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: cannot be read; change its permissions")


def _find_format(sources: tuple[Path, ...]) -> str:
    sure = {name: _load(name).claims(sources) for name in format_names()}
    best = [name for name, value in sure.items() if value == max(sure.values())]
    if not sure[best[0]]:
        raise InputError(f"{sources[0]}: {_found(sources)}; expected one of these formats: {', '.join(sure)}")
    if len(best) > 1:
        raise InputError(f"{sources[0]} may be {' or '.join(best)}; say which with --format {best[0]}", exit_code=2)
    return best[0]


def _found(sources: tuple[Path, ...]) -> str:
    if len(sources) > 1:
        return f"the {len(sources)} sources are not lists of one format"
    if sources[0].suffix.lower() in VIDEO_SUFFIXES:
        return "this is a video; name the folder or the list that says its class"
    head = sources[0].read_bytes()[:200] if sources[0].is_file() else b""
    first = head.decode(errors="replace").strip().partition("\n")[0][:80].strip()
    return f"its first line is {first!r}"


def _unread(option: str, name: str, source: Path) -> str:
    readers = [other for other in format_names() if option in _load(other).READS]
    return f"{source} is of the format {name}, which does not read --{option} ({', '.join(readers)} do); leave it out"
