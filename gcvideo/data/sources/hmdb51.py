"""The split files of HMDB51, a file a class: brush_hair_test_split1.txt ...; one fold of three."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from gcvideo.data.annotations import Annotations, SourceOptions
from gcvideo.data.sources._places import Places
from gcvideo.data.sources._rows import ListedVideo, annotations_of, choose_fold, roots_of
from gcvideo.data.sources._text import read_text
from gcvideo.errors import InputError

READS = frozenset(("root", "fold"))
_LIST = re.compile(r"(?P<class>.+)_test_split(?P<fold>\d+)\.txt")
_LINE = re.compile(r"(?P<name>\S.*)\.\w+\s+(?P<part>[012])")
_SPLITS = {"1": "train", "2": "test"}  # 0 is not used in this fold


def claims(sources: tuple[Path, ...]) -> int:
    """A folder of files that are called so: 4."""
    return 4 if len(sources) == 1 and sources[0].is_dir() and _lists(sources[0]) else 0


def read(sources: tuple[Path, ...], options: SourceOptions) -> Annotations:
    """Reads the files of a fold, the first one where none is asked for; a class is the beginning of a file's name.

    Raises:
        InputError: if there is no such fold, or a line is not as the data set has it.
    """
    lists = _lists(sources[0])
    fold, note = choose_fold(sources[0], sorted({number for number, _ in lists}), options)
    chosen = {name: path for (number, name), path in lists.items() if number == fold}
    places = Places(roots_of(list(chosen.values()), options, "hmdb51_org", "hmdb51", "videos"))
    rows = [row for name, path in chosen.items() for row in _videos(path, name, places)]
    return annotations_of(rows, options, source=sources[0], classes=tuple(chosen), notes=note)


def _lists(folder: Path) -> dict[tuple[int, str], Path]:
    """The file of each fold and class, sorted."""
    matches = [(path, _LIST.fullmatch(path.name)) for path in folder.iterdir()]
    return dict(sorted(((int(match["fold"]), match["class"]), path) for path, match in matches if match))


def _videos(path: Path, name: str, places: Places) -> Iterator[ListedVideo]:
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        where, match = f"{path}, line {number}", _LINE.fullmatch(line.strip())
        if match is None:
            raise InputError(f"{where}: {line.strip()[:80]!r} is not as HMDB51 has it: NAME.avi and 1, 2 or 0")
        if match["part"] in _SPLITS:
            split = _SPLITS[match["part"]]
            yield ListedVideo(where, places.find_named([match["name"]], [name], split), name, split)
