"""The official CSV of a split beside the videos: fetched, checked, completed, compared with what is there."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from gcvideo.errors import InputError
from scripts.fetching.web import Web, check_url
from scripts.kinetics.mirror import SPLITS

COLUMNS = ("label", "youtube_id", "time_start", "time_end", "split")
_NEEDED = ("youtube_id", "time_start", "time_end")
_NAME = re.compile(r"(.{11})_(\d{6})_(\d{6})")


def fetch_annotations(web: Web, url: str, path: Path) -> None:
    """Fetches a CSV, unless it is there.

    Raises:
        InputError: if it cannot be had or has not the columns of Kinetics.
    """
    if path.is_file():
        return
    content = web.read(check_url(url))
    header = next(csv.reader(io.StringIO(content.decode("utf-8-sig", "replace"))), [])
    missing = [name for name in _NEEDED if name not in header]
    if missing:
        raise InputError(f"{url}: no column {missing[0]}; expected {','.join(COLUMNS)}; is --mirror right?")
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, content)


def read_annotations(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV; ``label`` may be missing, as it is in some test splits."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def write_all(root: Path) -> None:
    """Writes ``annotations/all.csv``: the rows of every split fetched so far; a split without labels is left out.

    The column ``split`` is that of the file a row came from: mirrors also write validate, or holdout.
    """
    rows = []
    for split in SPLITS:
        path = root / "annotations" / f"{split}.csv"
        found = read_annotations(path) if path.is_file() else []
        if all(row.get("label") for row in found):
            rows += [row | {"split": split} for row in found]
        else:
            print(f"{split}: its official list has no labels; it is left out of all.csv")
    _write_rows(root / "annotations" / "all.csv", rows)


def complete_annotations(official: Path, path: Path, split: str, files: dict[str, tuple[str, ...]]) -> int:
    """Writes a CSV that also has the videos which the official one lacks, labelled by the archive they came in.

    Args:
        official: the CSV of the mirror.
        path: the CSV to write.
        split: its split.
        files: the videos by the name of their archive without endings; a name that is no label is passed over.

    Returns:
        how many rows were added.
    """
    rows = read_annotations(official)
    known, labels = {video_name(row) for row in rows}, {row.get("label", "") for row in rows}
    added = [
        dict(zip(COLUMNS, (label, match[1], str(int(match[2])), str(int(match[3])), split), strict=True))
        for label, names in sorted(files.items())
        if label in labels
        for name in names
        if name not in known and (match := _NAME.fullmatch(Path(name).stem))
    ]
    _write_rows(path, [*rows, *added])
    return len(added)


def video_name(row: dict[str, str]) -> str:
    """The file of a row: ``{youtube_id}_{start:06d}_{end:06d}.mp4``, in seconds."""
    start, end = (int(float(row[name])) for name in ("time_start", "time_end"))
    return f"{row['youtube_id']}_{start:06d}_{end:06d}.mp4"


def _write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    _write(path, text.getvalue().encode())


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content)
    temporary.replace(path)
