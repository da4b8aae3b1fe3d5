"""Which frames a clip is made of. Pure arithmetic: no file is opened here."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def random_clip(total: int, num_frames: int, frame_stride: int, generator: np.random.Generator) -> Indices:
    """One clip at a random place: ``int64 (1, num_frames)``, each in 0 <= index < total.

    A video shorter than the clip is looped, as in mmaction2: total 5, 4 frames, stride 2 gives 0, 2, 4, 1.
    """
    latest = max(0, total - _span(num_frames, frame_stride))
    return _clips(np.array([generator.integers(latest + 1)]), total, num_frames, frame_stride)


def regular_clips(total: int, num_frames: int, frame_stride: int, num_clips: int) -> Indices:
    """Clips at regular places from the first to the last frame: ``int64 (num_clips, num_frames)``.

    One clip stands in the middle. Total 10, 3 frames, stride 2, 2 clips gives 0, 2, 4 and 5, 7, 9.
    A video shorter than the clip is looped.
    """
    latest = max(0, total - _span(num_frames, frame_stride))
    starts = np.array([latest // 2]) if num_clips == 1 else np.linspace(0, latest, num_clips).round()
    return _clips(starts, total, num_frames, frame_stride)


def _span(num_frames: int, frame_stride: int) -> int:
    return (num_frames - 1) * frame_stride + 1


def _clips(starts: NDArray[np.generic], total: int, num_frames: int, frame_stride: int) -> Indices:
    if min(total, num_frames, frame_stride) < 1:
        raise ValueError(f"expected at least 1, got total {total}, frames {num_frames}, stride {frame_stride}")
    offsets = np.arange(num_frames, dtype=np.int64) * frame_stride
    return (starts.astype(np.int64)[:, None] + offsets) % total
