"""Turns annotations into a manifest: every file is really decoded, in parallel.

A second time only what has changed, and what could not be decoded, is decoded again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Generator, Iterable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from gcvideo.data.annotations import Annotations, Entry
from gcvideo.data.decoding.decode import DecodeError
from gcvideo.data.indexing.probe import Probe
from gcvideo.data.indexing.probing import Task, probe_all
from gcvideo.data.indexing.segments import file_state, record_of
from gcvideo.data.manifest import Manifest, check_place, read_manifest, write_bad, write_manifest
from gcvideo.errors import InputError
from gcvideo.records import VideoRecord

_Key = tuple[str, float, float | None]


@dataclass(frozen=True)
class _File:
    """A file to be decoded, and the parts of it that are labelled."""

    path: Path
    entries: tuple[Entry, ...]


def index_videos(
    annotations: Annotations,
    path: Path,
    *,
    num_workers: int = 0,
    quick: bool = False,
    on_start: Callable[[int], None] = lambda total: None,
    on_video: Callable[[], None] = lambda: None,
) -> Manifest:
    """Verifies every video and writes the manifest; a file whose size and time are unchanged is not decoded again.

    Args:
        annotations: which files, with label, split and part.
        path: the manifest to write (and to take unchanged rows from).
        num_workers: processes; 0 means one for each processor. A file on which one hangs or crashes is a bad one.
        quick: reads headers and packets only (what that cannot see: ``probe_quickly``); such a row
            has ``modified_ns`` 0, so that the next index looks at the file again.
        on_start: called once with the number of files that must be decoded.
        on_video: called after each decoded file.

    Raises:
        InputError: if not one video can be decoded, or the manifest cannot be written.
    """
    check_place(path)
    known = _known_records(path)
    results: dict[Entry, VideoRecord | str] = {}
    for entry in annotations.entries:
        record = _known(known, entry)
        if record is not None and _is_unchanged(record, entry):
            results[entry] = replace(record, path=str(entry.path), label=entry.label, split=entry.split)
    changed = _by_file(entry for entry in annotations.entries if entry not in results)
    on_start(len(changed))
    with closing(_probe_all(changed, num_workers, quick)) as probed:
        for file, found in probed:
            results.update(zip(file.entries, found, strict=True))
            on_video()
    manifest = _manifest(annotations, results, path)
    write_manifest(manifest, path)
    return manifest


def cached_manifest_path(root: Path) -> Path:
    """Where ``fit`` keeps the manifest of a folder it indexed by itself: below GCVIDEO_CACHE or ~/.cache/gcvideo."""
    absolute = os.path.abspath(root)
    cache = Path(os.environ.get("GCVIDEO_CACHE") or Path.home() / ".cache" / "gcvideo")
    digest = hashlib.sha256(absolute.encode()).hexdigest()[:12]
    return cache / "manifests" / f"{Path(absolute).name[:50]}-{digest}.csv"


def _known_records(path: Path) -> dict[_Key, VideoRecord]:
    """Rows of an earlier manifest; none where there is no readable one."""
    try:
        records = read_manifest(path).records
    except InputError:
        return {}
    whole = {_key(r.path, r.start, None): r for r in records if r.end == r.duration}
    return whole | {_key(r.path, r.start, r.end): r for r in records}


def _known(records: dict[_Key, VideoRecord], entry: Entry) -> VideoRecord | None:
    """The row of the same part; an end behind the end of the file is the end of the file."""
    to_the_end = records.get(_key(entry.path, entry.start, None))
    if to_the_end is not None and (entry.end is None or entry.end >= to_the_end.duration):
        return to_the_end
    return records.get(_key(entry.path, entry.start, entry.end))


def _key(path: str | Path, start: float, end: float | None) -> _Key:
    return os.path.abspath(path), start, end


def _is_unchanged(record: VideoRecord, entry: Entry) -> bool:
    try:
        return file_state(entry.path) == (record.num_bytes, record.modified_ns) and entry.fps in (0, record.fps)
    except (OSError, DecodeError):
        return False


def _by_file(entries: Iterable[Entry]) -> list[_File]:
    """Each file once, however many parts of it are labelled."""
    files: dict[tuple[Path, float], list[Entry]] = {}
    for entry in entries:
        files.setdefault((entry.path, entry.fps), []).append(entry)
    return [_File(path, tuple(parts)) for (path, _), parts in files.items()]


def _probe_all(files: list[_File], num_workers: int, quick: bool) -> Generator[tuple[_File, list[VideoRecord | str]]]:
    """Each file with the records of its parts, or with why there are none, in the order in which they are done."""
    tasks: dict[Task, tuple[_File, tuple[int, int]]] = {}
    for file in files:
        try:
            state = file_state(file.path)
        except (DecodeError, OSError) as error:
            reason = str(error) if isinstance(error, DecodeError) else error.strerror or str(error)
            yield file, [reason] * len(file.entries)
            continue
        tasks[Task(file.path, file.entries[0].fps, state[0], quick)] = file, (state[0], 0 if quick else state[1])
    with closing(probe_all(list(tasks), num_workers=num_workers)) as probed:
        for task, found in probed:
            file, state = tasks[task]
            yield file, [_record(entry, found, state) for entry in file.entries]


def _record(entry: Entry, found: Probe | str, state: tuple[int, int]) -> VideoRecord | str:
    return found if isinstance(found, str) else record_of(entry, found, state)


def _manifest(annotations: Annotations, results: dict[Entry, VideoRecord | str], path: Path) -> Manifest:
    in_order = [(str(entry.path), results[entry]) for entry in annotations.entries]
    records = tuple(result for _, result in in_order if isinstance(result, VideoRecord))
    bad = tuple(dict.fromkeys((video, result) for video, result in in_order if isinstance(result, str)))
    if not records:
        listed = write_bad(bad, path)
        raise InputError(
            f"none of the {len(bad)} videos can be decoded; the first: {bad[0][0]}: {bad[0][1]}; all are in {listed}"
        )
    return Manifest(annotations.classes, records, bad)
