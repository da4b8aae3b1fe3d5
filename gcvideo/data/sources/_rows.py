"""From listed videos to annotations: what every list has in common."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gcvideo.data.annotations import SPLIT_NAMES, SPLITS, Annotations, Entry, SourceOptions
from gcvideo.data.labels import number_labels
from gcvideo.data.sources._twins import overlaps, without_twins
from gcvideo.errors import InputError

LIST_SUFFIXES = (".csv", ".tsv", ".txt", ".list", ".json", ".jsonl")
_SPLIT_IN_NAME = re.compile(rf"(?<![a-z])({'|'.join(sorted(SPLIT_NAMES, key=len, reverse=True))})(?:list)?(?![a-z])")


@dataclass(frozen=True)
class ListedVideo:
    """One row of a list.

    Attributes:
        where: file and line, for messages.
        path: the video or folder of pictures; it may be missing.
        label: name or number, as it is written.
        split: train, val or test; None where nothing says it.
        start: seconds.
        end: seconds; None is the end of the file.
        fps: frames per second of a folder of pictures; 0 where it is not said.
    """

    where: str
    path: Path
    label: str
    split: str | None = None
    start: float = 0.0
    end: float | None = None
    fps: float = 0.0


def list_files(sources: tuple[Path, ...]) -> tuple[Path, ...]:
    """The lists that are meant: the files themselves, or ``train.csv``, ``val.csv`` ... of a folder.

    Raises:
        InputError: if the folder has two lists of one split.
    """
    if not (len(sources) == 1 and sources[0].is_dir()):
        return sources if all(path.is_file() for path in sources) else ()
    found: dict[str, Path] = {}
    for path in sorted(sources[0].iterdir()):
        split = SPLIT_NAMES.get(path.stem.lower())
        if split is None or path.suffix.lower() not in LIST_SUFFIXES or not path.is_file():
            continue
        if split in found:
            raise InputError(f"{sources[0]}: {found[split].name} and {path.name} are both lists of {split}; name one")
        found[split] = path
    return tuple(found[split] for split in SPLITS if split in found)


def roots_of(lists: Sequence[Path], options: SourceOptions, *usual: str) -> list[Path]:
    """Where listed paths begin: ``--root``; else the folder of the list, the one above, and usual names in both."""
    if options.root is not None:
        return [options.root, *(options.root / name for name in usual)]
    own = list(dict.fromkeys([path.parent for path in lists] + [path.absolute().parent.parent for path in lists]))
    return own + [base / name for base in own for name in usual]


def files_named(pattern: re.Pattern[str], sources: tuple[Path, ...]) -> list[Path]:
    """The files of a folder whose names match; of sources named one by one all or none."""
    one_folder = len(sources) == 1 and sources[0].is_dir()
    paths = sorted(sources[0].iterdir()) if one_folder else list(sources)
    lists = [path for path in paths if path.is_file() and pattern.fullmatch(path.name)]
    return lists if one_folder or len(lists) == len(paths) else []


def split_of_file(path: Path) -> str | None:
    """The split that the name of a list says, such as ``kinetics400_train_list_videos.txt``."""
    said = {SPLIT_NAMES[name] for name in _SPLIT_IN_NAME.findall(path.stem.lower())}
    return said.pop() if len(said) == 1 else None


def split_named(name: str, where: str) -> str:
    """Our name of a split.

    Raises:
        InputError: if it is none.
    """
    if name.strip().lower() not in SPLIT_NAMES:
        raise InputError(f"{where}: split is {name!r}, expected one of {', '.join(SPLIT_NAMES)}; or use --split")
    return SPLIT_NAMES[name.strip().lower()]


def choose_fold(source: Path, folds: list[int], options: SourceOptions) -> tuple[int, list[str]]:
    """The fold that is asked for, or the first; and a note of what was chosen.

    Raises:
        InputError: if there is no such fold.
    """
    fold = options.fold or folds[0]
    if fold not in folds:
        raise InputError(f"{source}: no fold {fold}; --fold may be {', '.join(map(str, folds))}", exit_code=2)
    others = ", ".join(str(number) for number in folds if number != fold)
    return fold, [f"took fold {fold}" + (f"; --fold takes another ({others})" if others else "")]


def annotations_of(
    rows: Sequence[ListedVideo],
    options: SourceOptions,
    *,
    source: Path,
    classes: tuple[str, ...] | None = None,
    notes: Iterable[str] = (),
) -> Annotations:
    """Numbers the labels and checks the rows against each other and against the disk.

    Args:
        rows: what is listed.
        source: the list, or the first of them, for messages.
        options: its class list goes before ``classes``, its split before those of the rows.
        classes: the class names that the source itself says.
        notes: of the format.

    Raises:
        InputError: if nothing is listed, all of it is missing, a label is wrong, a video is listed with two labels, or
            for training and also for evaluation.
    """
    if not rows:
        raise InputError(f"{source}: no video is listed in it")
    names, labels, remarks = number_labels([(row.where, row.label) for row in rows], options.classes or classes)
    all_notes = [*notes, *remarks]
    if options.split is None and all(row.split is None for row in rows):
        all_notes.append("no split is said, so all videos are for training; say another one with --split")
    kept, twice = without_twins([replace(row, split=options.split or row.split or "train") for row in rows], labels)
    all_notes += [f"{len(twice)} videos are listed twice and kept once, the first: {twice[0]}"] if twice else []
    all_notes += overlaps(kept)
    entries = [_entry(row, label, options.fps) for row, label in kept]
    return Annotations(names, tuple(entries), (*all_notes, *_missing(kept), *_unused_rate(entries, options.fps)))


def _entry(row: ListedVideo, label: int, fps: float | None) -> Entry:
    rate = (row.fps or fps or 0.0) if os.path.isdir(row.path) else 0.0
    return Entry(row.path, label, row.split or "train", row.start, row.end, rate)


def _missing(kept: list[tuple[ListedVideo, int]]) -> list[str]:
    gone = [row for row, _ in kept if not os.path.exists(row.path)]  # no error for a name too long
    if not gone:
        return []
    first = f"{gone[0].path} ({gone[0].where})"
    if len(gone) == len(kept):
        raise InputError(
            f"none of the {len(kept)} listed videos is there; the first: {first}; "
            "name the folder that the listed paths begin in with --root"
        )
    return [f"{len(gone)} of {len(kept)} listed videos are missing, the first: {first}"]


def _unused_rate(entries: list[Entry], fps: float | None) -> list[str]:
    return ["--fps is for folders of pictures, and there is none"] if fps and not any(e.fps for e in entries) else []
