from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import bootstrap

from gcvideo.evaluation.intervals import accuracy_interval, difference_interval, mean_class_interval


def _hits(number: int, share: float, seed: int = 0) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random(number) < share


def test_interval_without_groups_is_that_of_scipy() -> None:
    hits = _hits(400, 0.7)
    ours = accuracy_interval(hits, np.arange(400))
    theirs = bootstrap((hits.astype(float),), np.mean, n_resamples=5000, method="percentile", rng=0).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.01)


def test_videos_of_one_group_tell_less_than_as_many_of_their_own() -> None:
    """Ten takes of each scene that are all right or all wrong: the interval is that of a tenth of the videos."""
    scenes = _hits(40, 0.6)
    grouped = accuracy_interval(scenes.repeat(10), np.arange(40).repeat(10))
    alone = accuracy_interval(scenes, np.arange(40))
    naive = accuracy_interval(scenes.repeat(10), np.arange(400))
    assert grouped == pytest.approx(alone)
    assert grouped.high - grouped.low > 2.5 * (naive.high - naive.low)


def test_interval_holds_the_true_share_about_as_often_as_it_says() -> None:
    held = [accuracy_interval(_hits(200, 0.8, seed), np.arange(200)) for seed in range(200)]
    assert 0.9 <= np.mean([low <= 0.8 <= high for low, high in held]) <= 0.99


def test_each_class_counts_the_same() -> None:
    """99 videos of a class that is always right and one of a class that never is: the mean is a half, or the one."""
    labels = np.array([0] * 99 + [1])
    hits = labels == 0
    assert mean_class_interval(hits, labels, np.arange(100), 2) == (0.5, 1.0)
    low, high = accuracy_interval(hits, np.arange(100))
    assert 0.95 < low < high <= 1


def test_difference_of_a_network_and_itself_is_none() -> None:
    hits = _hits(50, 0.5)
    assert difference_interval(hits, hits, np.arange(50)) == (0, 0)


def test_one_video_has_an_interval() -> None:
    assert accuracy_interval(np.array([True]), np.array([7])) == pytest.approx((0.025, 1))


def test_all_right_or_all_wrong_is_an_interval_with_a_width() -> None:
    """Clopper and Pearson: at the ends it is 1 - (alpha / 2) ** (1 / n), of groups as of videos."""
    least = 0.025 ** (1 / 6)
    assert accuracy_interval(np.ones(6, bool), np.arange(6)) == pytest.approx((least, 1))
    assert accuracy_interval(np.zeros(12, bool), np.arange(6).repeat(2)) == pytest.approx((0, 1 - least))
    assert mean_class_interval(np.ones(6, bool), np.arange(6) % 2, np.arange(6), 2) is None
