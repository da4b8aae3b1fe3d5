"""A folder per class, or train/, val/, test/ of such folders."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from gcvideo.data.annotations import SPLIT_NAMES, SPLITS, VIDEO_SUFFIXES, Annotations, Entry, SourceOptions
from gcvideo.data.decoding.readers.pictures import SUFFIXES as PICTURE_SUFFIXES
from gcvideo.data.labels import can_be_a_name, refuse_names_alike
from gcvideo.errors import InputError

READS = frozenset(("split", "fps"))


def claims(sources: tuple[Path, ...]) -> int:
    """Any folder may be one."""
    return int(len(sources) == 1 and sources[0].is_dir())


def read(sources: tuple[Path, ...], options: SourceOptions) -> Annotations:
    """Reads ``root/CLASS/*`` or ``root/{train,val,test}/CLASS/*``; videos may lie deeper inside a class folder.

    The split folders may also be named training, valid, validation or testing, in any case. Hidden files and folders
    are no part of the data. With a rate, a folder of pictures inside a class folder is a video.

    Args:
        sources: the folder.
        options: the rate; the split of all, where no folder says it; and class names in label order, without which the
            names are sorted.

    Raises:
        InputError: if there is no such folder, no class, no video, a class that is not in the class list, two that
            differ only in case, a name that cannot be written down, or a folder that cannot be read.
    """
    root = sources[0]
    _check_folder(root)
    splits = _split_folders(root)
    if splits and options.split:
        names_of_splits = ", ".join(folder.name for folder in splits.values())
        raise InputError(f"{root}: its folders {names_of_splits} say the split; leave --split out", exit_code=2)
    bases = splits or {options.split or "train": root}
    found = {split: _subfolders(base) for split, base in bases.items()}
    names = sorted({folder.name for folders in found.values() for folder in folders})
    if not names:
        raise InputError(f"{root}: no class folder in it; expected {root}/CLASS/*.mp4 or {root}/train/CLASS/*.mp4")
    _check_classes(root, names, options.classes)
    classes = options.classes or tuple(names)
    walk = _Walk(options.fps)
    entries = _entries(found, classes, walk)
    if not entries:
        raise InputError(f"{root}: {_no_video(walk.passed)}")
    _check_no_class_is_empty(found, entries, classes)
    return Annotations(classes, tuple(entries), tuple(_notes(root, splits, walk.passed)))


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
        split = SPLIT_NAMES.get(folder.name.lower())
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


def _check_classes(root: Path, names: list[str], classes: tuple[str, ...] | None) -> None:
    for name in names:
        if not can_be_a_name(name):
            raise InputError(
                f"{root}: class folder {name!r} cannot be a class name (no blank at its ends, no # in front, "
                "valid UTF-8 without line breaks); rename the folder"
            )
    if classes is None:
        refuse_names_alike(names)
        return
    unknown = [name for name in names if name not in classes]
    if unknown:
        raise InputError(
            f"{root}: class folder {unknown[0]!r} is not in the class list ({len(classes)} names, "
            f"first {classes[0]!r}); add it there, rename the folder, or leave the class list out (fit: --data.classes)"
        )


class _Walk:
    """Goes through class folders and counts what it passes over."""

    def __init__(self, fps: float | None) -> None:
        self.fps = fps
        self.passed: Counter[str] = Counter()

    def videos(self, folder: Path) -> Iterator[Path]:
        """The video files, and the folders of pictures where there is a rate, in a class folder and below it."""
        for path in _children(folder):
            if path.name.startswith("."):
                continue
            if path.is_dir() and path.is_symlink():
                self.passed["links to folders inside a class folder"] += 1
            elif path.is_dir() and self.fps and any(map(_is_picture, _children(path))):
                yield path
            elif path.is_dir():
                yield from self.videos(path)
            elif self._is_wanted(path):
                yield path

    def _is_wanted(self, path: Path) -> bool:
        if not path.is_file():
            self.passed["links to nothing, pipes and devices"] += 1
        elif path.suffix.lower() not in VIDEO_SUFFIXES:
            self.passed[f"{path.suffix.lower() or path.name} files"] += 1
        elif not _is_utf8(path.name):
            raise InputError(f"{str(path)!r}: this file name is not UTF-8; rename it")
        else:
            return True
        return False


def _entries(found: dict[str, list[Path]], classes: tuple[str, ...], walk: _Walk) -> list[Entry]:
    return [
        Entry(path, classes.index(folder.name), split, fps=(walk.fps or 0.0) if path.is_dir() else 0.0)
        for split, folders in found.items()
        for folder in folders
        for path in sorted(walk.videos(folder))
    ]


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith(".")


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
        f"({', '.join(sorted(VIDEO_SUFFIXES))}); join pictures with: ffmpeg -framerate 25 -i %05d{suffix} out.mp4, "
        "or give the rate of folders of pictures, CLASS/VIDEO/*, with: gcvideo index --fps 25"
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
