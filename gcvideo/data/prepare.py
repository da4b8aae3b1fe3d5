"""Writes all videos of a manifest again, for training: ``OUT/SPLIT/CLASS/NAME.mp4`` and a manifest of them.

In parallel, each file whole or not at all, and only what is not done yet.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import av

from gcvideo.data.annotations import Annotations, Entry
from gcvideo.data.decode import DecodeError
from gcvideo.data.file_names import distinct_names
from gcvideo.data.index import index_videos
from gcvideo.data.journal import Journal
from gcvideo.data.manifest import Manifest, write_manifest
from gcvideo.data.reencode import Encoding, reencode_video
from gcvideo.data.segments import file_state
from gcvideo.data.surviving import map_surviving
from gcvideo.records import VideoRecord

_FULL = (errno.ENOSPC, errno.EDQUOT)
_PARTIAL = ".gcvideo-part"
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
            DecodeError, OSError: if there is no such source.
        """
        part = [self.record.first_frame, self.record.num_frames]
        source = [os.path.abspath(self.record.path), *file_state(Path(self.record.path))]
        text = json.dumps([_VERSION, source, part, asdict(self.encoding)])
        return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:32]


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
    remove_partial_files(journal.folder)
    try:
        with closing(map_surviving(_encode, videos, num_workers)) as results:
            for video, failure in results:
                if failure:
                    failures[video.target] = str(failure)
                else:
                    journal.add(video.target, video.origin())
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


def remove_partial_files(out: Path) -> None:
    """Deletes what a killed process has left."""
    for path in out.glob(f"*/*/.*{_PARTIAL}"):
        path.unlink(missing_ok=True)


def _is_done(video: VideoToPrepare, journal: Journal) -> bool:
    try:
        return journal.is_done(video.target, video.origin())
    except (OSError, DecodeError):
        return False


def _encode(video: VideoToPrepare) -> str:
    """Writes one file; gives the reason where that cannot be done."""
    source, record = Path(video.record.path), video.record
    partial = video.target.with_name(f".{video.target.name}{_PARTIAL}")
    try:
        if file_state(source)[0] != record.num_bytes:
            return "has changed since it was indexed; index it again with: gcvideo index"
        video.target.parent.mkdir(parents=True, exist_ok=True)
        written = reencode_video(
            source,
            partial,
            video.encoding,
            fps=record.fps,
            first_frame=record.first_frame,
            num_frames=record.num_frames,
        )
        if written != record.num_frames:
            return f"gives {written} frames, not {record.num_frames}; index it again with: gcvideo index"
        _sync(partial)
        partial.replace(video.target)
    except (OSError, av.FFmpegError, DecodeError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise OSError(error.errno, error.strerror) from None
        return getattr(error, "strerror", None) or str(error)
    finally:
        partial.unlink(missing_ok=True)
    return ""


def _sync(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def _stem(path: str) -> str:
    """The name without its suffix; that of a folder of pictures has none."""
    return Path(path).name if Path(path).is_dir() else Path(path).stem
