"""Writes frames as an H.264 file that every player and decoder reads."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

# x264's look-ahead reads past the edge of pictures whose width is no multiple of 64 (seen with AVX-512: one clip in
# five came out differently from one run to the next); without it the same frames give the same bytes.
_REPEATABLE = "rc-lookahead=0:mbtree=0"


def write_video(path: Path, frames: NDArray[np.uint8], *, fps: float, crf: int = 18, gop: int = 32) -> None:
    """Encodes frames to an mp4 file; the same frames give the same bytes.

    Args:
        path: the file to write; a file that is there is replaced.
        frames: ``uint8 (T, H, W, 3)``, RGB; height and width even (4:2:0 halves them).
        fps: frames per second.
        crf: x264's quality, 0 (lossless) to 51.
        gop: frames from one key frame to the next, closed groups.

    Raises:
        ValueError: if the shape or type of ``frames`` is another one.
    """
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
        raise ValueError(f"expected uint8 (T, H, W, 3), got {frames.dtype} {frames.shape}")
    if frames.shape[1] % 2 or frames.shape[2] % 2:
        raise ValueError(f"expected an even height and width, got {frames.shape[1]}x{frames.shape[2]}")
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001))
        stream.height, stream.width, stream.pix_fmt = frames.shape[1], frames.shape[2], "yuv420p"
        stream.codec_context.thread_count = 1  # one thread: the same bytes on every machine
        stream.options = {"crf": str(crf), "preset": "veryfast", "g": str(gop), "x264-params": _REPEATABLE}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
