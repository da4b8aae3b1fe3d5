"""Reads by decord: fast, but without regard to edit lists, and not always right after a seek."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from gcvideo.data.decoding.decode import DecodeError, Frames, first_line

try:
    import decord
except (ImportError, OSError, RuntimeError):  # no wheel for this platform, or a library that cannot be loaded
    decord = None

_BEFORE_ZERO = (-1e6, -1e-3)  # seconds; an edit list has cut these frames away (lower numbers are no times at all)


def is_installed() -> bool:
    """Whether there is a decord here that can be loaded (wheels: x86_64 Linux and Windows)."""
    return decord is not None


def read(path: str, wanted: NDArray[np.int64], way: str) -> Frames:
    """See ``data/decoding/decode.py``. Frames before time zero are not counted, as players do not show them."""
    with _errors():
        video = decord.VideoReader(path, num_threads=1)
        numbers = wanted + _num_before_zero(video)
        return _forward(video, numbers) if way == "forward" else _frames(video.get_batch(numbers))


def length(path: str) -> int:
    """How many shown frames decord believes a video to have.

    Raises:
        DecodeError: if decord cannot open it, or is not installed.
    """
    if decord is None:
        raise DecodeError("decord is not installed")
    with _errors():
        video = decord.VideoReader(path, num_threads=1)
        return len(video) - _num_before_zero(video)


def _num_before_zero(video: decord.VideoReader) -> int:
    lowest, highest = _BEFORE_ZERO
    if len(video) == 0 or not lowest < video.get_frame_timestamp(0)[0] < highest:
        return 0
    starts = video.get_frame_timestamp(range(len(video)))[:, 0]
    return int(((lowest < starts) & (starts < highest)).sum())


def _forward(video: decord.VideoReader, numbers: NDArray[np.int64]) -> Frames:
    """Without a seek: right where a seek is not. Not by ``skip_frames``, which seeks where it skips a key frame."""
    video.seek(0)
    needed = set(numbers.tolist())
    frames = [frame for number in range(max(needed) + 1) for frame in [_next(video)] if number in needed]
    if len({frame.shape for frame in frames}) > 1:  # it turns the first frames of some rotated videos and not the rest
        raise DecodeError("decord gives frames of different sizes")
    return np.stack(frames)


def _next(video: decord.VideoReader) -> Frames:
    try:
        return _frames(video.next())
    except StopIteration:
        raise DecodeError("ends early; index the data again with: gcvideo index") from None


def _frames(batch: decord.nd.NDArray) -> Frames:
    """Others in the process may have set decord's bridge to torch, as pytorchvideo does; then these are tensors."""
    frames: Frames = batch.asnumpy() if hasattr(batch, "asnumpy") else batch.numpy()
    return frames


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (decord.DECORDError, RuntimeError, IndexError) as error:
        raise DecodeError(first_line(error)) from error
