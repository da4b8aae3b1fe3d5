"""JSON {"database": {ID: {"subset": ..., "annotations": ...}}} of ActivityNet and 3D-ResNets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gcvideo.data.annotations import SPLIT_NAMES, Annotations, SourceOptions
from gcvideo.data.labels import can_be_a_name
from gcvideo.data.sources._places import Places
from gcvideo.data.sources._rows import ListedVideo, annotations_of, roots_of
from gcvideo.data.sources._text import first_line, read_json, read_text
from gcvideo.errors import InputError

READS = frozenset(("root", "split", "fps"))


def claims(sources: tuple[Path, ...]) -> int:
    """A JSON object with a database: 4."""
    files = all(path.is_file() for path in sources)
    return 4 if files and all(first_line(p).startswith("{") and '"database"' in read_text(p) for p in sources) else 0


def read(sources: tuple[Path, ...], options: SourceOptions) -> Annotations:
    """Reads the databases. Segments are seconds in a list of annotations, as ActivityNet has it.

    Where a video has one annotation (3D-ResNets), its segment counts the pictures of the whole video, and "labels" are
    the classes in their order. A video is called ID or v_ID, in a folder of its class or flat.

    Raises:
        InputError: if an entry is not as the formats have it.
    """
    places, rows = Places(roots_of(sources, options, "videos")), []
    unlabelled, classes = 0, None
    for path in sources:
        content = read_json(path)
        database, classes = content.get("database"), _classes(content) or classes
        if not isinstance(database, dict):
            raise InputError(f"{path}: its database is not an object with a video for each key")
        for name, entry in database.items():
            found = list(_videos(f"{path}, video {name!r}", name, entry, places))
            unlabelled += not found
            rows += found
    notes = [f"passed over {unlabelled} videos without annotations"] if unlabelled else []
    return annotations_of(rows, options, source=sources[0], classes=classes, notes=notes)


def _classes(content: dict[str, Any]) -> tuple[str, ...] | None:
    names = content.get("labels")
    is_list = isinstance(names, list) and all(isinstance(name, str) and can_be_a_name(name) for name in names)
    return tuple(names) if is_list and names else None


def _videos(where: str, name: str, entry: Any, places: Places) -> Iterator[ListedVideo]:
    subset = str(entry.get("subset", "")).lower() if isinstance(entry, dict) else ""
    if subset not in SPLIT_NAMES:
        raise InputError(f"{where}: subset is {subset!r}, expected one of {', '.join(SPLIT_NAMES)}")
    annotations, split = entry.get("annotations") or [], SPLIT_NAMES[subset]
    for annotation in annotations if isinstance(annotations, list) else [annotations]:
        if not isinstance(annotation, dict) or not isinstance(annotation.get("label"), str | int):
            raise InputError(f"{where}: an annotation without one label")
        label = str(annotation["label"])
        start, end = _segment(annotation.get("segment"), isinstance(annotations, list), where)
        path = places.find_named([name, f"v_{name}"], [label], split)
        yield ListedVideo(where, path, label, split, start, end)


def _segment(segment: Any, in_seconds: bool, where: str) -> tuple[float, float | None]:
    if segment is None:
        return 0.0, None
    try:
        start, end = map(float, segment)
    except (TypeError, ValueError):
        raise InputError(f"{where}: segment is {segment!r}, expected [start, end]") from None
    if not in_seconds:
        if start > 1:
            raise InputError(f"{where}: begins at picture {start:g}; a part is given in seconds, in a list")
        return 0.0, None
    if not 0 <= start < end:
        raise InputError(f"{where}: segment is {segment!r}, expected seconds, the end after the start")
    return start, end
