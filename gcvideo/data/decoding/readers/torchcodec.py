"""Reads by torchcodec (extra ``torchcodec``), always in its exact mode: the approximate one errs on variable rates."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from gcvideo.data.decoding.decode import DecodeError, Frames, first_line


def is_installed() -> bool:
    """Whether torchcodec can be imported and finds FFmpeg's libraries."""
    if find_spec("torchcodec") is None:
        return False
    try:
        import torchcodec.decoders  # noqa: F401 (loads FFmpeg)
    except (ImportError, RuntimeError, OSError):
        return False
    return True


def read(path: str, wanted: NDArray[np.int64], way: str) -> Frames:
    """See ``data/decoding/decode.py``; both ways are the same here, as an exact decoder has scanned the file."""
    from torchcodec.decoders import VideoDecoder

    try:
        decoder = VideoDecoder(path, seek_mode="exact", dimension_order="NHWC", num_ffmpeg_threads=1)
        frames: Frames = decoder.get_frames_at(wanted.tolist()).data.numpy()
    except (RuntimeError, IndexError, ValueError) as error:
        raise DecodeError(first_line(error)) from error
    return frames
