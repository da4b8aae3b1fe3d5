"""Lists of "path label" a line, any separator, no header, as mmaction2 and PySlowFast read them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from gcvideo.data.annotations import VIDEO_SUFFIXES, Annotations, SourceOptions
from gcvideo.data.sources._places import Places
from gcvideo.data.sources._rows import ListedVideo, annotations_of, list_files, roots_of, split_of_file
from gcvideo.data.sources._text import first_line, read_text
from gcvideo.errors import InputError

READS = frozenset(("root", "split", "fps"))

_SUFFIX = "|".join(re.escape(suffix) for suffix in sorted(VIDEO_SUFFIXES, key=len, reverse=True))
# The path ends with the last video suffix that a separator follows, so that names and labels may hold blanks.
_VIDEO = rf".*(?:{_SUFFIX})(?=[ \t,;])"
_VIDEO_LINE = re.compile(rf"(?P<path>{_VIDEO})[ \t]*[ \t,;][ \t]*(?P<label>\S.*)", re.IGNORECASE)
_QUOTED = re.compile(
    rf'[ \t]*"(?P<path>(?:[^"]|"")+)"[ \t]*[ \t,;][ \t]*(?!{_VIDEO})(?P<label>\S[^\r\n]*)(?:\r?\n|$)', re.IGNORECASE
)
_ANY_LINE = [
    re.compile(rf"(?P<path>.*\S)[ \t]*{separator}[ \t]*(?P<label>[^\s{separator}][^{separator}]*)")
    for separator in ("\t", ",", " ")
]
_HEADER = re.compile(r"\w+[ \t,;]+(label|class|class_name|category|action)", re.IGNORECASE)
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\n|\r|$)")
_COMMENT = re.compile(rf"#(?:\s|(?!{_VIDEO}))", re.IGNORECASE)
_NUMBERS = re.compile(r"-?\d+([ \t,;]+-?\d+)+")
_FRAMES_THEN_LABEL = re.compile(r"(?P<path>.*\S)[ \t,]+\d+")


def claims(sources: tuple[Path, ...]) -> int:
    """Any text whose first line has a path and a label: 1, or 2 for train.csv, val.csv of a folder."""
    lists = list_files(sources)
    if not lists or not all(first_line(path) for path in lists):
        return 0
    lines = [next(_lines(read_text(path)), (0, ""))[1] for path in lists]
    if _has_folders(sources[0]):  # a text called train.txt may lie beside class folders
        return 2 if all(_QUOTED.fullmatch(line) or _VIDEO_LINE.fullmatch(line.strip()) for line in lines) else 0
    return 1 + sources[0].is_dir() if all(map(_split, lines)) else 0


def read(sources: tuple[Path, ...], options: SourceOptions) -> Annotations:
    """Reads lists; a label is a number or a class name.

    A line is split behind the suffix of the video, else at the last tab, comma or blank; a path may stand between
    quotes. Folders of pictures may have their number of pictures before the label, as mmaction2 writes them.
    """
    lists = list_files(sources)
    places = Places(roots_of(lists, options))
    rows = [row for path in lists for row in _read_list(path, places)]
    _check_no_header(rows)
    beside = list(filter(_has_folders, sources))
    notes = [
        f"{folder}: took the labels from {', '.join(path.name for path in lists)}; --format class_folders takes them "
        "from the names of the folders"
        for folder in beside
    ]
    return annotations_of(rows, options, source=lists[0], notes=notes)


def _check_no_header(rows: list[ListedVideo]) -> None:
    """Names of columns that nobody knows would become a class of their own."""
    labels = [row.label for row in rows]
    first = next(iter(rows), None)
    if first is None or first.path.suffix or first.label.isdecimal() or os.path.exists(first.path):
        return
    if len(rows) > 1 and labels.count(first.label) == 1:
        raise InputError(
            f"{first.where}: {first.path.name!r} is not there and nothing else has the label {first.label!r}; if this "
            "is a header, name its columns path and label, else delete the line"
        )


def _has_folders(source: Path) -> bool:
    return source.is_dir() and any(child.is_dir() for child in source.iterdir())


def _read_list(path: Path, places: Places) -> Iterator[ListedVideo]:
    split = split_of_file(path)
    for number, line in _lines(read_text(path)):
        where = f"{path}, line {number}"
        parts = _split(line)
        if parts is None:
            raise InputError(f"{where}: {line.strip()[:80]!r} is not a path and a label with a separator between them")
        name, label = parts
        _check_one_label(line, label, where)
        found = places.find_listed(name, where, split)
        frames = _FRAMES_THEN_LABEL.fullmatch(name)
        if frames and not os.path.exists(found):
            shorter = places.find_listed(frames["path"], where, split)
            found = shorter if shorter.is_dir() else found
        yield ListedVideo(where, found, label, split)


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """The number and text of each line that is not blank, and no comment; a quoted path may hold line breaks."""
    place, number = 0, 1
    while place < len(text):
        match = _QUOTED.match(text, place) or _LINE.match(text, place)
        assert match is not None
        if match[0].strip() and not _COMMENT.match(match[0]):
            yield number, match[0]
        place, number = match.end(), number + max(match[0].count("\n"), match[0].count("\r"))


def _split(line: str) -> tuple[str, str] | None:
    """Path and label of a line.

    ``my cat.mp4 3`` gives ``("my cat.mp4", "3")``, ``a,b.mp4,playing guitar`` gives ``("a,b.mp4", "playing guitar")``.
    """
    quoted = _QUOTED.fullmatch(line)
    if quoted:
        return quoted["path"].replace('""', '"'), quoted["label"].strip().strip('"')
    if _HEADER.fullmatch(line.strip()):
        return None
    for pattern in (_VIDEO_LINE, *_ANY_LINE):
        match = pattern.fullmatch(line.strip())
        if match:
            return match["path"].strip(), match["label"].strip().strip('"')
    return None


def _check_one_label(line: str, label: str, where: str) -> None:
    if _NUMBERS.fullmatch(label) or ";" in label or "|" in label:
        raise InputError(f"{where}: label is {label!r}; several labels for a video are not supported, keep one")
    if "," in label or "\t" in label:
        raise InputError(
            f"{where}: {line.strip()[:80]!r} has more than a path and a label; name the columns in a first line, such "
            "as path,label,split"
        )
