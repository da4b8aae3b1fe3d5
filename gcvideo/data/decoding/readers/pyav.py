"""Reads by PyAV, which brings its own FFmpeg and is always installed."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import closing

import av
import numpy as np
from numpy.typing import NDArray

from gcvideo.data.decoding.decode import (
    DecodeError,
    Frames,
    decoded,
    first_video_stream,
    forward,
    is_special,
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


def shown_times(path: str, *, is_damaged: bool) -> NDArray[np.float64]:
    """When each frame is shown, seconds: of the packets where each is a frame, else of the frames that decode.

    Raises:
        DecodeError: if it is a pipe or a device.
        av.FFmpegError: if it cannot be opened.
    """
    if is_special(path):
        raise DecodeError(f"{path}: no such file, or not a regular one")
    try:
        if not is_damaged:
            return seconds(path)
    except DecodeError:  # not every packet has a time
        pass
    return np.array([frame.time for frame in forward(path)], dtype=np.float64)


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
        with closing(_at(container, stream, stamps, keys, wanted.tolist())) as frames:
            return np.stack([to_rgb(frame) for frame in frames])


def _at(
    container: av.container.InputContainer,
    stream: av.VideoStream,
    stamps: NDArray[np.int64],
    keys: NDArray[np.int64],
    wanted: list[int],
) -> Generator[av.VideoFrame]:
    """The frames with the numbers ``wanted``, rising; frames before a key frame that lies on the way are skipped."""
    frames: Generator[av.VideoFrame] | None = None
    passed = -1
    try:
        for number in wanted:
            is_near = keys[np.searchsorted(keys, number, side="right") - 1] <= passed + 1
            frame = _find(frames, stamps[number]) if frames and is_near else None
            if frame is None:
                if frames:
                    frames.close()
                frame, frames = _seek(container, stream, stamps, number)
            yield frame
            passed = number
    finally:
        if frames:
            frames.close()


def _seek(
    container: av.container.InputContainer, stream: av.VideoStream, stamps: NDArray[np.int64], number: int
) -> tuple[av.VideoFrame, Generator[av.VideoFrame]]:
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
        frames.close()
        if start == 0:
            raise DecodeError("a frame is not where its time stamp says; index the data again with: gcvideo index")
        back = max(2 * back, _FURTHER_BACK)


def _find(frames: Iterator[av.VideoFrame], stamp: int) -> av.VideoFrame | None:
    """The frame shown at ``stamp``; None where it is passed over."""
    for frame in frames:
        if frame.pts is not None and frame.pts >= stamp:
            return frame if frame.pts == stamp else None
    return None


def _from(
    container: av.container.InputContainer, stream: av.VideoStream, stamp: int | None
) -> Generator[av.VideoFrame]:
    """Frames from the key frame before ``stamp`` on; None is the beginning."""
    begin = stream.start_time or 0
    container.seek(begin if stamp is None else stamp, stream=stream, backward=True)
    yield from decoded(container, stream)


def _ended(wanted: NDArray[np.int64]) -> str:
    return f"ends before frame {wanted[-1]}; index the data again with: gcvideo index"
