"""Diving48: Diving48_V2_train.json, Diving48_V2_test.json, Diving48_vocab.json; also edition 1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gcvideo.data.annotations import Annotations, SourceOptions
from gcvideo.data.sources._places import Places
from gcvideo.data.sources._rows import ListedVideo, annotations_of, files_named, roots_of
from gcvideo.data.sources._text import read_json
from gcvideo.errors import InputError

READS = frozenset(("root", "fps"))
_LIST = re.compile(r"Diving48(?P<edition>_V\d)?_(?P<split>train|test)\.json")


def claims(sources: tuple[Path, ...]) -> int:
    """Lists that are called so, or a folder of them: 4."""
    return 4 if files_named(_LIST, sources) else 0


def read(sources: tuple[Path, ...], options: SourceOptions) -> Annotations:
    """Reads the lists; the classes are the four words of each dive, where the vocabulary is beside.

    Raises:
        InputError: if an entry is not as the data set has it, or there are the lists of two editions.
    """
    lists = files_named(_LIST, sources)
    if len({match["edition"] for match in map(_LIST.fullmatch, (path.name for path in lists)) if match}) > 1:
        raise InputError(f"{sources[0]}: lists of two editions ({', '.join(p.name for p in lists)}); name those of one")
    vocabulary = lists[0].with_name("Diving48_vocab.json")
    classes = _classes(vocabulary) if vocabulary.is_file() else None
    places = Places(roots_of(lists, options, "rgb", "videos"))
    rows = [row for path in lists for row in _videos(path, places, options.fps)]
    return annotations_of(rows, options, source=lists[0], classes=classes)


def _classes(path: Path) -> tuple[str, ...]:
    words = read_json(path)
    if not isinstance(words, list) or not words or not all(isinstance(dive, list) for dive in words):
        raise InputError(f'{path}: expected the words of each dive, [["Back", "15som", "05Twis", "FREE"], ...]')
    return tuple(" ".join(map(str, dive)) for dive in words)


def _videos(path: Path, places: Places, fps: float | None) -> Iterator[ListedVideo]:
    match = _LIST.fullmatch(path.name)
    split = match["split"] if match else "train"
    content = read_json(path)
    for number, entry in enumerate(content if isinstance(content, list) else [content], 1):
        where = f"{path}, entry {number}"
        if not isinstance(entry, dict) or not {"vid_name", "label"} <= entry.keys():
            raise InputError(f"{where}: no vid_name and label")
        start, end = _part(entry, fps, where)
        found = places.find_named([str(entry["vid_name"])], [], split)
        yield ListedVideo(where, found, str(entry["label"]), split, start, end)


def _part(entry: dict[str, Any], fps: float | None, where: str) -> tuple[float, float | None]:
    """The published files are cut out already: frame 0 to the last is the whole file."""
    if not entry.get("start_frame"):
        return 0.0, None
    if fps is None:
        raise InputError(f"{where}: begins at frame {entry['start_frame']}; give the frames per second with --fps")
    return entry["start_frame"] / fps, entry["end_frame"] / fps
