"""The official CSV of Kinetics-400, 600 and 700: label,youtube_id,time_start,time_end,split."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

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

READS = frozenset(("root", "split"))
_COLUMNS = ("youtube_id", "time_start", "time_end")


def claims(sources: tuple[Path, ...]) -> int:
    """The columns youtube_id, time_start and time_end: 4."""
    lists = list_files(sources)
    return 4 if lists and all(set(_COLUMNS) <= set(_header(first_line(path))) for path in lists) else 0


def read(sources: tuple[Path, ...], options: SourceOptions) -> Annotations:
    """Reads the lists; the videos are the parts that were cut out, so start and end are those of the files.

    A video is ``{id}_{start:06d}_{end:06d}`` or ``{id}`` with any video suffix, in a folder of its class (with blanks
    or underscores) or flat, below the root or the folder of its split.
    """
    lists = list_files(sources)
    places = Places(roots_of(lists, options, "videos"))
    labelled = [path for path in lists if "label" in _header(first_line(path))]
    rows = [row for path in labelled or lists for row in _read_list(path, places, options.split)]
    notes = [f"passed over {path}: it has no labels" for path in lists if path not in labelled]
    return annotations_of(rows, options, source=lists[0], notes=notes)


def _header(line: str) -> list[str]:
    return [name.strip().lower() for name in next(csv.reader([line]), [])]


def _read_list(path: Path, places: Places, split: str | None) -> Iterator[ListedVideo]:
    text = read_text(path)
    header = _header(first_line(path))
    if "label" not in header:
        raise InputError(
            f"{path}: no column label: a list without labels, such as a test's, is not read; name train and val"
        )
    reader = csv.DictReader(io.StringIO(text.lstrip(), newline=""), fieldnames=header)
    next(reader)
    for row in reader:
        where = f"{path}, line {reader.line_num}"
        missing = [name for name in ("label", *_COLUMNS) if not (row[name] or "").strip()]
        if missing:
            raise InputError(f"{where}: no {missing[0]}; delete the line, or take a list with labels")
        own = split or (split_named(row["split"], where) if row.get("split") else split_of_file(path)) or "train"
        yield ListedVideo(where, _place(row, places, own, where), row["label"].strip(), own)


def _place(row: dict[str, str], places: Places, split: str, where: str) -> Path:
    try:
        start, end = (int(float(row[name])) for name in ("time_start", "time_end"))
    except ValueError:
        raise InputError(f"{where}: time_start and time_end are not seconds") from None
    name, label = row["youtube_id"].strip(), row["label"].strip()
    return places.find_named([f"{name}_{start:06d}_{end:06d}", name], [label, label.replace(" ", "_")], split)
