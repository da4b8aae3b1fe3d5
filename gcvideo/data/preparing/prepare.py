"""Writes all videos of a manifest again, for training: ``OUT/SPLIT/CLASS/NAME.mp4`` and a manifest of them.

In parallel, each file whole or not at all, and only what is not done yet.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from gcvideo.data.annotations import Annotations, Entry
from gcvideo.data.decoding.decode import DecodeError
from gcvideo.data.indexing.index import index_videos
from gcvideo.data.indexing.segments import file_state
from gcvideo.data.manifest import Manifest, write_manifest
from gcvideo.data.preparing.encode_job import EncodeJob, encode_whole, remove_partial_files
from gcvideo.data.preparing.file_names import distinct_names
from gcvideo.data.preparing.journal import Journal
from gcvideo.data.preparing.reencode import Encoding
from gcvideo.data.watched import LostJobError, watched
from gcvideo.records import VideoRecord

_VERSION = 1  # raised when the same options give other files


@dataclass(frozen=True)
class VideoToPrepare:
    """One video, or one labelled part of a video, and the file that is made of it.

    Attributes:
        record: what is read.
        target: what is written.
        encoding: how.
    """

    record: VideoRecord
    target: Path
    encoding: Encoding

    def origin(self) -> str:
        """A text that changes when the source or an option does.

        Raises:
            OSError: if there is no such source.
            DecodeError: if it is not the one that was indexed.
        """
        state = file_state(Path(self.record.path))
        if state[0] != self.record.num_bytes:
            raise DecodeError("has changed since it was indexed; index it again with: gcvideo index")
        part = [self.record.first_frame, self.record.num_frames]
        text = json.dumps([_VERSION, os.path.abspath(self.record.path), *state, part, asdict(self.encoding)])
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]

    def job(self) -> EncodeJob:
        """What a process needs to know of it."""
        record = self.record
        return EncodeJob(
            Path(record.path), self.target, self.encoding, record.fps, record.first_frame, record.num_frames
        )


def plan_videos(manifest: Manifest, out: Path, encoding: Encoding) -> list[VideoToPrepare]:
    """Names the file of each record; names that a file system refuses are mended, equal ones numbered."""
    folders = distinct_names(manifest.classes)
    groups: dict[Path, list[VideoRecord]] = {}
    for record in manifest.records:
        groups.setdefault(out / record.split / folders[record.label], []).append(record)
    targets = {
        id(record): folder / f"{name}.mp4"
        for folder, records in groups.items()
        for record, name in zip(records, distinct_names([_stem(record.path) for record in records]), strict=True)
    }
    return [VideoToPrepare(record, targets[id(record)], encoding) for record in manifest.records]


def not_done(videos: Sequence[VideoToPrepare], journal: Journal) -> list[VideoToPrepare]:
    """The videos whose file is missing, or was made of another source or with other options."""
    return [video for video in videos if not _is_done(video, journal)]


def encode_videos(
    videos: Sequence[VideoToPrepare], journal: Journal, *, num_workers: int, on_video: Callable[[], None]
) -> dict[Path, str]:
    """Writes the file of each video; gives target and reason of those that could not be.

    Raises:
        OSError: with ENOSPC or EDQUOT if there is no space left.
    """
    failures: dict[Path, str] = {}
    jobs: dict[EncodeJob, str] = {}
    for video in videos:
        try:
            jobs[video.job()] = video.origin()
        except (OSError, DecodeError) as error:
            failures[video.target] = getattr(error, "strerror", None) or str(error)
            on_video()
    remove_partial_files(journal.folder)
    try:
        with closing(watched(encode_whole, list(jobs), seconds=_deadline_s, num_workers=num_workers)) as outcomes:
            for job, outcome in outcomes:
                if isinstance(outcome, OSError):
                    raise outcome
                if outcome:
                    failures[job.target] = f"its decoder {outcome}" if isinstance(outcome, LostJobError) else outcome
                else:
                    journal.add(job.target, jobs[job])
                on_video()
    finally:
        remove_partial_files(journal.folder)
    return failures


def index_prepared(
    manifest: Manifest,
    videos: Sequence[VideoToPrepare],
    failures: dict[Path, str],
    path: Path,
    *,
    num_workers: int,
    on_start: Callable[[int], None],
    on_video: Callable[[], None],
) -> Manifest:
    """Decodes what was written from end to end, and writes its manifest with the classes and splits of the source.

    A file that does not give as many frames as its source is deleted and listed as bad.

    Raises:
        InputError: if not one file can be decoded.
    """
    done = {str(video.target): video for video in videos if video.target not in failures}
    entries = tuple(Entry(v.target, v.record.label, v.record.split) for v in done.values())
    found = index_videos(
        Annotations(manifest.classes, entries), path, num_workers=num_workers, on_start=on_start, on_video=on_video
    )
    bad = [(v.record.path, failures[v.target]) for v in videos if v.target in failures]
    bad += [(done[name].record.path, f"its new file: {reason}") for name, reason in found.bad]
    right = []
    for record in found.records:
        expected = done[record.path].record.num_frames
        if record.num_frames == expected:
            right.append(record)
        else:
            Path(record.path).unlink()
            bad.append((done[record.path].record.path, f"its new file has {record.num_frames} of {expected} frames"))
    result = Manifest(manifest.classes, tuple(right), tuple(dict.fromkeys((*manifest.bad, *bad))))
    write_manifest(result, path)
    return result


def _is_done(video: VideoToPrepare, journal: Journal) -> bool:
    try:
        return journal.is_done(video.target, video.origin())
    except (OSError, DecodeError):
        return False


def _deadline_s(job: EncodeJob) -> float:
    return job.deadline_s


def _stem(path: str) -> str:
    """The name without its suffix; that of a folder of pictures has none."""
    return Path(path).name if Path(path).is_dir() else Path(path).stem
