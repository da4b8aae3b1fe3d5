"""CSV, TSV or JSON with named columns: path, label, and split, start, end (in seconds), fps."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gcvideo.data.annotations import Annotations, SourceOptions
from gcvideo.data.sources._places import Places
from gcvideo.data.sources._rows import (
    ListedVideo,
    annotations_of,
    list_files,
    roots_of,
    split_named,
    split_of_file,
)
from gcvideo.data.sources._text import first_line, read_text
from gcvideo.errors import InputError

READS = frozenset(("root", "split", "fps"))

# What a column may be called; where a table has two names of one field, the first is read.
_NAMES = {
    "path": "path video file filename file_name video_path file_path filepath clip_path video_name name".split(),
    "label": "label class class_name category action label_name".split(),
    "split": "split subset set".split(),
    "start": "start start_seconds start_time start_sec time_start t_start".split(),
    "end": "end end_seconds end_time end_sec time_end t_end".split(),
    "fps": ["fps", "frame_rate"],
}
_FRAMES = ("start_frame", "end_frame", "frame_start", "frame_end", "frame_id")
_OF_A_MANIFEST = {"readers", "first_frame", "num_frames", "modified_ns"}
_DELIMITERS = ",\t; "

_SEVERAL = re.compile(r"[;|]|^\s*-?\d+(\s*,\s*-?\d+)+\s*$|^\s*\[.*\]\s*$", re.DOTALL)
_Rows = Iterator[tuple[str, dict[str, Any]]]


def claims(sources: tuple[Path, ...]) -> int:
    """A header, or an object, with a path and a label; 3."""
    lists = list_files(sources)
    return 3 if lists and all(_fits(first_line(path), path) for path in lists) else 0


def read(sources: tuple[Path, ...], options: SourceOptions) -> Annotations:
    """Reads tables; see ``_NAMES`` for the columns that are known. In JSON: a list of objects, or an object a line."""
    lists, notes = list_files(sources), []
    places, rows = Places(roots_of(lists, options)), []
    for path in lists:
        table = list(_objects(path) if _is_json(first_line(path)) else _cells(path))
        if not table:
            raise InputError(f"{path}: no video is listed in it, there is only a header")
        columns, ignored = _columns(list(dict.fromkeys(name for _, row in table for name in row)), path)
        notes += [f"{path}: columns that are not read: {', '.join(ignored)}"] if ignored else []
        rows += [_video(where, {f: row.get(n) for f, n in columns.items()}, path, places) for where, row in table]
    return annotations_of(rows, options, source=lists[0], notes=notes)


def _fits(line: str, path: Path) -> bool:
    if _is_json(line):
        head = read_text(path)[:10_000] if line in ("[", "[{", "{") else line
        return any(f'"{name}"' in head for name in _NAMES["path"]) and any(f'"{n}"' in head for n in _NAMES["label"])
    return _delimiter(line) is not None


def _is_json(line: str) -> bool:
    return line.startswith(("[", "{"))


def _delimiter(header: str) -> str | None:
    for delimiter in _DELIMITERS if not header.startswith("#") else "":
        columns = {name.strip().lower() for name in next(csv.reader([header], delimiter=delimiter), [])}
        if columns & set(_NAMES["path"]) and columns & set(_NAMES["label"]):
            return delimiter
    return None


def _columns(names: list[str], path: Path) -> tuple[dict[str, str], list[str]]:
    """The column of each field, and the columns that nothing reads."""
    by_lower = {name.strip().lower(): name for name in names}
    if by_lower.keys() >= _OF_A_MANIFEST:
        raise InputError(f"{path}: this is a manifest already; train on it with: gcvideo fit --data.manifest {path}")
    frames = [name for name in _FRAMES if name in by_lower]
    if frames:
        raise InputError(f"{path}: column {frames[0]} counts frames; give seconds, in the columns start and end")
    present = {field: [by_lower[name] for name in known if name in by_lower] for field, known in _NAMES.items()}
    found = {field: columns[0] for field, columns in present.items() if columns}
    for field in ("path", "label"):
        if field not in found:
            raise InputError(f"{path}: no column {field} (there are {', '.join(names)}); expected path and label")
    return found, [name for name in names if name not in found.values()]


def _cells(path: Path) -> _Rows:
    text = read_text(path)
    delimiter = _delimiter(first_line(path)) or ","
    reader = csv.reader(io.StringIO(text.lstrip("\r\n"), newline=""), delimiter=delimiter, strict=True)
    blank_lines = text[: len(text) - len(text.lstrip("\r\n"))].count("\n")
    try:
        header = [name.strip() for name in next(reader)]
        _check_header(header, path)
        for row in reader:
            where = f"{path}, line {reader.line_num + blank_lines}"
            if row and any(cell.strip() for cell in row):
                _check_length(row, header, where)
                yield where, dict(zip(header, row, strict=False))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num + blank_lines}: {error}; close the quotes") from error


def _check_header(header: list[str], path: Path) -> None:
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}: there are two columns {twice}; rename one")


def _check_length(row: list[str], header: list[str], where: str) -> None:
    if len(row) != len(header):
        raise InputError(
            f"{where}: {len(row)} columns where the header has {len(header)}; put a name that holds the separator "
            'between quotes: "a, b.mp4"'
        )


def _objects(path: Path) -> _Rows:
    text = read_text(path)
    try:
        content = json.loads(text)
        places = [f"{path}, entry {number}" for number in range(1, len(content) + 1)]
        objects = content if isinstance(content, list) else [content]
    except json.JSONDecodeError as error:
        numbered = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
        if text.lstrip().startswith("["):
            raise InputError(f"{path}, line {error.lineno}: not JSON ({error.msg})") from error
        places = [f"{path}, line {number}" for number, _ in numbered]
        objects = [_object(line, where) for where, (_, line) in zip(places, numbered, strict=True)]
    for where, found in zip(places, objects, strict=False):
        if not isinstance(found, dict):
            raise InputError(f'{where}: expected an object such as {{"path": "a.mp4", "label": "run"}}')
        yield where, found


def _object(line: str, where: str) -> Any:
    try:
        return json.loads(line)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: not JSON ({error.msg})") from error


def _video(where: str, values: dict[str, Any], path: Path, places: Places) -> ListedVideo:
    for field in ("path", "label"):
        if values[field] is None or not str(values[field]).strip():
            raise InputError(f"{where}: no {field}")
    split = split_named(str(values["split"]), where) if values.get("split") else split_of_file(path)
    start, end = _seconds(values.get("start"), "start", where) or 0.0, _seconds(values.get("end"), "end", where)
    if end is not None and end <= start:
        raise InputError(f"{where}: end {end:g} is not after start {start:g}; expected seconds")
    fps = _seconds(values.get("fps"), "fps", where) or 0.0
    found = places.find_listed(str(values["path"]).strip(" "), where, split)
    return ListedVideo(where, found, _label(values["label"], where), split, start, end, fps)


def _label(value: Any, where: str) -> str:
    one = value[0] if isinstance(value, list) and len(value) == 1 else value
    text = str(one).strip()
    if isinstance(one, dict | bool) or one != one:  # NaN
        raise InputError(f"{where}: label is {value!r}, expected a class name or a number")
    if isinstance(one, list) or _SEVERAL.search(text):
        raise InputError(f"{where}: label is {value!r}; several labels for a video are not supported, keep one")
    return text


def _seconds(value: Any, field: str, where: str) -> float | None:
    """A number of the table; None where the cell is empty."""
    if value is None or not str(value).strip():
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise InputError(f"{where}: {field} is {value!r}, expected a number, 0 or more")
    return number
