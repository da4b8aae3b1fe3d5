"""Reads a folder with one folder per class: which files, which label, which split. Opens no video."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from gcvideo.errors import InputError

SPLITS = ("train", "val", "test")
VIDEO_SUFFIXES = frozenset(
    ".3gp .asf .avi .flv .gif .m2ts .m4v .mkv .mov .mp4 .mpeg .mpg .mts .ogv .ts .vob .webm .wmv".split()
)


@dataclass(frozen=True)
class Annotations:
    """What a source of labels says, before any file is opened.

    Attributes:
        classes: class names; the position is the label.
        entries: path, label and split of every video, sorted.
        notes: what was passed over, a line each.
    """

    classes: tuple[str, ...]
    entries: tuple[tuple[Path, int, str], ...]
    notes: tuple[str, ...] = ()


def read_class_folders(root: Path, class_order: tuple[str, ...] | None = None) -> Annotations:
    """Reads ``root/CLASS/*`` or ``root/{train,val,test}/CLASS/*``; videos may lie deeper inside a class folder.

    Args:
        root: the folder.
        class_order: class names in label order; without it the names are sorted.

    Raises:
        InputError: if there is no such folder, no class, no video, or a class that is not in ``class_order``.
    """
    _check_folder(root)
    splits = [name for name in SPLITS if (root / name).is_dir()]
    bases = {name: root / name for name in splits} or {"train": root}
    found = {split: _class_folders(base) for split, base in bases.items()}
    names = sorted({folder.name for folders in found.values() for folder in folders})
    if not names:
        raise InputError(f"{root}: no class folder in it; expected {root}/CLASS/*.mp4 or {root}/train/CLASS/*.mp4")
    classes = class_order or tuple(names)
    _check_classes(root, names, classes)
    entries, other_files = _entries(found, classes)
    if not entries:
        raise InputError(f"{root}: {_no_video(other_files)}")
    _check_no_class_is_empty(root, found, entries, classes)
    return Annotations(classes, tuple(entries), tuple(_notes(root, splits, other_files)))


def _check_folder(root: Path) -> None:
    if not root.exists():
        near = next((parent for parent in root.absolute().parents if parent.exists()), root)
        raise InputError(f"{root}: no such folder (there is {near}); name the folder of your videos with --data.root")
    if not root.is_dir():
        raise InputError(f"{root}: not a folder; --data.root takes the folder that holds the class folders")


def _class_folders(base: Path) -> list[Path]:
    return sorted(path for path in base.iterdir() if path.is_dir() and not path.name.startswith("."))


def _check_classes(root: Path, names: list[str], classes: tuple[str, ...]) -> None:
    unknown = [name for name in names if name not in classes]
    if unknown:
        raise InputError(
            f"{root}: class folder {unknown[0]!r} is not in the class list ({len(classes)} names, "
            f"first {classes[0]!r}); add it there, rename the folder, or leave --data.classes out"
        )


def _entries(
    found: dict[str, list[Path]], classes: tuple[str, ...]
) -> tuple[list[tuple[Path, int, str]], Counter[str]]:
    entries: list[tuple[Path, int, str]] = []
    other_files: Counter[str] = Counter()
    for split, folders in found.items():
        for folder in folders:
            for path in sorted(folder.rglob("*")):
                if not path.is_file() or path.name.startswith("."):
                    continue
                if path.suffix.lower() in VIDEO_SUFFIXES:
                    entries.append((path, classes.index(folder.name), split))
                else:
                    other_files[path.suffix.lower() or path.name] += 1
    return entries, other_files


def _no_video(other_files: Counter[str]) -> str:
    if not other_files:
        return "the class folders are empty; put the videos of each class into its folder"
    suffix, count = other_files.most_common(1)[0]
    return (
        f"no video in the class folders, but {count} {suffix} files; expected video files "
        f"({', '.join(sorted(VIDEO_SUFFIXES))}); join pictures with: ffmpeg -framerate 25 -i %05d{suffix} out.mp4"
    )


def _check_no_class_is_empty(
    root: Path, found: dict[str, list[Path]], entries: list[tuple[Path, int, str]], classes: tuple[str, ...]
) -> None:
    filled = {(split, label) for _, label, split in entries}
    for split, folders in found.items():
        for folder in folders:
            if (split, classes.index(folder.name)) not in filled:
                raise InputError(f"{folder}: this class folder has no video; fill it or delete it")


def _notes(root: Path, splits: list[str], other_files: Counter[str]) -> list[str]:
    notes = [f"{root}: passed over {count} {suffix} files" for suffix, count in sorted(other_files.items())]
    if splits:
        ignored = [folder.name for folder in _class_folders(root) if folder.name not in splits]
        notes += (
            [f"{root}: passed over the folders beside {', '.join(splits)}: {', '.join(ignored)}"] if ignored else []
        )
    return notes
