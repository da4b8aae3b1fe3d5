"""Opens a video, reads the frames asked for, closes it. Nothing is kept, no random number is drawn.

Every reader in ``readers/`` gives the same frames: upright, edit lists respected. Some silently give wrong frames for
some files; ``data/indexing/probe.py`` measures for each file which of them may be used, and how.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

import av
import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]

# FFmpeg's names of the containers whose suffixes are read as videos.
_FORMATS = "mov,mp4,matroska,webm,avi,asf,flv,mpegts,mpeg,mpegvideo,m4v,h264,hevc,ogg,gif,mxf,rm,dv"

READERS = ("decord", "torchcodec", "pyav", "pictures")  # in order of preference where several are right
WAYS = ("seek", "forward")


class DecodeError(RuntimeError):
    """A video gives fewer frames than asked for, or none; the message names the file."""


class Reader(Protocol):
    """What a file in ``data/decoding/readers/`` has at its top level."""

    def is_installed(self) -> bool:
        """Whether it can be used here."""

    def read(self, path: str, wanted: NDArray[np.int64], way: str) -> Frames:
        """The frames ``wanted``, rising and distinct: ``uint8 (len(wanted), H, W, 3)``.

        Args:
            path: the file.
            wanted: frame numbers, counted from the first shown frame.
            way: ``seek`` may jump to key frames; ``forward`` decodes all frames from the first one on.

        Raises:
            DecodeError: if the file cannot be opened or ends before the highest number.
        """


@cache
def get_reader(name: str) -> Reader:
    """The reader of that name.

    Raises:
        DecodeError: if there is none, or it is not installed.
    """
    if name not in READERS:
        raise DecodeError(f"no reader {name!r}; there are {', '.join(READERS)}")
    reader = cast(Reader, import_module(f"gcvideo.data.decoding.readers.{name}"))
    if not reader.is_installed():
        raise DecodeError(f"{name} is not installed")
    return reader


def is_installed(name: str) -> bool:
    """Whether a reader can be used here."""
    try:
        return get_reader(name).is_installed()
    except DecodeError:
        return False


def read_frames(path: str | Path, indices: NDArray[np.int64], reader: str) -> Frames:
    """The frames at ``indices``, each decoded once: ``uint8 (*indices.shape, H, W, 3)``, RGB, 0-255.

    Args:
        path: the file; for ``pictures`` a folder.
        indices: frame numbers in 0 <= index < number of decodable frames, any shape, any order, repeats allowed.
        reader: name and way, such as ``decord:seek`` or ``pyav:forward``; the way may be left out (``seek``).

    Raises:
        DecodeError: if the file cannot be opened or ends before the highest index; the message names it.
    """
    if not Path(path).exists() or Path(path).is_dir() != (reader.split(":")[0] == "pictures") or is_special(path):
        raise DecodeError(f"{path}: no such file, or not a regular one")
    wanted, inverse = np.unique(indices, return_inverse=True)
    name, _, way = reader.partition(":")
    try:
        frames = get_reader(name).read(str(path), wanted, way or "seek")
    except (av.FFmpegError, DecodeError) as error:
        raise DecodeError(f"{path}: {first_line(error)}") from error
    return frames[inverse.reshape(indices.shape)]


def is_special(path: str | Path) -> bool:
    """Whether it is a pipe, a socket or a device: opening one may wait for ever."""
    return not (Path(path).is_file() or Path(path).is_dir())


def forward(path: str | Path) -> Iterator[av.VideoFrame]:
    """Every shown frame of a video's first real video stream, in order, by PyAV; damaged packets give none."""
    with open_video(path) as container:
        yield from decoded(container, one_thread(first_video_stream(container)))


def decoded(container: av.container.InputContainer, stream: av.VideoStream) -> Generator[av.VideoFrame]:
    """The frames from where the container stands; what is left when it is closed is passed over, not decoded.

    A demuxer that is left in the middle loses memory: a worker grew by 7 to 14 MiB in 5,000 clips (PyAV 18.1). Close it
    before the container: PyAV crashes where a closed one is read.
    """
    packets = container.demux(stream)
    try:
        for packet in packets:
            yield from frames_of(packet)
    finally:
        stream.discard = av.stream.Discard.all
        with suppress(av.FFmpegError):
            for _ in packets:
                pass
        stream.discard = av.stream.Discard.default


def open_video(path: str | Path) -> av.container.InputContainer:
    """Opens a file that holds its video itself; a playlist that names other files or addresses is refused."""
    return av.open(str(path), options={"format_whitelist": _FORMATS}, metadata_errors="replace")


def one_thread(stream: av.VideoStream) -> av.VideoStream:
    """Frame threads would decode ahead of what is read."""
    stream.thread_type = "SLICE"
    stream.codec_context.thread_count = 1
    return stream


def frames_of(packet: av.Packet[av.VideoStream]) -> list[av.VideoFrame]:
    """What a packet decodes to; nothing where it is damaged."""
    try:
        return [frame for frame in packet.decode() if isinstance(frame, av.VideoFrame)]
    except av.InvalidDataError:
        return []


def first_video_stream(container: av.container.InputContainer) -> av.VideoStream:
    """The first video stream that is not a cover picture.

    Raises:
        DecodeError: if there is none, or its codec is unknown.
    """
    streams = [s for s in container.streams.video if not s.disposition & av.stream.Disposition.attached_pic]
    if not streams:
        raise DecodeError("no video stream in it")
    if streams[0].codec_context is None:
        raise DecodeError("its codec is unknown")
    return streams[0]


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type."""
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[0].strip() if lines else type(error).__name__
