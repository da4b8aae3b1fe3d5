"""Writes one prepared file, whole or not at all.

It imports no torch, so that the processes start quickly.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path

import av

from gcvideo.data.decoding.decode import DecodeError
from gcvideo.data.preparing.reencode import Encoding, reencode_video

FULL_DISK = (errno.ENOSPC, errno.EDQUOT)
_PARTIAL = ".gcvideo-part"
# Generous: a slow disk or a busy machine is no fault of the file.
_SECONDS, _SECONDS_PER_FRAME = 300.0, 0.5


@dataclass(frozen=True)
class EncodeJob:
    """A file to be written, and what of; see ``reencode_video``."""

    source: Path
    target: Path
    encoding: Encoding
    fps: float
    first_frame: int
    num_frames: int

    @property
    def deadline_s(self) -> float:
        """Seconds that it may take; the frames before the first are decoded, too."""
        return _SECONDS + _SECONDS_PER_FRAME * (self.first_frame + self.num_frames)


def encode_whole(job: EncodeJob) -> str | OSError:
    """Writes the file beside its place, brings it to the disk and then to its place.

    Returns:
        An empty text, or why the source could not be written again, or the error of a full disk.
    """
    partial = job.target.with_name(f".{job.target.name}{_PARTIAL}")
    try:
        job.target.parent.mkdir(parents=True, exist_ok=True)
        written = _encode(job, partial)
        if written != job.num_frames:
            return f"gives {written} frames, not {job.num_frames}; index it again with: gcvideo index"
        _bring_to_disk(partial)
        partial.replace(job.target)
    except (OSError, av.FFmpegError, DecodeError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in FULL_DISK:
            return OSError(error.errno, error.strerror)
        return getattr(error, "strerror", None) or str(error)
    finally:
        partial.unlink(missing_ok=True)
    return ""


def remove_partial_files(out: Path) -> None:
    """Deletes what processes that were killed have left in ``out/SPLIT/CLASS/``."""
    for path in out.glob(f"*/*/.*{_PARTIAL}"):
        path.unlink(missing_ok=True)


def _encode(job: EncodeJob, target: Path) -> int:
    return reencode_video(
        job.source, target, job.encoding, fps=job.fps, first_frame=job.first_frame, num_frames=job.num_frames
    )


def _bring_to_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())
