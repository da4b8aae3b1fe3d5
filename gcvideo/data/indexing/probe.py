"""Decodes a video once from end to end and measures what can be trusted."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from gcvideo.data.decoding.decode import (
    DecodeError,
    Frames,
    forward,
    is_special,
)
from gcvideo.data.decoding.readers import decord as decord_reader
from gcvideo.data.decoding.readers import pictures
from gcvideo.data.decoding.rgb import RgbFilter
from gcvideo.data.indexing.header import Header, read_header
from gcvideo.data.indexing.trust import right_readers, thinned

# A decoder goes wrong just before and after a key frame that it seeks to (open GOPs), after any seek (WMV), or from
# the first frame on (edit lists, program streams). So it is compared around the key frames 1, 2, 4, 8, ..., and at this
# many places spread over the file, the last frame among them.
_BEFORE_KEY_FRAME = 4
_PLACES = 7
# Frames whose pictures are compared by their small grey copies: all equal is one picture repeated.
_FINGERPRINT_PX = 16
_FROZEN = 0.9  # share of the frames
_VARIABLE = 0.25  # of a frame's time: so far may a frame lie from where a constant rate puts it


@dataclass(frozen=True)
class Probe:
    """What a file really holds; the attributes are those of ``VideoRecord``, and ``times`` of all frames in seconds."""

    fps: float
    is_vfr: bool
    width: int
    height: int
    pixel_aspect: float
    codec: str
    duration: float
    readers: str
    damage: str
    times: NDArray[np.float64]


@dataclass
class _Seen:
    """What one pass over all frames leaves: stretches of consecutive frames to compare, times, repeats."""

    stretches: list[dict[int, Frames]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    picture: bytes = b""  # of the last frame
    repeats: int = 0  # how often it came again without another between
    longest: int = 0
    corrupt: int = 0
    key_frames: int = 0
    last: Frames | None = None


def probe_video(path: Path) -> Probe:
    """Decodes every frame in order, and compares the decoders' random access with it around a few key frames.

    Raises:
        DecodeError: if the file has no decodable video frame; the message says why.
    """
    if is_special(path):
        raise DecodeError("not a regular file")
    try:
        header = read_header(path)  # first, as it refuses what decord would follow
        seen = _decode_all(path, _spread(path, header))
    except av.FFmpegError as error:
        raise DecodeError(f"cannot be decoded: {error.strerror}") from error
    if seen.last is None:
        raise DecodeError("no frame decodes")
    times = _filled(np.array(seen.times), header.fps)
    fps = rate(times) or header.fps
    height, width = seen.last.shape[:2]
    return Probe(
        fps=fps,
        is_vfr=varies(times, fps),
        width=width,
        height=height,
        pixel_aspect=header.pixel_aspect,
        codec=header.codec,
        duration=round(float(times[-1] - times[0] + (1 / fps if fps else 0)), 6),
        readers=right_readers(
            path,
            seen.stretches,
            num_frames=len(seen.times),
            num_groups=seen.key_frames + 1,
            is_open=header.is_open,
        ),
        damage=_damage(header, seen),
        times=times - times[0],
    )


def probe_pictures(folder: Path, fps: float) -> Probe:
    """Opens every picture of a folder.

    Raises:
        DecodeError: if one cannot be opened or has another size; or no rate is given.
    """
    if fps <= 0:
        raise DecodeError("a folder of pictures has no rate; give it: gcvideo index --fps 25")
    files = pictures.list_pictures(folder)
    shapes = {pictures.open_picture(path).shape[:2] for path in files}
    if len(shapes) > 1:
        raise DecodeError("its pictures have different sizes; make them equal")
    (height, width), total = shapes.pop(), len(files)
    duration, times = round(total / fps, 6), np.arange(total) / fps
    gaps = pictures.num_missing(files)
    damage = f"{gaps} numbers between its pictures are missing" if gaps else ""
    return Probe(fps, False, width, height, 1.0, "pictures", duration, "pictures:seek", damage, times)


def rate(times: NDArray[np.float64]) -> float:
    """Average frames per second from the time stamps; 0 where they do not tell."""
    if len(times) < 2 or times[-1] <= times[0]:
        return 0.0
    return round(float((len(times) - 1) / (times[-1] - times[0])), 6)


def varies(times: NDArray[np.float64], fps: float) -> bool:
    """Whether frames lie elsewhere than a constant rate puts them."""
    if fps == 0:
        return False
    offsets = (times - times[0]) * fps - np.arange(len(times))
    return bool(np.ptp(offsets) > 2 * _VARIABLE)


def _filled(times: NDArray[np.float64], fps: float) -> NDArray[np.float64]:
    """Times that a container does not give, or gives out of order, are those of a constant rate."""
    if np.isfinite(times).all() and (np.diff(times) > 0).all():
        return times
    return np.arange(len(times)) / (fps or 25.0)


def _spread(path: Path, header: Header) -> set[int]:
    """Frame numbers spread over what the file is believed to hold."""
    believed = header.num_shown
    if decord_reader.is_installed():
        try:
            believed = decord_reader.length(str(path))
        except DecodeError:
            pass
    return set(np.linspace(0, believed - 1, _PLACES).round().astype(int).tolist())


def _decode_all(path: Path, places: set[int]) -> _Seen:
    seen, before = _Seen(), deque[av.VideoFrame](maxlen=_BEFORE_KEY_FRAME)
    to_rgb = RgbFilter()
    for number, frame in enumerate(forward(path)):
        if number in places:
            seen.stretches.append({number: thinned(to_rgb(frame))})
        if number > 0 and frame.key_frame:
            seen.key_frames += 1
            if seen.key_frames.bit_count() == 1:  # a power of two
                stretch = [*before, frame]
                seen.stretches.append({number - len(before) + k: thinned(to_rgb(f)) for k, f in enumerate(stretch)})
        seen.times.append(frame.time if frame.time is not None else float("nan"))
        picture = _fingerprint(frame)
        seen.repeats, seen.picture = seen.repeats + 1 if picture == seen.picture else 0, picture
        seen.longest = max(seen.longest, seen.repeats)
        seen.corrupt += frame.is_corrupt
        before.append(frame)
    seen.last = to_rgb(before[-1]) if before else None
    return seen


def _fingerprint(frame: av.VideoFrame) -> bytes:
    return frame.reformat(_FINGERPRINT_PX, _FINGERPRINT_PX, "gray").to_ndarray().tobytes()


def _damage(header: Header, seen: _Seen) -> str:
    """What is wrong with a file that decodes; empty where nothing is seen."""
    found, total = header.missing(len(seen.times)), len(seen.times)
    if seen.corrupt:
        found.append(f"{seen.corrupt} frames are marked as corrupt")
    if total > 2 and seen.longest + 1 >= _FROZEN * total:
        found.append("one picture repeated" + ("" if seen.longest + 1 == total else f" {seen.longest + 1} times"))
    return "; ".join(found)
