"""Reads a folder with one folder per class: which files, which label, which split. Opens no video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gcvideo.errors import InputError, is_control

SPLITS = ("train", "val", "test")
_SPLIT_NAMES = {
    **{name: name for name in SPLITS},
    **{"training": "train", "valid": "val", "validation": "val", "testing": "test"},
}
VIDEO_SUFFIXES = frozenset(
    ".3gp .asf .avi .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .vob .webm .wmv".split()
)


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


def read_class_folders(root: Path, class_order: tuple[str, ...] | None = None) -> Annotations:
    """Reads ``root/CLASS/*`` or ``root/{train,val,test}/CLASS/*``; videos may lie deeper inside a class folder.

    The split folders may also be named training, valid, validation or testing, in any case. Hidden files and folders
    are no part of the data.

    Args:
        root: the folder.
        class_order: class names in label order; without it the names are sorted.

    Raises:
        InputError: if there is no such folder, no class, no video, a class that is not in ``class_order``, a name that
            cannot be written down, or a folder that cannot be read.
    """
    _check_folder(root)
    splits = _split_folders(root)
    bases = splits or {"train": root}
    found = {split: _subfolders(base) for split, base in bases.items()}
    names = sorted({folder.name for folders in found.values() for folder in folders})
    if not names:
        raise InputError(f"{root}: no class folder in it; expected {root}/CLASS/*.mp4 or {root}/train/CLASS/*.mp4")
    classes = class_order or tuple(names)
    _check_classes(root, names, classes)
    entries, passed = _entries(found, classes)
    if not entries:
        raise InputError(f"{root}: {_no_video(passed)}")
    _check_no_class_is_empty(found, entries, classes)
    return Annotations(classes, tuple(entries), tuple(_notes(root, splits, passed)))


def _check_folder(root: Path) -> None:
    if not root.exists():
        near = next((parent for parent in root.absolute().parents if parent.exists()), root)
        raise InputError(f"{root}: no such folder (there is {near}); name the folder of your videos (fit: --data.root)")
    if not root.is_dir():
        raise InputError(f"{root}: not a folder; name the folder that holds the class folders (fit: --data.root)")


def _split_folders(root: Path) -> dict[str, Path]:
    """The folders of the splits: they hold folders; one that holds videos alone is a class."""
    found: dict[str, Path] = {}
    for folder in _subfolders(root):
        split = _SPLIT_NAMES.get(folder.name.lower())
        if split is None or (not _subfolders(folder) and any(map(_is_video, _children(folder)))):
            continue
        if split in found:
            raise InputError(f"{root}: {found[split].name} and {folder.name} are both the {split} split; keep one")
        found[split] = folder
    return {split: found[split] for split in SPLITS if split in found}


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(folder.iterdir())
    except OSError as error:
        raise InputError(f"{folder}: cannot be read ({error.strerror}); change its permissions") from error


def _subfolders(base: Path) -> list[Path]:
    return [path for path in _children(base) if path.is_dir() and not path.name.startswith(".")]


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.name.startswith(".") and path.is_file()


def _check_classes(root: Path, names: list[str], classes: tuple[str, ...]) -> None:
    for name in names:
        _check_name(root, name)
    unknown = [name for name in names if name not in classes]
    if unknown:
        raise InputError(
            f"{root}: class folder {unknown[0]!r} is not in the class list ({len(classes)} names, "
            f"first {classes[0]!r}); add it there, rename the folder, or leave the class list out (fit: --data.classes)"
        )


def _check_name(root: Path, name: str) -> None:
    """A class name stands on a line of its own in a text file."""
    if name != name.strip() or name.startswith("#") or any(map(is_control, name)):
        raise InputError(
            f"{root}: class folder {name!r} cannot be a class name (no blank at its ends, no # in front, "
            "valid UTF-8 without line breaks); rename the folder"
        )


def _entries(found: dict[str, list[Path]], classes: tuple[str, ...]) -> tuple[list[Entry], Counter[str]]:
    entries: list[Entry] = []
    passed: Counter[str] = Counter()
    for split, folders in found.items():
        for folder in folders:
            videos = [path for path in _files(folder, passed) if _wanted(path, passed)]
            entries += [Entry(path, classes.index(folder.name), split) for path in sorted(videos)]
    return entries, passed


def _files(folder: Path, passed: Counter[str]) -> Iterator[Path]:
    """All that is not hidden in a class folder and below it."""
    for path in _children(folder):
        if path.name.startswith("."):
            continue
        if path.is_dir() and path.is_symlink():
            passed["links to folders inside a class folder"] += 1
        elif path.is_dir():
            yield from _files(path, passed)
        else:
            yield path


def _wanted(path: Path, passed: Counter[str]) -> bool:
    if not path.is_file():
        passed["links to nothing, pipes and devices"] += 1
    elif path.suffix.lower() not in VIDEO_SUFFIXES:
        passed[f"{path.suffix.lower() or path.name} files"] += 1
    elif not _is_utf8(path.name):
        raise InputError(f"{str(path)!r}: this file name is not UTF-8; rename it")
    else:
        return True
    return False


def _is_utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:  # Python has put surrogates for bytes that are no text
        return False
    return True


def _no_video(passed: Counter[str]) -> str:
    if not passed:
        return "the class folders are empty; put the videos of each class into its folder"
    kind, count = passed.most_common(1)[0]
    suffix = kind.removesuffix(" files") if kind.startswith(".") else ".png"
    return (
        f"no video in the class folders, but {count} {kind}; expected video files "
        f"({', '.join(sorted(VIDEO_SUFFIXES))}); join pictures with: ffmpeg -framerate 25 -i %05d{suffix} out.mp4"
    )


def _check_no_class_is_empty(found: dict[str, list[Path]], entries: list[Entry], classes: tuple[str, ...]) -> None:
    filled = {(entry.split, entry.label) for entry in entries}
    for split, folders in found.items():
        for folder in folders:
            if (split, classes.index(folder.name)) not in filled:
                raise InputError(f"{folder}: this class folder has no video; fill it or delete it")


def _notes(root: Path, splits: dict[str, Path], passed: Counter[str]) -> list[str]:
    notes = [f"{root}: passed over {count} {kind}" for kind, count in sorted(passed.items())]
    for base in (root, *splits.values()):
        loose = sum(_is_video(path) for path in _children(base))
        notes += [f"{base}: passed over {loose} videos outside the class folders"] if loose else []
    if splits:
        names = {folder.name for folder in splits.values()}
        ignored = [folder.name for folder in _subfolders(root) if folder.name not in names]
        beside = f"{root}: passed over the folders beside {', '.join(sorted(names))}: {', '.join(ignored)}"
        notes += [beside] if ignored else []
    return notes
