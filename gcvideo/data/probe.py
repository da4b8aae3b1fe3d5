"""Decodes a video once from end to end and measures what can be trusted."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np

from gcvideo.data.decode import (
    HAS_DECORD,
    DecodeError,
    Frames,
    decord_length,
    first_video_stream,
    forward,
    open_video,
    read_frames,
    to_rgb,
)

# decord goes wrong just before and after a key frame that it seeks to (open GOPs), after any seek (WMV), or from the
# first frame on (edit lists, program streams). So it is compared around the key frames with these numbers, and at this
# many places spread over the file, the last frame among them.
_CHECKED_KEY_FRAMES = (1, 2, 4, 8)
_BEFORE_KEY_FRAME = 4
_PLACES = 7
# Mean difference of one frame decoded twice: 0.0 for 8-bit 4:2:0 of even size, up to 0.73 for 10 bit and odd sizes
# (measured on 43 files of many codecs); neighbouring frames of a moving scene differ by 1 to 17.
_SAME_FRAME_LEVELS = 0.8


@dataclass(frozen=True)
class Probe:
    """What a file really holds; the attributes are those of ``VideoRecord``."""

    num_frames: int
    fps: float
    width: int
    height: int
    codec: str
    reader: str


@dataclass
class _Seen:
    """What one pass over all frames leaves: stretches of consecutive frames to compare, and times."""

    stretches: list[dict[int, Frames]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    last: Frames | None = None


def probe_video(path: Path) -> Probe:
    """Decodes every frame in order, and compares decord's random access with it around a few key frames.

    Raises:
        DecodeError: if the file has no decodable video frame; the message says why.
    """
    try:
        codec, header_fps = _header(path)  # first, as it refuses what decord would follow
        seen = _decode_all(path, _spread(path))
    except av.FFmpegError as error:
        raise DecodeError(f"cannot be decoded: {error.strerror}") from error
    if seen.last is None:
        raise DecodeError("no frame decodes")
    height, width = seen.last.shape[:2]
    reader = "decord" if HAS_DECORD and _decord_is_right(path, seen) else "pyav"
    return Probe(len(seen.times), _fps(seen.times) or header_fps, width, height, codec, reader)


def _spread(path: Path) -> set[int]:
    """Frame numbers spread over what decord believes the file to hold; none where it cannot open it."""
    try:
        return set(np.linspace(0, decord_length(str(path)) - 1, _PLACES).round().astype(int).tolist())
    except DecodeError:
        return set()


def _decode_all(path: Path, places: set[int]) -> _Seen:
    seen, before, key_frames = _Seen(), deque[av.VideoFrame](maxlen=_BEFORE_KEY_FRAME), 0
    for number, frame in enumerate(forward(path)):
        if number in places:
            seen.stretches.append({number: to_rgb(frame)})
        if number > 0 and frame.key_frame:
            key_frames += 1
            if key_frames in _CHECKED_KEY_FRAMES:
                stretch = [*before, frame]
                seen.stretches.append({number - len(before) + k: to_rgb(f) for k, f in enumerate(stretch)})
        seen.times.append(frame.time if frame.time is not None else float("nan"))
        before.append(frame)
    seen.last = to_rgb(before[-1]) if before else None
    return seen


def _decord_is_right(path: Path, seen: _Seen) -> bool:
    """Whether decord counts the same frames and gives the same pictures, each stretch after a seek of its own."""
    try:
        if decord_length(str(path)) != len(seen.times):
            return False
        return all(
            _are_same(list(stretch.values()), read_frames(path, np.array(list(stretch)), "decord"))
            for stretch in reversed(seen.stretches)
        )
    except DecodeError:
        return False


def _are_same(expected: list[Frames], found: Frames) -> bool:
    if expected[0].shape != found.shape[1:]:
        return False
    differences = np.abs(np.stack(expected).astype(np.int16) - found).mean(axis=(1, 2, 3))
    return float(differences.max()) <= _SAME_FRAME_LEVELS


def _fps(times: list[float]) -> float:
    """Average frames per second from the time stamps; 0 where they do not tell."""
    seen = np.array(times)[np.isfinite(times)]
    if len(seen) < 2 or seen[-1] <= seen[0]:
        return 0.0
    return round(float((len(seen) - 1) / (seen[-1] - seen[0])), 3)


def _header(path: Path) -> tuple[str, float]:
    with open_video(path) as container:
        stream = first_video_stream(container)
        return stream.codec_context.codec.canonical_name, float(stream.average_rate or 0)
