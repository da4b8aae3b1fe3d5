"""The verified list of videos: a CSV with one row a video, its class names, and the files that cannot be used.

``NAME.csv`` has the columns of ``VideoRecord`` with the class name for the label; ``NAME.classes.txt`` fixes the order
of the classes; ``NAME.bad.csv`` names the files without a decodable frame, with the reason. Paths are relative to the
manifest where the videos lie below its folder, so that both can be moved together, and absolute elsewhere.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from gcvideo.data.annotations import SPLITS
from gcvideo.data.decoding.decode import READERS, WAYS
from gcvideo.errors import InputError
from gcvideo.records import VideoRecord

_COLUMNS = [field.name for field in fields(VideoRecord)]
_BAD_COLUMNS = ["path", "reason"]
_INTEGERS = ("first_frame", "num_frames", "width", "height", "num_bytes", "modified_ns")
_NUMBERS: dict[str, type] = dict.fromkeys(_INTEGERS, int) | dict.fromkeys(
    ("start", "end", "fps", "pixel_aspect", "duration"), float
)


@dataclass(frozen=True)
class Manifest:
    """Verified videos.

    Attributes:
        classes: class names; the position is the label.
        records: the videos, in the order of the file.
        bad: path and reason of each file that cannot be used.
    """

    classes: tuple[str, ...]
    records: tuple[VideoRecord, ...]
    bad: tuple[tuple[str, str], ...] = ()

    def split(self, name: str) -> list[VideoRecord]:
        """The records of one split, in order."""
        return [record for record in self.records if record.split == name]


def read_manifest(path: Path) -> Manifest:
    """Reads a manifest that ``write_manifest`` wrote.

    Raises:
        InputError: if the file is missing, or a row is not as it should be; the message names file and line.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such manifest; make it with: gcvideo index FOLDER --out {path}")
    classes = read_classes(_beside(path, ".classes.txt"))
    records = [_record(row, path, line, classes) for line, row in _rows(path, _COLUMNS)]
    bad_path = _beside(path, ".bad.csv")
    bad_rows = _rows(bad_path, _BAD_COLUMNS) if bad_path.is_file() else ()
    return Manifest(classes, tuple(records), tuple((row["path"], row["reason"]) for _, row in bad_rows))


def check_overwrites_a_manifest(path: Path) -> None:
    """Refuses to write a manifest where something else lies.

    Raises:
        InputError: if the path is a folder, or a file that is no manifest, or what stands beside it would be lost.
    """
    if path.is_dir():
        raise InputError(f"{path} is a folder; name the file of the list, such as {path / 'manifest.csv'}", exit_code=2)
    if path.exists() and next(iter(_lines(path)), "").strip().split(",")[: len(_COLUMNS)] != _COLUMNS:
        raise InputError(f"{path} is there already and is not a manifest; name another file with --out", exit_code=2)
    for beside in (_beside(path, ".classes.txt"), _beside(path, ".bad.csv")):
        if beside.exists() and not path.exists():
            raise InputError(f"{beside} would be written over; name another file with --out", exit_code=2)


def check_place(path: Path) -> None:
    """Makes the folder of a manifest.

    Raises:
        InputError: if it cannot be made or written into.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise InputError(
            f"manifest {path} cannot be written: {error.strerror}; name another place "
            "(gcvideo index --out FILE, or the variable GCVIDEO_CACHE for folders that fit indexes)"
        ) from error


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Writes the three files; each appears whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _write_lines(_beside(path, ".classes.txt"), manifest.classes)
    write_bad(manifest.bad, path)
    rows = (
        asdict(record) | {"path": _stored_path(record.path, path), "label": manifest.classes[record.label]}
        for record in manifest.records
    )
    _write_csv(path, _COLUMNS, rows)


def write_bad(bad: Iterable[tuple[str, str]], path: Path) -> Path:
    """Writes path and reason of the files that cannot be used beside the manifest ``path``; gives where."""
    beside = _beside(path, ".bad.csv")
    _write_csv(beside, _BAD_COLUMNS, ({"path": video, "reason": reason} for video, reason in bad))
    return beside


def read_classes(path: Path) -> tuple[str, ...]:
    """Class names, one a line; line n (from 0) is label n. Empty lines and lines that start with ``#`` do not count.

    Raises:
        InputError: if the file is missing, is empty or names a class twice.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such class list; expected a text file with one class name a line")
    lines = [line.strip() for line in _lines(path)]
    names = tuple(line for line in lines if line and not line.startswith("#"))
    if not names:
        raise InputError(f"{path}: no class name in it; expected one a line")
    doubled = next((name for name in names if names.count(name) > 1), None)
    if doubled is not None:
        raise InputError(f"{path}: class {doubled!r} is listed twice; delete one of the lines")
    return names


def _record(row: dict[str, str], path: Path, line: int, classes: tuple[str, ...]) -> VideoRecord:
    missing = [name for name in _COLUMNS if row.get(name) in (None, "") and name != "damage"]
    if missing:
        raise InputError(f"{path}, line {line}: no value for {missing[0]}; make the manifest again with: gcvideo index")
    if row["label"] not in classes:
        raise InputError(f"{path}, line {line}: label {row['label']!r} is not in {_beside(path, '.classes.txt').name}")
    readers = [f"{name}:{way}" for name in READERS for way in WAYS]
    for name, value, choices in [("split", row["split"], SPLITS), ("is_vfr", row["is_vfr"], ("False", "True"))] + [
        ("readers", value, readers) for value in row["readers"].split()
    ]:
        if value not in choices:
            raise InputError(f"{path}, line {line}: {name} is {value!r}, expected one of {', '.join(choices)}")
    values: dict[str, Any] = {name: _number(row, name, path, line) for name in _NUMBERS}
    values |= {name: row[name] or "" for name in ("split", "codec", "readers", "damage")}
    values["is_vfr"] = row["is_vfr"] == "True"
    try:
        return VideoRecord(path=str(path.parent / row["path"]), label=classes.index(row["label"]), **values)
    except ValueError as error:
        raise InputError(f"{path}, line {line}: {error}") from error


def _number(row: dict[str, str], name: str, path: Path, line: int) -> int | float:
    try:
        value: int | float = _NUMBERS[name](row[name])
    except ValueError:
        raise InputError(f"{path}, line {line}: {name} is {row[name]!r}, expected a number") from None
    return value


def _rows(path: Path, columns: list[str]) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.DictReader(_lines(path))
    missing = [name for name in columns if name not in (reader.fieldnames or ())]
    if missing:
        raise InputError(f"{path}: no column {missing[0]}; make the manifest again with: gcvideo index")
    for row in reader:
        yield reader.line_num, row


def _lines(path: Path) -> Iterator[str]:
    """The lines with their ends, as ``csv`` wants them."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            yield from file
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a text file in UTF-8; make it again with: gcvideo index") from error


def _stored_path(video: str, manifest: Path) -> str:
    absolute, folder = Path(os.path.abspath(video)), Path(os.path.abspath(manifest.parent))
    return str(absolute.relative_to(folder)) if absolute.is_relative_to(folder) else str(absolute)


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.stem + ending)


def _write_lines(path: Path, lines: Iterable[str]) -> None:
    _replace(path, "".join(f"{line}\n" for line in lines))


def _write_csv(path: Path, columns: list[str], rows: Iterable[dict[str, Any]]) -> None:
    temporary = path.with_name(path.name + f".{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows(rows)
    temporary.replace(path)


def _replace(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + f".{os.getpid()}.tmp")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)
