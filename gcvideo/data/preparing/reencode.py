"""Writes a video again as small H.264 with frequent key frames, so that training decodes it cheaply.

Frames stream from the decoder to the encoder one by one, so that a video of two hours takes no more memory than one of
two seconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path

import av
import numpy as np

from gcvideo.data.decoding.decode import DecodeError, forward, read_frames
from gcvideo.data.decoding.readers.pictures import list_pictures
from gcvideo.data.preparing.yuv import COLOUR_TAGS, YuvFilter
from gcvideo.errors import InputError

# As in data/encode.py: without x264's look-ahead the same frames give the same bytes.
_X264 = {"preset": "veryfast", "x264-params": "rc-lookahead=0:mbtree=0:open-gop=0"}
_LEAST_SIDE_PX = 16
_HIGHEST_CRF = 51  # x264's, for 8 bit
_PICTURES_AT_ONCE = 32


@dataclass(frozen=True)
class Encoding:
    """How videos are written for training.

    Attributes:
        short_side_px: a larger short side is made this long, an even number; a smaller one is left.
        gop: frames from one key frame to the next at most, closed groups; 1 makes every frame a key frame.
        crf: x264's quality, 0 (lossless) to 51.

    Raises:
        InputError: if a number is one that cannot be encoded; the message names the option of ``gcvideo prepare``.
    """

    short_side_px: int = 256
    gop: int = 1
    crf: int = 23

    def __post_init__(self) -> None:
        if self.short_side_px < _LEAST_SIDE_PX or self.short_side_px % 2:
            expected = f"expected an even number of at least {_LEAST_SIDE_PX}"
            raise InputError(f"--short-side is {self.short_side_px}; {expected}", exit_code=2)
        if self.gop < 1:
            raise InputError(f"--gop is {self.gop}; expected 1 (every frame a key frame) or more", exit_code=2)
        if not 0 <= self.crf <= _HIGHEST_CRF:
            raise InputError(f"--crf is {self.crf}; expected 0 (lossless) to {_HIGHEST_CRF}", exit_code=2)


def reencode_video(
    source: Path, target: Path, encoding: Encoding, *, fps: float, first_frame: int = 0, num_frames: int | None = None
) -> int:
    """Writes the frames ``first_frame <= k < first_frame + num_frames`` of a video, each once; gives their number.

    Upright, without sound, with the colour matrix of the source (in limited range; RGB becomes BT.709) and its time
    stamps, counted from the first frame written: a variable frame rate stays one. Pixels are taken to be square.

    Args:
        source: the video.
        target: the mp4 file to write; a file that is there is replaced.
        encoding: size and quality.
        fps: frames per second on average; a frame without a time stamp follows at this distance.
        first_frame: number of the first frame to write, 0-based.
        num_frames: at most this many; None writes all.

    Raises:
        DecodeError: if there is no such frame.
        av.FFmpegError: if a file cannot be opened, read or written; a full disk is an OSError with ENOSPC.
    """
    stop = None if num_frames is None else first_frame + num_frames
    frames = islice(_pictures(source) if source.is_dir() else forward(source), first_frame, stop)
    first = next(frames, None)
    if first is None:
        raise DecodeError(f"frame {first_frame} does not decode" if first_frame else "no frame decodes")
    return _write(target, chain([first], frames), first, encoding, fps or 25.0)


def output_size(width: int, height: int, short_side_px: int) -> tuple[int, int]:
    """Width and height in pixels, both even; the short side is at most ``short_side_px``.

    340 x 256 at 224 gives 298 x 224; 171 x 129 at 256 gives 170 x 128.
    """
    short = min(width, height)
    if short <= short_side_px:
        return max(width // 2 * 2, 2), max(height // 2 * 2, 2)
    scale = short_side_px / short
    return 2 * round(width * scale / 2), 2 * round(height * scale / 2)


def _pictures(folder: Path) -> Iterator[av.VideoFrame]:
    """A folder of numbered pictures, a few at a time."""
    total = len(list_pictures(folder))
    for start in range(0, total, _PICTURES_AT_ONCE):
        numbers = np.arange(start, min(start + _PICTURES_AT_ONCE, total))
        for frame in read_frames(folder, numbers, "pictures"):
            yield av.VideoFrame.from_ndarray(frame, format="rgb24")


def _write(target: Path, frames: Iterator[av.VideoFrame], first: av.VideoFrame, encoding: Encoding, fps: float) -> int:
    to_yuv = YuvFilter(*output_size(first.width, first.height, encoding.short_side_px))
    time_base = first.time_base or Fraction(1, 90_000)
    with av.open(str(target), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream: av.VideoStream | None = None
        clock = _Clock(max(round(1 / (fps * time_base)), 1))
        for frame in frames:
            picture = to_yuv(frame)
            picture.pts, picture.time_base = clock.next(frame.pts), time_base
            if stream is None:
                rate = Fraction(fps).limit_denominator(1001)
                stream = _add_stream(container, picture, encoding, rate=rate, time_base=time_base)
            container.mux(stream.encode(picture))
        assert stream is not None
        container.mux(stream.encode())
    return clock.count


class _Clock:
    """Time stamps from 0, strictly rising, as an mp4 file wants them."""

    def __init__(self, step: int) -> None:
        self.step, self.start, self.last, self.count = step, 0, -step, 0

    def next(self, pts: int | None) -> int:
        """The stamp of the next frame; one that is missing or does not rise is set behind the one before."""
        if self.count == 0:
            self.start = pts or 0
        expected = self.last + self.step if pts is None else pts - self.start
        self.last = max(expected, self.last + 1) if self.count else 0
        self.count += 1
        return self.last


def _add_stream(
    container: av.container.OutputContainer,
    picture: av.VideoFrame,
    encoding: Encoding,
    *,
    rate: Fraction,
    time_base: Fraction,
) -> av.VideoStream:
    stream = container.add_stream("libx264", rate=rate)
    stream.width, stream.height, stream.pix_fmt = picture.width, picture.height, "yuv420p"
    stream.time_base = stream.codec_context.time_base = time_base
    stream.codec_context.thread_count = 1  # the processes share the work, and the bytes are the same everywhere
    stream.options = {"crf": str(encoding.crf), "g": str(encoding.gop), **_X264}
    for name in COLOUR_TAGS:
        setattr(stream.codec_context, name, getattr(picture, name))
    return stream
