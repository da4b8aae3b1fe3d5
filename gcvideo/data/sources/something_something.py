"""Something-Something v2: [something-something-v2-]train.json, validation.json, labels.json."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from gcvideo.data.annotations import Annotations, SourceOptions
from gcvideo.data.sources._places import Places
from gcvideo.data.sources._rows import ListedVideo, annotations_of, files_named, roots_of
from gcvideo.data.sources._text import read_json
from gcvideo.errors import InputError

READS = frozenset(("root", "fps"))
_LIST = re.compile(r"(?P<prefix>(?:something-something-v2-)?)(?P<split>train|validation)\.json")
_SPLITS = {"train": "train", "validation": "val"}


def claims(sources: tuple[Path, ...]) -> int:
    """Lists that are called so, with labels.json beside them, or a folder of them: 4."""
    lists = files_named(_LIST, sources)
    return 4 if lists and all(_labels_beside(path).is_file() for path in lists) else 0


def read(sources: tuple[Path, ...], options: SourceOptions) -> Annotations:
    """Reads the lists; a class is a template without its brackets, its number is that of labels.json.

    Raises:
        InputError: if an entry is not as the data set has it.
    """
    lists = files_named(_LIST, sources)
    classes = _classes(_labels_beside(lists[0]))
    roots = roots_of(lists, options, "20bn-something-something-v2", "videos")
    places = Places(roots)
    rows = [row for path in lists for row in _videos(path, places)]
    return annotations_of(rows, options, source=lists[0], classes=classes)


def _labels_beside(path: Path) -> Path:
    match = _LIST.fullmatch(path.name)
    return path.with_name(f"{match['prefix'] if match else ''}labels.json")


def _classes(path: Path) -> tuple[str, ...]:
    numbers = read_json(path)
    if not isinstance(numbers, dict) or sorted(map(str, numbers.values())) != sorted(map(str, range(len(numbers)))):
        raise InputError(f'{path}: expected {{"Closing something": "0", ...}} with the numbers from 0 on')
    return tuple(sorted(numbers, key=lambda name: int(numbers[name])))


def _videos(path: Path, places: Places) -> Iterator[ListedVideo]:
    match = _LIST.fullmatch(path.name)
    split = _SPLITS[match["split"]] if match else "train"
    content = read_json(path)
    for number, entry in enumerate(content if isinstance(content, list) else [content], 1):
        where = f"{path}, entry {number}"
        if not isinstance(entry, dict) or not {"id", "template"} <= entry.keys():
            raise InputError(f"{where}: no id and template; expected the list of train or validation, with labels")
        label = str(entry["template"]).replace("[", "").replace("]", "")
        yield ListedVideo(where, places.find_named([str(entry["id"])], [], split), label, split)
