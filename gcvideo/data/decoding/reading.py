"""Reads the frames of a verified video with the first decoder that is right for it, and falls back on the next."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gcvideo.data.decoding.deadline import DeadlineReader
from gcvideo.data.decoding.decode import DecodeError, Frames, first_line, is_installed, read_frames
from gcvideo.data.decoding.readers.pyav import shown_times
from gcvideo.records import VideoRecord

Guard = Literal["damaged", "all", "none"]

_KEPT = 1000  # videos whose times are remembered; a minute of video takes 14 kB
_LAST_RESORT = "pyav:forward"


@dataclass(frozen=True)
class Reading:
    """How videos are read, and what becomes of one that cannot be.

    Attributes:
        reader: ``auto`` takes the best of the decoders that were measured to be right for a file; ``decord``,
            ``torchcodec`` or ``pyav`` insists on one.
        guard: which videos are decoded in a process of its own that is killed when it takes too long: those that the
            index found ``damaged``, ``all``, or ``none``.
        deadline_s: seconds that a clip may take there.
        memory_gb: memory (GiB, address space) that this process may take; null for no limit.
        on_failure: in training another video of the same class stands in (``substitute``), or the clip counts for
            nothing (``mask``), as it always does in validation and test.
        max_failed: share of the training videos; when more cannot be read, the run stops and names them.

    Raises:
        ValueError: if a value is out of its range.
    """

    reader: Literal["auto", "decord", "torchcodec", "pyav"] = "auto"
    guard: Guard = "damaged"
    deadline_s: float = 20.0
    memory_gb: float | None = None
    on_failure: Literal["substitute", "mask"] = "substitute"
    max_failed: float = 0.05

    def __post_init__(self) -> None:
        if self.deadline_s <= 0:
            raise ValueError(f"reading.deadline_s is {self.deadline_s}; expected seconds above 0")
        if self.memory_gb is not None and self.memory_gb < 0.5:
            raise ValueError(f"reading.memory_gb is {self.memory_gb}; expected 0.5 (its libraries take 0.4) or more")
        if not 0 <= self.max_failed <= 1:
            raise ValueError(f"reading.max_failed is {self.max_failed}; expected a share, 0 to 1")


class ClipReader:
    """Frames of verified videos."""

    def __init__(self, reading: Reading) -> None:
        self.reader, self.guard = reading.reader, reading.guard
        most = None if reading.memory_gb is None else int(reading.memory_gb * 2**30)
        self.process = DeadlineReader(reading.deadline_s, max_bytes=most)
        self._times: dict[str, NDArray[np.float64]] = {}

    def read(self, record: VideoRecord, indices: NDArray[np.int64]) -> tuple[Frames, str]:
        """Frames ``uint8 (*indices.shape, H, W, 3)``, and a line where a decoder failed and another stood in.

        Args:
            record: the video.
            indices: frame numbers in its labelled part, 0 <= index < record.num_frames.

        Raises:
            DecodeError: if no decoder gives them.
        """
        _check_unchanged(record)
        reasons: list[str] = []
        for reader in right_readers_of(record, self.reader):
            try:
                frames = self._read(record, indices + record.first_frame, reader)
            except DecodeError as error:
                reasons.append(str(error))
                continue
            return frames, f"{reasons[0]} (read by {reader} instead)" if reasons else ""
        raise DecodeError(reasons[0])

    def times(self, record: VideoRecord) -> NDArray[np.float64]:
        """When each frame of the labelled part is shown, seconds from its first one on: ``float64 (num_frames,)``.

        Raises:
            DecodeError: if the file cannot be opened, or is not the one that was indexed.
        """
        first, total = record.first_frame, record.num_frames
        _check_unchanged(record)
        times = self._all_times(record)[first : first + total]
        if len(times) < total:
            raise DecodeError(_changed(record))
        from_zero: NDArray[np.float64] = times - times[0]
        return from_zero

    def _all_times(self, record: VideoRecord) -> NDArray[np.float64]:
        """Kept for the last videos: those of a damaged one cost a decode of all of it."""
        if record.path not in self._times:
            if len(self._times) >= _KEPT:
                self._times.pop(next(iter(self._times)))
            if self._is_guarded(record):
                self._times[record.path] = self.process.times(record.path, is_damaged=bool(record.damage))
            else:
                with _errors_named(record):
                    self._times[record.path] = shown_times(record.path, is_damaged=bool(record.damage))
        return self._times[record.path]

    def _is_guarded(self, record: VideoRecord) -> bool:
        return self.guard == "all" or (self.guard == "damaged" and bool(record.damage))

    def _read(self, record: VideoRecord, indices: NDArray[np.int64], reader: str) -> Frames:
        if self._is_guarded(record):
            return self.process.read(record.path, indices, reader)
        with _errors_named(record):
            return read_frames(record.path, indices, reader)


def _check_unchanged(record: VideoRecord) -> None:
    """What was measured of a file holds for that file alone; times are not compared, as a copy has others."""
    try:
        size = os.stat(record.path).st_size
    except (OSError, ValueError) as error:
        raise DecodeError(f"{record.path}: no such file, or not a regular one") from error
    if record.num_bytes and record.codec != "pictures" and size != record.num_bytes:
        raise DecodeError(_changed(record))


def _changed(record: VideoRecord) -> str:
    return f"{record.path}: has changed since it was indexed; run gcvideo index again"


@contextmanager
def _errors_named(record: VideoRecord) -> Iterator[None]:
    """A video must not end a run, whatever a decoder makes of it."""
    try:
        yield
    except DecodeError as error:
        named = str(error).startswith(record.path)
        raise error if named else DecodeError(f"{record.path}: {error}") from error
    except Exception as error:
        raise DecodeError(f"{record.path}: {type(error).__name__}: {first_line(error)}") from error


def right_readers_of(record: VideoRecord, reader: str) -> list[str]:
    """``name:way`` of the installed decoders that are right for a video, the best first.

    Raises:
        DecodeError: if ``reader`` insists on one that is not; the message names the cure.
    """
    measured = record.readers.split()
    if record.codec != "pictures":
        measured = [*dict.fromkeys([*measured, _LAST_RESORT])]
    allowed = [m for m in measured if reader in ("auto", m.split(":")[0]) and is_installed(m.split(":")[0])]
    if not allowed:
        raise DecodeError(
            f"{record.path}: {reader} does not give its frames rightly here (right are: {' '.join(measured)}); "
            "use --data.reading.reader=auto, or encode the videos anew with: gcvideo prepare"
        )
    return allowed


def why_not(record: VideoRecord, reader: str) -> str:
    """Why a video cannot be read by ``reader``; empty where it can."""
    try:
        right_readers_of(record, reader)
    except DecodeError as error:
        return str(error)
    return ""
