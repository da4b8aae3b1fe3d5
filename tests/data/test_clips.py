from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gcvideo.data.clips import ClipSpec, Sampling, Short, Timeline, choose_clips


def _regular(total: int, num_frames: int, stride: int, num_clips: int = 1, **values: Any) -> Any:
    return choose_clips(ClipSpec(num_frames, stride, num_clips, **values), Timeline(total, 30.0)).tolist()


def test_clips_at_regular_starts() -> None:
    assert _regular(10, 3, 2, 2) == [[0, 2, 4], [5, 7, 9]]
    assert _regular(10, 3, 2, 3) == [[0, 2, 4], [2, 4, 6], [5, 7, 9]]


def test_one_clip_stands_in_the_middle() -> None:
    assert _regular(10, 3, 2) == [[2, 4, 6]]


def test_short_video_is_looped_or_held() -> None:
    assert _regular(5, 4, 2) == [[0, 2, 4, 1]]
    assert _regular(5, 4, 2, short="hold") == [[0, 2, 4, 4]]


def test_random_clips_reach_every_start() -> None:
    clips = choose_clips(ClipSpec(2, 4, 200), Timeline(8), np.random.default_rng(0))
    assert set(clips[:, 0].tolist()) == {0, 1, 2, 3}


def test_target_rate_takes_the_frame_shown_at_each_moment() -> None:
    assert _regular(60, 4, 1, target_fps=10.0) == [[25, 28, 31, 34]]  # of 30 a second: every third, in the middle
    assert _regular(60, 4, 2, target_fps=60.0) == [[28, 29, 30, 31]]
    assert _regular(3, 5, 1, target_fps=60.0) == [[0, 0, 1, 1, 2]]  # each frame twice


def test_target_rate_beyond_the_end_loops_or_holds() -> None:
    assert _regular(6, 4, 1, target_fps=10.0) == [[0, 3, 0, 3]]
    assert _regular(6, 4, 1, target_fps=10.0, short="hold") == [[0, 3, 5, 5]]


def test_target_rate_goes_by_real_times() -> None:
    times = np.array([0.0, 0.1, 0.2, 0.3, 0.32, 0.34, 0.36, 0.38, 0.4])
    timeline = Timeline(9, 22.5, times)
    assert choose_clips(ClipSpec(5, 1, target_fps=10.0), timeline).tolist() == [[0, 1, 2, 3, 8]]


def test_same_moments_are_seen_whatever_the_rate_of_the_file() -> None:
    spec = ClipSpec(8, 2, 5, target_fps=15.0)
    slow, fast = (choose_clips(spec, Timeline(int(4 * fps), fps)) / fps for fps in (25.0, 50.0))
    assert np.abs(slow - fast).max() <= 1 / 25 + 1e-9


def test_segments_take_a_frame_from_each_part() -> None:
    assert _regular(40, 4, 1, sampling="segments") == [[5, 15, 25, 35]]
    assert _regular(40, 4, 1, 2, sampling="segments") == [[2, 12, 22, 32], [7, 17, 27, 37]]
    assert _regular(2, 4, 1, sampling="segments") == [[0, 0, 1, 1]]
    drawn = choose_clips(ClipSpec(4, 1, 100, sampling="segments"), Timeline(40), np.random.default_rng(0))
    assert (drawn // 10 == np.arange(4)).all()
    assert len(set(drawn[:, 0].tolist())) == 10


@given(
    st.integers(1, 60),
    st.integers(1, 9),
    st.integers(1, 9),
    st.integers(1, 5),
    st.integers(0, 99),
    st.sampled_from([None, 0.5, 7.0, 30.0, 120.0]),
    st.sampled_from(get_args(Sampling)),
    st.sampled_from(get_args(Short)),
)
def test_indices_lie_in_the_video_and_rise_where_it_is_long_enough(
    total: int,
    num_frames: int,
    stride: int,
    num_clips: int,
    seed: int,
    target_fps: float | None,
    sampling: Sampling,
    short: Short,
) -> None:
    spec = ClipSpec(num_frames, stride, num_clips, target_fps, sampling, short)
    for generator in (None, np.random.default_rng(seed)):
        indices = choose_clips(spec, Timeline(total, 29.97), generator)
        assert indices.dtype == np.int64
        assert indices.shape == (num_clips, num_frames)
        assert indices.min() >= 0
        assert indices.max() < total
        if short == "hold" or sampling == "segments":
            assert (np.diff(indices, axis=1) >= 0).all()


@pytest.mark.parametrize("values", [(0, 1, 1), (1, 0, 1), (1, 1, 0)])
def test_nothing_of_nothing_is_refused(values: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="expected at least 1 of everything"):
        choose_clips(ClipSpec(*values), Timeline(5))
