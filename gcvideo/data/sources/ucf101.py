"""The split files of UCF101: trainlist01.txt, testlist01.txt, classInd.txt; one fold of three."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from gcvideo.data.annotations import Annotations, SourceOptions
from gcvideo.data.sources._places import Places
from gcvideo.data.sources._rows import ListedVideo, annotations_of, choose_fold, roots_of
from gcvideo.data.sources._text import read_text
from gcvideo.errors import InputError

READS = frozenset(("root", "fold"))
_LIST = re.compile(r"(?:train|test)list(\d+)\.txt")
_TRAIN_LINE = re.compile(r"(?P<path>(?P<class>[^/]+)/.+\.\w+)\s+(?P<number>\d+)")
_TEST_LINE = re.compile(r"(?P<path>(?P<class>[^/]+)/.+\.\w+)(?:\s+(?P<number>\d+))?")  # some copies have it here, too
_CLASS_LINE = re.compile(r"(?P<number>\d+)\s+(?P<class>\S.*)")


def claims(sources: tuple[Path, ...]) -> int:
    """Lists that are called so, or a folder of them: 4."""
    named = all(_LIST.fullmatch(path.name) for path in sources) or (len(sources) == 1 and sources[0].is_dir())
    return 4 if named and _folds(sources) else 0


def read(sources: tuple[Path, ...], options: SourceOptions) -> Annotations:
    """Reads both lists of a fold: the one that is asked for, or that a list given belongs to, or the first.

    Raises:
        InputError: if there is no such fold, or a line is not as the data set has it.
    """
    folder = _folder(sources)
    fold, note = choose_fold(sources[0], _folds(sources), options)
    train, test = folder / f"trainlist{fold:02d}.txt", folder / f"testlist{fold:02d}.txt"
    for path in (train, test):
        if not path.is_file():
            raise InputError(f"{path}: no such file; a fold needs both lists")
    classes = _classes(folder / "classInd.txt", train)
    places = Places(roots_of([train], options, "UCF-101", "videos"))
    rows = [*_videos(train, _TRAIN_LINE, "train", classes, places), *_videos(test, _TEST_LINE, "test", classes, places)]
    return annotations_of(rows, options, source=train, classes=tuple(classes), notes=note)


def _folder(sources: tuple[Path, ...]) -> Path:
    return sources[0] if sources[0].is_dir() else sources[0].parent


def _folds(sources: tuple[Path, ...]) -> list[int]:
    """The folds that the sources mean: those of the lists that are given, or of all in the folder."""
    return sorted(set(_numbers(sources) or _numbers(_folder(sources).iterdir())))


def _numbers(paths: Iterable[Path]) -> list[int]:
    return [int(match[1]) for path in paths if (match := _LIST.fullmatch(path.name))]


def _classes(class_list: Path, train: Path) -> list[str]:
    """The names in the order of their numbers, from 1: from classInd.txt, or else from the training list."""
    path, pattern = (class_list, _CLASS_LINE) if class_list.is_file() else (train, _TRAIN_LINE)
    numbers = {match["class"]: int(match["number"]) for _, match in _lines(path, pattern)}
    if sorted(numbers.values()) != list(range(1, len(numbers) + 1)):
        raise InputError(f"{path}: the classes are not numbered from 1 to {len(numbers)}; take the published file")
    return sorted(numbers, key=numbers.__getitem__)


def _videos(
    path: Path, pattern: re.Pattern[str], split: str, classes: list[str], places: Places
) -> Iterator[ListedVideo]:
    for where, line in _lines(path, pattern):
        number = line["number"] and int(line["number"])
        if number and not (0 < number <= len(classes) and classes[number - 1] == line["class"]):
            raise InputError(f"{where}: {line['path']} has the number {number}, which is not that of {line['class']!r}")
        found = places.find_named([line["path"].rpartition(".")[0].rpartition("/")[2]], [line["class"]], split)
        yield ListedVideo(where, found, line["class"], split)


def _lines(path: Path, pattern: re.Pattern[str]) -> Iterator[tuple[str, re.Match[str]]]:
    for number, line in enumerate(read_text(path).splitlines(), 1):
        match = pattern.fullmatch(line.strip())
        if match is None and line.strip():
            raise InputError(f"{path}, line {number}: {line.strip()[:80]!r} is not as UCF101 has it")
        if match is not None:
            yield f"{path}, line {number}", match
