"""Reads by PyAV, which brings its own FFmpeg and is always installed."""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
from numpy.typing import NDArray

from gcvideo.data.decode import (
    DecodeError,
    Frames,
    first_video_stream,
    forward,
    frames_of,
    one_thread,
    open_video,
    to_rgb,
)

# A frame this far ahead is reached by a seek; nearer ones are decoded on the way.
_FAR = 8


def is_installed() -> bool:
    """Always."""
    return True


def read(path: str, wanted: NDArray[np.int64], way: str) -> Frames:
    """See ``data/decode.py``. Seeking goes by presentation time stamps, which are read without decoding."""
    return _read_seeking(path, wanted) if way == "seek" else _read_forward(path, wanted)


def time_stamps(path: str) -> NDArray[np.int64]:
    """Presentation time stamps of the shown frames, rising, ``int64 (frames,)``, in units of the stream's time base.

    They are read from the packets; nothing is decoded.

    Raises:
        DecodeError: if a packet has none, or two have the same.
    """
    with open_video(path) as container:
        packets = container.demux(first_video_stream(container))
        stamps = [packet.pts for packet in packets if packet.size and not packet.is_discard]
    if any(stamp is None for stamp in stamps) or len(set(stamps)) < len(stamps):
        raise DecodeError("not every frame has a time stamp of its own")
    return np.sort(np.array(stamps, dtype=np.int64))


def seconds(path: str) -> NDArray[np.float64]:
    """When each frame is shown, from the first one on: ``float64 (frames,)``, seconds."""
    with open_video(path) as container:
        base = first_video_stream(container).time_base
    stamps = time_stamps(path)
    found: NDArray[np.float64] = (stamps - stamps[0]) * float(base or 0)
    return found


def _read_forward(path: str, wanted: NDArray[np.int64]) -> Frames:
    needed = set(wanted.tolist())
    found = []
    for number, frame in enumerate(forward(path)):
        if number in needed:
            found.append(to_rgb(frame))
            if len(found) == len(needed):
                return np.stack(found)
    raise DecodeError(_ended(wanted))


def _read_seeking(path: str, wanted: NDArray[np.int64]) -> Frames:
    stamps = time_stamps(path)
    if wanted[-1] >= len(stamps):
        raise DecodeError(_ended(wanted))
    with open_video(path) as container:
        stream = one_thread(first_video_stream(container))
        return np.stack([to_rgb(frame) for frame in _at(container, stream, stamps, wanted.tolist())])


def _at(
    container: av.container.InputContainer, stream: av.VideoStream, stamps: NDArray[np.int64], wanted: list[int]
) -> Iterator[av.VideoFrame]:
    """The frames with the numbers ``wanted``, rising."""
    frames: Iterator[av.VideoFrame] = iter(())
    passed = -_FAR - 1
    for number in wanted:
        if number - passed > _FAR and _has_key_frame(stream, stamps[max(passed, 0)], stamps[number]):
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
        back = max(2 * back, _FAR)


def _find(frames: Iterator[av.VideoFrame], stamp: int) -> av.VideoFrame | None:
    """The frame shown at ``stamp``; None where it is passed over."""
    for frame in frames:
        if frame.pts is not None and frame.pts >= stamp:
            return frame if frame.pts == stamp else None
    return None


def _has_key_frame(stream: av.VideoStream, after: int, until: int) -> bool:
    """Whether the container's index names a key frame between two times; unknown counts as no."""
    entry = stream.index_entries.search_timestamp(int(until), backward=True) if len(stream.index_entries) else -1
    return entry >= 0 and stream.index_entries[entry].timestamp > after


def _from(container: av.container.InputContainer, stream: av.VideoStream, stamp: int | None) -> Iterator[av.VideoFrame]:
    """Frames from the key frame before ``stamp`` on; None is the beginning."""
    begin = stream.start_time or 0
    container.seek(begin if stamp is None else stamp, stream=stream, backward=True)
    for packet in container.demux(stream):
        yield from frames_of(packet)


def _ended(wanted: NDArray[np.int64]) -> str:
    return f"ends before frame {wanted[-1]}; index the data again with: gcvideo index"
