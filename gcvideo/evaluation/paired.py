"""Two networks on the same videos: whether one is better, or chance would do."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from gcvideo.evaluation.intervals import Interval, difference_interval


class Difference(NamedTuple):
    """The first against the second.

    Attributes:
        accuracy: share of hits of the first less that of the second, -1 to 1.
        interval: of ``accuracy``, 95 %, by bootstrap over groups.
        only_first: videos that the first alone has right.
        only_second: likewise.
        p_value: of McNemar's exact test, two-sided: how likely chance makes the two counts differ so much, if both
            networks were equally good; videos of one group count as independent there.
    """

    accuracy: float
    interval: Interval
    only_first: int
    only_second: int
    p_value: float


def difference(first: NDArray[np.bool_], second: NDArray[np.bool_], groups: NDArray[np.int64]) -> Difference:
    """Compares the hits of two networks, video by video.

    Args:
        first: (M,), whether the first is right.
        second: (M,), of the same videos.
        groups: (M,), videos that belong together have the same number.

    Source:
        McNemar, https://doi.org/10.1007/BF02295996; the exact form is a sign test of the videos that differ.
    """
    only_first, only_second = int((first & ~second).sum()), int((~first & second).sum())
    differ = only_first + only_second
    p_value = float(binomtest(only_first, differ).pvalue) if differ else 1.0
    share = (only_first - only_second) / len(first)
    return Difference(share, difference_interval(first, second, groups), only_first, only_second, p_value)
