from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcvideo.data.clips import random_clip, regular_clips


def test_clips_at_regular_starts() -> None:
    assert regular_clips(10, 3, 2, 2).tolist() == [[0, 2, 4], [5, 7, 9]]
    assert regular_clips(10, 3, 2, 3).tolist() == [[0, 2, 4], [2, 4, 6], [5, 7, 9]]


def test_one_clip_stands_in_the_middle() -> None:
    assert regular_clips(10, 3, 2, 1).tolist() == [[2, 4, 6]]


def test_short_video_is_looped() -> None:
    assert regular_clips(5, 4, 2, 1).tolist() == [[0, 2, 4, 1]]
    assert random_clip(1, 3, 8, np.random.default_rng(0)).tolist() == [[0, 0, 0]]


def test_random_clip_reaches_every_start() -> None:
    generator = np.random.default_rng(0)
    assert {int(random_clip(8, 2, 4, generator)[0, 0]) for _ in range(200)} == {0, 1, 2, 3}


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 9), st.integers(1, 5), st.integers(0, 99))
def test_indices_lie_in_the_video(total: int, num_frames: int, stride: int, num_clips: int, seed: int) -> None:
    for indices in (
        regular_clips(total, num_frames, stride, num_clips),
        random_clip(total, num_frames, stride, np.random.default_rng(seed)),
    ):
        assert indices.dtype == np.int64
        assert indices.shape[1] == num_frames
        assert indices.min() >= 0
        assert indices.max() < total


def test_empty_video_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1, got total 0"):
        regular_clips(0, 8, 8, 1)
