"""Turns annotations into a manifest: every file is really decoded, in parallel.

A second time only what has changed, and what could not be decoded, is decoded again.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from gcvideo.data.annotations import Annotations
from gcvideo.data.decode import DecodeError
from gcvideo.data.manifest import Manifest, check_place, read_manifest, write_manifest
from gcvideo.data.pools import process_pool
from gcvideo.data.probe import probe_video
from gcvideo.errors import InputError
from gcvideo.records import VideoRecord

_Entry = tuple[Path, int, str]


def index_videos(
    annotations: Annotations,
    path: Path,
    *,
    num_workers: int = 0,
    on_start: Callable[[int], None] = lambda total: None,
    on_video: Callable[[], None] = lambda: None,
) -> Manifest:
    """Verifies every video and writes the manifest; a file whose size and time are unchanged is not decoded again.

    Args:
        annotations: which files, with label and split.
        path: the manifest to write (and to take unchanged rows from).
        num_workers: processes; 0 means one for each processor.
        on_start: called once with the number of files that must be decoded.
        on_video: called after each decoded file.

    Raises:
        InputError: if not one video can be decoded, or the manifest cannot be written.
    """
    check_place(path)
    known = _known_records(path)
    results: dict[Path, VideoRecord | str] = {}
    changed: list[_Entry] = []
    for entry in annotations.entries:
        record = known.get(os.path.abspath(entry[0]))
        if record is not None and _is_unchanged(record, entry[0]):
            results[entry[0]] = replace(record, path=str(entry[0]), label=entry[1], split=entry[2])
        else:
            changed.append(entry)
    on_start(len(changed))
    for entry, result in zip(changed, _probe_all(changed, num_workers), strict=True):
        results[entry[0]] = result
        on_video()
    manifest = _manifest(annotations, results)
    write_manifest(manifest, path)
    return manifest


def cached_manifest_path(root: Path) -> Path:
    """Where ``fit`` keeps the manifest of a folder it indexed by itself: below GCVIDEO_CACHE or ~/.cache/gcvideo."""
    absolute = os.path.abspath(root)
    cache = Path(os.environ.get("GCVIDEO_CACHE") or Path.home() / ".cache" / "gcvideo")
    digest = hashlib.sha256(absolute.encode()).hexdigest()[:12]
    return cache / "manifests" / f"{Path(absolute).name[:50]}-{digest}.csv"


def _known_records(path: Path) -> dict[str, VideoRecord]:
    """Rows of an earlier manifest by absolute path; none where there is no readable one."""
    try:
        return {os.path.abspath(record.path): record for record in read_manifest(path).records}
    except InputError:
        return {}


def _is_unchanged(record: VideoRecord, path: Path) -> bool:
    status = path.stat()
    return (status.st_size, status.st_mtime_ns) == (record.num_bytes, record.modified_ns)


def _probe_all(entries: list[_Entry], num_workers: int) -> Iterator[VideoRecord | str]:
    workers = min(num_workers or os.cpu_count() or 1, len(entries))
    if workers <= 1:
        yield from map(_probe_one, entries)
        return
    with process_pool(workers) as pool:
        yield from pool.map(_probe_one, entries, chunksize=4)


def _probe_one(entry: _Entry) -> VideoRecord | str:
    path, label, split = entry
    try:
        status = path.stat()
        probe = probe_video(path)
    except (DecodeError, OSError) as error:
        return str(error)
    return VideoRecord(
        path=str(path),
        label=label,
        split=split,
        num_bytes=status.st_size,
        modified_ns=status.st_mtime_ns,
        **asdict(probe),
    )


def _manifest(annotations: Annotations, results: dict[Path, VideoRecord | str]) -> Manifest:
    in_order = [(path, results[path]) for path, _, _ in annotations.entries]
    records = tuple(result for _, result in in_order if isinstance(result, VideoRecord))
    bad = tuple((str(path), result) for path, result in in_order if isinstance(result, str))
    if not records:
        raise InputError(f"none of the {len(bad)} videos can be decoded; the first: {bad[0][0]}: {bad[0][1]}")
    return Manifest(annotations.classes, records, bad)
