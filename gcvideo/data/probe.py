"""Decodes a video once from end to end and measures what can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from gcvideo.data.decode import (
    HAS_DECORD,
    DecodeError,
    Frames,
    decord_length,
    first_video_stream,
    forward,
    read_frames,
    to_rgb,
)

# decord's own conversion to RGB differs from PyAV's by rounding (seen: at most 0.6 levels on average over a frame);
# neighbouring frames of a moving scene differ by several levels, and equal ones are equally right.
_SAME_FRAME_LEVELS = 1.0


@dataclass(frozen=True)
class Probe:
    """What a file really holds; the attributes are those of ``VideoRecord``."""

    num_frames: int
    fps: float
    width: int
    height: int
    codec: str
    reader: str


def probe_video(path: Path) -> Probe:
    """Decodes every frame and compares decord's random access at a few places with it.

    Raises:
        DecodeError: if the file has no decodable video frame; the message says why.
    """
    checked = _decord_frames(path)
    num_frames, last, same = 0, None, bool(checked)
    times: list[float] = []
    try:
        for frame in forward(path):
            if num_frames in checked:
                same = same and _is_same(to_rgb(frame), checked[num_frames])
            times.append(frame.time if frame.time is not None else float("nan"))
            num_frames, last = num_frames + 1, frame
    except av.FFmpegError as error:
        if last is None:
            raise DecodeError(f"cannot be decoded: {error.strerror}") from error
    if last is None:
        raise DecodeError("no frame decodes")
    height, width = to_rgb(last).shape[:2]
    exact = same and num_frames == _decord_length(checked)
    codec, header_fps = _header(path)
    return Probe(num_frames, _fps(times) or header_fps, width, height, codec, "decord" if exact else "pyav")


def _decord_frames(path: Path) -> dict[int, Frames]:
    """Frames by random access at a few places, the last frame among them; empty where decord cannot."""
    if not HAS_DECORD:
        return {}
    try:
        total = decord_length(str(path))
        order = np.unique(np.linspace(0, total - 1, 5).round().astype(np.int64))[::-1]
        return {int(index): read_frames(path, np.array([index]), "decord")[0] for index in order}
    except DecodeError:
        return {}


def _decord_length(checked: dict[int, Frames]) -> int:
    return max(checked) + 1


def _is_same(expected: Frames, found: Frames) -> bool:
    if expected.shape != found.shape:
        return False
    return float(np.abs(expected.astype(np.int16) - found).mean()) <= _SAME_FRAME_LEVELS


def _fps(times: list[float]) -> float:
    """Average frames per second from the time stamps; 0 where they do not tell."""
    seen: NDArray[np.float64] = np.array(times)[np.isfinite(times)]
    if len(seen) < 2 or seen[-1] <= seen[0]:
        return 0.0
    return round(float((len(seen) - 1) / (seen[-1] - seen[0])), 3)


def _header(path: Path) -> tuple[str, float]:
    with av.open(str(path)) as container:
        stream = first_video_stream(container)
        return stream.codec_context.codec.canonical_name, float(stream.average_rate or 0)
