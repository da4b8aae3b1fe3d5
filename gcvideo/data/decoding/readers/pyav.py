"""Reads by PyAV, which brings its own FFmpeg and is always installed."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
from numpy.typing import NDArray

from gcvideo.data.decoding.decode import (
    DecodeError,
    Frames,
    decoded,
    first_video_stream,
    forward,
    one_thread,
    open_video,
)
from gcvideo.data.decoding.rgb import RgbFilter

_FURTHER_BACK = 8  # frames: a seek that went too far is tried again from there


def is_installed() -> bool:
    """Always."""
    return True


def read(path: str, wanted: NDArray[np.int64], way: str) -> Frames:
    """See ``data/decoding/decode.py``. Seeking goes by presentation time stamps, which are read without decoding."""
    return _read_seeking(path, wanted) if way == "seek" else _read_forward(path, wanted)


def time_stamps(path: str) -> NDArray[np.int64]:
    """Presentation time stamps of the shown frames, rising, ``int64 (frames,)``, in units of the stream's time base.

    They are read from the packets; nothing is decoded.

    Raises:
        DecodeError: if a packet has none, or two have the same.
    """
    with open_video(path) as container:
        return _stamps_and_keys(container, first_video_stream(container))[0]


def seconds(path: str) -> NDArray[np.float64]:
    """When each frame is shown, from the first one on: ``float64 (frames,)``, seconds.

    Raises:
        DecodeError: see ``time_stamps``.
    """
    with open_video(path) as container:
        base = first_video_stream(container).time_base
    stamps = time_stamps(path)
    found: NDArray[np.float64] = (stamps - stamps[0]) * float(base or 0)
    return found


def _stamps_and_keys(
    container: av.container.InputContainer, stream: av.VideoStream
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Time stamps of the shown frames, rising, and the numbers of the first and of all key frames; reads to the end."""
    packets = [(p.pts, p.is_keyframe) for p in container.demux(stream) if p.size and not p.is_discard]
    stamps = [stamp for stamp, _ in packets]
    if any(stamp is None for stamp in stamps) or len(set(stamps)) < len(stamps):
        raise DecodeError("not every frame has a time stamp of its own")
    if not packets:
        raise DecodeError("no packet of video in it")
    packets.sort()
    keys = [number for number, (_, is_key) in enumerate(packets) if is_key or number == 0]
    return np.array([stamp for stamp, _ in packets], dtype=np.int64), np.array(keys, dtype=np.int64)


def _read_forward(path: str, wanted: NDArray[np.int64]) -> Frames:
    needed, to_rgb = set(wanted.tolist()), RgbFilter()
    found = []
    for number, frame in enumerate(forward(path)):
        if number in needed:
            found.append(to_rgb(frame))
            if len(found) == len(needed):
                return np.stack(found)
    raise DecodeError(_ended(wanted))


def _read_seeking(path: str, wanted: NDArray[np.int64]) -> Frames:
    to_rgb = RgbFilter()
    with open_video(path) as container:
        stream = one_thread(first_video_stream(container))
        stamps, keys = _stamps_and_keys(container, stream)
        if wanted[-1] >= len(stamps):
            raise DecodeError(_ended(wanted))
        return np.stack([to_rgb(frame) for frame in _at(container, stream, stamps, keys, wanted.tolist())])


def _at(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    stamps: NDArray[np.int64],
    keys: NDArray[np.int64],
    wanted: list[int],
) -> Iterator[av.VideoFrame]:
    """The frames with the numbers ``wanted``, rising; frames before a key frame that lies on the way are skipped."""
    frames: Iterator[av.VideoFrame] = iter(())
    passed = -1
    for number in wanted:
        if keys[np.searchsorted(keys, number, side="right") - 1] > passed + 1:
            frames = iter(())
        frame = _find(frames, stamps[number])
        if frame is None:
            frame, frames = _seek(container, stream, stamps, number)
        yield frame
        passed = number


def _seek(
    container: av.container.InputContainer, stream: av.VideoStream, stamps: NDArray[np.int64], number: int
) -> tuple[av.VideoFrame, Iterator[av.VideoFrame]]:
    """The frame of that number, and those after it.

    A container may jump to a key frame that is stored before the frame but shown after it; then from further back.
    """
    back = 0
    while True:
        start = max(number - back, 0)
        frames = _from(container, stream, int(stamps[start]) if start else None)
        frame = _find(frames, stamps[number])
        if frame is not None:
            return frame, frames
        if start == 0:
            raise DecodeError("a frame is not where its time stamp says; index the data again with: gcvideo index")
        back = max(2 * back, _FURTHER_BACK)


def _find(frames: Iterator[av.VideoFrame], stamp: int) -> av.VideoFrame | None:
    """The frame shown at ``stamp``; None where it is passed over."""
    for frame in frames:
        if frame.pts is not None and frame.pts >= stamp:
            return frame if frame.pts == stamp else None
    return None


def _from(container: av.container.InputContainer, stream: av.VideoStream, stamp: int | None) -> Iterator[av.VideoFrame]:
    """Frames from the key frame before ``stamp`` on; None is the beginning."""
    begin = stream.start_time or 0
    container.seek(begin if stamp is None else stamp, stream=stream, backward=True)
    yield from decoded(container, stream)


def _ended(wanted: NDArray[np.int64]) -> str:
    return f"ends before frame {wanted[-1]}; index the data again with: gcvideo index"
