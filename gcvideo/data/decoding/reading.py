"""Reads the frames of a verified video with the first decoder that is right for it, and falls back on the next."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from gcvideo.data.decoding.deadline import DeadlineReader
from gcvideo.data.decoding.decode import DecodeError, Frames, first_line, forward, is_installed, is_special, read_frames
from gcvideo.data.decoding.readers.pyav import seconds
from gcvideo.records import VideoRecord

Guard = Literal["damaged", "all", "none"]

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
        on_failure: in training another video of the same class stands in (``substitute``), or the clip counts for
            nothing (``mask``), as it always does in validation and test.
        max_failed: share of the training videos; when more cannot be read, the run stops and names them.

    Raises:
        ValueError: if a value is out of its range.
    """

    reader: Literal["auto", "decord", "torchcodec", "pyav"] = "auto"
    guard: Guard = "damaged"
    deadline_s: float = 20.0
    on_failure: Literal["substitute", "mask"] = "substitute"
    max_failed: float = 0.05

    def __post_init__(self) -> None:
        if self.deadline_s <= 0:
            raise ValueError(f"reading.deadline_s is {self.deadline_s}; expected seconds above 0")
        if not 0 <= self.max_failed <= 1:
            raise ValueError(f"reading.max_failed is {self.max_failed}; expected a share, 0 to 1")


class ClipReader:
    """Frames of verified videos."""

    def __init__(self, reading: Reading) -> None:
        self.reader, self.guard = reading.reader, reading.guard
        self.process = DeadlineReader(reading.deadline_s)

    def read(self, record: VideoRecord, indices: NDArray[np.int64]) -> tuple[Frames, str]:
        """Frames ``uint8 (*indices.shape, H, W, 3)``, and a line where a decoder failed and another stood in.

        Args:
            record: the video.
            indices: frame numbers in its labelled part, 0 <= index < record.num_frames.

        Raises:
            DecodeError: if no decoder gives them.
        """
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
        if is_special(record.path):
            raise DecodeError(f"{record.path}: no such file, or not a regular one")
        with _errors_named(record):
            times = _seconds(record)[first : first + total]
        if len(times) < total:
            raise DecodeError(f"{record.path}: has changed since it was indexed; run gcvideo index again")
        from_zero: NDArray[np.float64] = times - times[0]
        return from_zero

    def _read(self, record: VideoRecord, indices: NDArray[np.int64], reader: str) -> Frames:
        if self.guard == "all" or (self.guard == "damaged" and record.damage):
            return self.process.read(record.path, indices, reader)
        with _errors_named(record):
            return read_frames(record.path, indices, reader)


def _seconds(record: VideoRecord) -> NDArray[np.float64]:
    """Times of all frames of the file: of its packets where each is a frame, else of the frames that decode."""
    try:
        if not record.damage:
            return seconds(record.path)
    except DecodeError:  # not every packet has a time
        pass
    return np.array([frame.time for frame in forward(record.path)], dtype=np.float64)


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
