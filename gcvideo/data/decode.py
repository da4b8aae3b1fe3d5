"""Opens a video, reads the frames asked for, closes it. Nothing is kept, no random number is drawn.

Both implementations give the same frames: upright, edit lists respected. decord is faster, but silently gives
wrong frames for some files; ``data/probe.py`` measures for each file which of the two may be used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]

# FFmpeg's names of the containers whose suffixes are read as videos.
_FORMATS = "mov,mp4,matroska,webm,avi,asf,flv,mpegts,mpeg,mpegvideo,m4v,h264,hevc,ogg,gif,mxf,rm,dv"

try:
    import decord
except ImportError:  # no wheel for this platform
    HAS_DECORD = False
else:
    HAS_DECORD = True


class DecodeError(RuntimeError):
    """A video gives fewer frames than asked for, or none; the message names the file."""


def read_frames(path: str | Path, indices: NDArray[np.int64], reader: str) -> Frames:
    """The frames at ``indices``, each decoded once: ``uint8 (*indices.shape, H, W, 3)``, RGB, 0-255.

    Args:
        path: the file.
        indices: frame numbers in 0 <= index < number of decodable frames, any shape, any order, repeats allowed.
        reader: ``decord`` or ``pyav``; where decord is not installed, PyAV reads all.

    Raises:
        DecodeError: if the file cannot be opened or ends before the highest index.
    """
    if not Path(path).is_file():
        raise DecodeError(f"{path}: no such file, or not a regular one")
    wanted, inverse = np.unique(indices, return_inverse=True)
    try:
        frames = READERS[reader if HAS_DECORD else "pyav"](str(path), wanted)
    except (av.FFmpegError, DecodeError) as error:
        raise DecodeError(f"{path}: {_first_line(error)}") from error
    return frames[inverse.reshape(indices.shape)]


def forward(path: str | Path) -> Iterator[av.VideoFrame]:
    """Every shown frame of a video's first real video stream, in order, by PyAV; damaged packets give none."""
    with open_video(path) as container:
        stream = first_video_stream(container)
        stream.thread_type = "SLICE"  # frame threads would decode ahead of what is read
        stream.codec_context.thread_count = 1
        for packet in container.demux(stream):
            yield from _frames_of(packet)


def open_video(path: str | Path) -> av.container.InputContainer:
    """Opens a file that holds its video itself; a playlist that names other files or addresses is refused."""
    return av.open(str(path), options={"format_whitelist": _FORMATS})


def _frames_of(packet: av.Packet[av.VideoStream]) -> list[av.VideoFrame]:
    try:
        return [frame for frame in packet.decode() if isinstance(frame, av.VideoFrame)]
    except av.InvalidDataError:
        return []


def first_video_stream(container: av.container.InputContainer) -> av.VideoStream:
    """The first video stream that is not a cover picture.

    Raises:
        DecodeError: if there is none.
    """
    streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
    if not streams:
        raise DecodeError("no video stream in it")
    return streams[0]


def to_rgb(frame: av.VideoFrame) -> Frames:
    """A frame as upright RGB: ``uint8 (H, W, 3)``."""
    quarter_turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), quarter_turns))


def _read_pyav(path: str, wanted: NDArray[np.int64]) -> Frames:
    needed = set(wanted.tolist())
    found = []
    for number, frame in enumerate(forward(path)):
        if number in needed:
            found.append(to_rgb(frame))
            if len(found) == len(needed):
                return np.stack(found)
    raise DecodeError(f"ends before frame {wanted[-1]}; index the data again with: gcvideo index")


def decord_length(path: str) -> int:
    """How many frames decord believes a video to have.

    Raises:
        DecodeError: if decord cannot open it, or is not installed.
    """
    if not HAS_DECORD:
        raise DecodeError("decord is not installed")
    with _decord_errors():
        return len(decord.VideoReader(path, num_threads=1))


def _read_decord(path: str, wanted: NDArray[np.int64]) -> Frames:
    with _decord_errors():
        video = decord.VideoReader(path, num_threads=1)
        frames: Frames = video.get_batch(wanted).asnumpy()
        return frames


@contextmanager
def _decord_errors() -> Iterator[None]:
    try:
        yield
    except (decord.DECORDError, RuntimeError, IndexError) as error:
        raise DecodeError(_first_line(error)) from error


def _first_line(error: BaseException) -> str:
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0].strip() if lines else type(error).__name__


READERS: dict[str, Callable[[str, NDArray[np.int64]], Frames]] = {"pyav": _read_pyav, "decord": _read_decord}
