from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from gcvideo.evaluation.per_class import most_confused, per_class


@pytest.mark.parametrize("num_classes", [2, 7, 400])
def test_rows_are_those_of_scikit_learn(num_classes: int) -> None:
    draw = np.random.default_rng(num_classes)
    labels, predicted = draw.integers(0, num_classes, (2, 3000))
    every = range(num_classes)
    expected = precision_recall_fscore_support(labels, predicted, labels=every, zero_division=np.nan)
    rows = per_class(confusion_matrix(labels, predicted, labels=every))
    np.testing.assert_allclose([row.precision for row in rows], expected[0])
    np.testing.assert_allclose([row.recall for row in rows], expected[1])
    np.testing.assert_allclose([row.f1 for row in rows], expected[2])
    assert [row.videos for row in rows] == expected[3].tolist()


def test_class_without_videos_and_class_never_predicted_have_what_is_defined() -> None:
    """Class 0 is always right, class 1 taken for 0, class 2 does not occur."""
    rows = per_class(np.array([[3, 0, 0], [2, 0, 0], [0, 0, 0]]))
    assert [rows[0].recall, rows[0].precision] == pytest.approx([1, 0.6])
    assert (rows[1].recall, rows[1].f1) == (0, 0)
    assert math.isnan(rows[1].precision)
    assert all(math.isnan(share) for share in rows[2][4:])


def test_most_confused_pairs_come_first_and_what_is_right_does_not_count() -> None:
    counts = np.array([[90, 1, 4], [0, 5, 5], [0, 0, 7]])
    found = [(pair.true, pair.predicted, pair.videos) for pair in most_confused(counts)]
    assert found == [(1, 2, 5), (0, 2, 4), (0, 1, 1)]
    assert [pair.share for pair in most_confused(counts, 1)] == [0.5]
    assert most_confused(np.diag([3, 4])) == []
