"""Measures each decoder on the same frames (opening, the way to the first, the others), and what preparing gains."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from gcvideo.commands.benchmarking.report import Request
from gcvideo.data.decoding.decode import DecodeError, forward, read_frames
from gcvideo.data.decoding.readers import decord, pyav
from gcvideo.data.decoding.readers.pictures import list_pictures
from gcvideo.data.decoding.reading import right_readers_of
from gcvideo.data.decoding.rgb import RgbFilter
from gcvideo.data.preparing.reencode import Encoding, reencode_video
from gcvideo.records import VideoRecord

_MOST_FRAMES = 300  # of a video that is prepared to see what that gains
_Steps = tuple[float, float, float, float]  # milliseconds a clip: open, to the first frame, the others, RGB
DECODERS = ("decord", "torchcodec", "pyav", "pictures")


@dataclass(frozen=True)
class DecoderCost:
    """Milliseconds a clip that a decoder takes; the medians of the rounds, each the mean over the videos.

    Attributes:
        name: of the decoder.
        num_right: how many of the videos it gives the right frames of; on these it was measured.
        open: to open the file and to learn where its frames are.
        first: on to the first frame of the clip: the seek, and what must be decoded before it.
        rest: the other frames of the clip, and those between them.
        rgb: of both, the conversion to RGB; None where the library does not let it be separated.
    """

    name: str
    num_right: int
    open: float
    first: float
    rest: float
    rgb: float | None

    @property
    def total(self) -> float:
        """All of it."""
        return self.open + self.first + self.rest


@dataclass(frozen=True)
class PreparedCost:
    """What preparing the files would gain, tried on a few of them.

    Attributes:
        encoding: that was tried.
        num_videos: how many were encoded.
        before: milliseconds to read a clip of these videos as they are.
        after: milliseconds to read it from the new files.
        bytes_factor: size of the new files, as a multiple of the old (of the part that was encoded).
    """

    encoding: Encoding
    num_videos: int
    before: float
    after: float
    bytes_factor: float


def measure_decoders(
    requests: Sequence[Request], *, rounds: int, on_start: Callable[[int], None], on_video: Callable[[], None]
) -> list[DecoderCost]:
    """Every installed decoder on those of the videos that it gives the right frames of; they take turns.

    Args:
        requests: videos, and the frames that each is asked for.
        rounds: passes over the videos that count, after one that does not.
        on_start: called with the number of videos that will be read, over and over.
        on_video: called after each.
    """
    ways = [{name: way for name in DECODERS if (way := _way(record, name))} for record, _ in requests]
    num_right = {name: sum(name in there for there in ways) for name in DECODERS}
    times: dict[str, list[_Steps]] = {name: [] for name, count in num_right.items() if count}
    on_start(len(requests) * (rounds + 1))
    for turn in range(rounds + 1):
        found: dict[str, list[_Steps]] = {name: [] for name in times}
        for (record, indices), there in zip(requests, ways, strict=True):
            for name, way in there.items():
                steps = _steps(record, indices, way)
                found[name] += [steps] if steps is not None else []
            on_video()
        for name in [name for name in times if turn and found[name]]:
            times[name].append(_each(statistics.mean, found[name]))
    medians = {name: _each(statistics.median, rows) for name, rows in times.items() if rows}
    return [
        DecoderCost(name, num_right[name], steps[0], steps[1], steps[2], steps[3] if name == "pyav" else None)
        for name, steps in medians.items()
    ]


def measure_prepared(
    records: Sequence[VideoRecord], num_frames: int, frame_stride: int, encoding: Encoding
) -> PreparedCost | None:
    """Encodes the beginnings of a few videos anew into a temporary folder, and reads clips of old and new."""
    before, after, old_bytes, new_bytes = [], [], 0.0, 0
    with tempfile.TemporaryDirectory() as folder:
        for number, record in enumerate(records):
            target, part = Path(folder) / f"{number}.mp4", min(record.num_frames, _MOST_FRAMES)
            first = record.first_frame
            try:
                reencode_video(Path(record.path), target, encoding, fps=record.fps, first_frame=first, num_frames=part)
                reader = right_readers_of(record, "auto")[0]
            except (av.FFmpegError, DecodeError):
                continue
            new = "decord:seek" if decord.is_installed() else "pyav:seek"
            offsets = np.minimum(np.arange(num_frames) * frame_stride, part - 1)
            for start in np.linspace(0, part - 1 - offsets[-1], 3).astype(np.int64):
                before.append(_milliseconds(record.path, first + start + offsets, reader))
                after.append(_milliseconds(str(target), start + offsets, new))
            old_bytes += record.num_bytes * part / max(_all_frames(record), part)
            new_bytes += target.stat().st_size
    if not before:
        return None
    return PreparedCost(
        encoding, len(before) // 3, statistics.median(before), statistics.median(after), new_bytes / old_bytes
    )


def _way(record: VideoRecord, name: str) -> str:
    """``pyav:seek``; empty where the decoder is not right for the video."""
    try:
        return right_readers_of(record, name)[0]
    except DecodeError:
        return ""


def _each(function: Callable[[list[float]], float], rows: list[_Steps]) -> _Steps:
    """Column by column."""
    opened, first, rest, rgb = (function(list(column)) for column in zip(*rows, strict=True))
    return opened, first, rest, rgb


def _steps(record: VideoRecord, indices: NDArray[np.int64], reader: str) -> _Steps | None:
    """What one video costs; None where it cannot be read."""
    frames, name = indices + record.first_frame, reader.partition(":")[0]
    num_clips = frames.size // frames.shape[-1]
    try:
        opened = _timed(lambda: _OPEN[name](record.path))
        first = _milliseconds(record.path, frames.min(keepdims=True).reshape(1), reader)
        whole = _milliseconds(record.path, frames, reader)
        rgb = _rgb(record.path, len(np.unique(frames))) if name == "pyav" else 0.0
    except (av.FFmpegError, RuntimeError):  # DecodeError is one; torchcodec raises it bare
        return None
    opened, first = min(opened, first, whole), min(first, whole)
    return opened / num_clips, (first - opened) / num_clips, (whole - first) / num_clips, rgb / num_clips


def _milliseconds(path: str, frames: NDArray[np.int64], reader: str) -> float:
    return _timed(lambda: read_frames(path, frames, reader))


def _timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - began)


def _rgb(path: str, num_frames: int) -> float:
    """Milliseconds to convert as many frames as a clip has, the first ones of the file."""
    frames, to_rgb = list(islice(forward(path), num_frames)), RgbFilter()
    return _timed(lambda: [to_rgb(frame) for frame in frames])


def _all_frames(record: VideoRecord) -> int:
    """About how many frames the whole file has, of which the record may be a part."""
    return max(round(record.fps * max(record.duration, record.end)), record.first_frame + record.num_frames)


def _open_torchcodec(path: str) -> object:
    from torchcodec.decoders import VideoDecoder

    return VideoDecoder(path, seek_mode="exact", num_ffmpeg_threads=1)


_OPEN: dict[str, Callable[[str], object]] = {
    "decord": decord.length,
    "torchcodec": _open_torchcodec,
    "pyav": pyav.time_stamps,
    "pictures": list_pictures,
}
