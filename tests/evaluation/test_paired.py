from __future__ import annotations

import math

import numpy as np
import pytest

from gcvideo.evaluation.paired import difference


def _pair(both: int, first: int, second: int, neither: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    counts = [both, first, second, neither]
    return (
        np.repeat([True, True, False, False], counts),
        np.repeat([True, False, True, False], counts),
        np.arange(sum(counts)),
    )


def test_difference_has_its_counts_share_and_exact_p_value() -> None:
    found = difference(*_pair(50, 12, 3, 35))
    assert (found.only_first, found.only_second) == (12, 3)
    assert found.accuracy == pytest.approx(0.09)
    tail = sum(math.comb(15, k) for k in range(4)) / 2**15
    assert found.p_value == pytest.approx(2 * tail)
    low, high = found.interval
    assert low < 0.09 < high


def test_no_difference_is_certain_to_be_chance() -> None:
    found = difference(*_pair(5, 0, 0, 5))
    assert (found.accuracy, found.p_value, found.interval) == (0, 1, (0, 0))


def test_second_being_better_is_the_mirror() -> None:
    one, other = difference(*_pair(50, 12, 3, 35)), difference(*_pair(50, 3, 12, 35))
    assert other.accuracy == pytest.approx(-one.accuracy)
    assert other.p_value == pytest.approx(one.p_value)
