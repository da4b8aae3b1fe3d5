"""How far a figure may be off because the videos are a sample: bootstrap intervals, over groups of videos."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.stats import binomtest

RESAMPLES = 2000
_AT_ONCE = 100  # 20,000 groups are 16 MB then
_LEVEL = 0.95
_SEED = 0


class Interval(NamedTuple):
    """An interval of 95 %: percentiles of the draws, or the exact binomial one."""

    low: float
    high: float


def accuracy_interval(hits: NDArray[np.bool_], groups: NDArray[np.int64]) -> Interval:
    """Of the share of hits: groups are drawn with replacement, 2,000 times.

    Where all videos are right, or none is, every draw says the same; there it is the exact binomial interval, with each
    group for one trial.

    Args:
        hits: (M,), whether each video is right.
        groups: (M,), videos of one group (takes of one scene, parts of one film) have the same number; they are drawn
            together, for they are no independent samples.

    Source:
        Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13 (percentiles); Field and Welsh,
        https://doi.org/10.1111/j.1467-9868.2007.00593.x (groups); Clopper and Pearson,
        https://doi.org/10.1093/biomet/26.4.404 (exact).
    """
    if hits.all() or not hits.any():
        trials = len(np.unique(groups))
        exact = binomtest(trials if hits.all() else 0, trials).proportion_ci(_LEVEL, method="exact")
        return Interval(float(exact.low), float(exact.high))
    right, videos = _drawn(hits.astype(float)[:, None], groups)
    return _interval(right / videos)


def mean_class_interval(
    hits: NDArray[np.bool_], labels: NDArray[np.int64], groups: NDArray[np.int64], num_classes: int
) -> Interval | None:
    """Of the mean over classes of the share of hits in each; a class that a draw has no video of does not count there.

    Args:
        hits: (M,).
        labels: (M,), 0 to K - 1.
        groups: (M,).
        num_classes: K.

    Returns:
        None where every draw says the same (all videos right, or none): that is no interval.
    """
    if hits.all() or not hits.any():
        return None
    of_class = np.eye(num_classes)[labels]
    right, videos = np.hsplit(_sums_of_draws(np.hstack([of_class * hits[:, None], of_class]), groups), 2)
    with np.errstate(invalid="ignore"):
        return _interval(np.nanmean(right / videos, axis=1))


def difference_interval(first: NDArray[np.bool_], second: NDArray[np.bool_], groups: NDArray[np.int64]) -> Interval:
    """Of the share of hits of the first less that of the second, on the same videos."""
    differences = first.astype(float) - second.astype(float)
    sums, videos = _drawn(differences[:, None], groups)
    return _interval(sums / videos)


def _drawn(values: NDArray[np.float64], groups: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sums of one column, and numbers of videos, of each draw."""
    sums = _sums_of_draws(np.hstack([values, np.ones_like(values)]), groups)
    return sums[:, 0], sums[:, 1]


def _sums_of_draws(values: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """(2000, C) sums over the videos that each draw of groups holds, of values (M, C), most of which may be zeros."""
    names, group_of_video = np.unique(groups, return_inverse=True)
    videos = np.arange(len(groups))
    sums = csr_array((np.ones(len(groups)), (group_of_video, videos))) @ csr_array(values)  # (G, C)
    generator, count = np.random.default_rng(_SEED), len(names)
    parts = []
    for _ in range(RESAMPLES // _AT_ONCE):
        drawn = generator.integers(count, size=(_AT_ONCE, count)) + count * np.arange(_AT_ONCE)[:, None]
        times = np.bincount(drawn.ravel(), minlength=_AT_ONCE * count).reshape(_AT_ONCE, count)
        parts.append(times @ sums)
    return np.concatenate(parts)


def _interval(figures: NDArray[np.float64]) -> Interval:
    low, high = np.quantile(figures, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Interval(float(low), float(high))
