"""What each class is taken for: a row a class, and the pairs that are confused most."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class ClassRow(NamedTuple):
    """One class.

    Attributes:
        label: class number.
        videos: that are of it.
        predicted: that were said to be of it.
        right: that are both.
        recall: right / videos, 0 to 1; NaN where there is none.
        precision: right / predicted, likewise.
        f1: their harmonic mean, 2 right / (videos + predicted), likewise.
    """

    label: int
    videos: int
    predicted: int
    right: int
    recall: float
    precision: float
    f1: float


class Confused(NamedTuple):
    """Videos of one class that were taken for another.

    Attributes:
        true: class number.
        predicted: class number.
        videos: how many.
        share: of the videos of the true class, 0 to 1.
    """

    true: int
    predicted: int
    videos: int
    share: float


def per_class(counts: NDArray[np.int64]) -> list[ClassRow]:
    """A row for each class.

    Args:
        counts: (K, K), videos by true class (row) and predicted class (column).
    """
    videos, predicted, right = counts.sum(axis=1), counts.sum(axis=0), counts.diagonal()
    with np.errstate(invalid="ignore"):
        shares = np.stack([right / videos, right / predicted, 2 * right / (videos + predicted)], axis=1)
    return [
        ClassRow(label, int(videos[label]), int(predicted[label]), int(right[label]), *map(float, shares[label]))
        for label in range(len(counts))
    ]


def most_confused(counts: NDArray[np.int64], number: int = 10) -> list[Confused]:
    """The pairs of classes with the most videos of the one taken for the other; equal ones by class number."""
    wrong = counts - np.diag(counts.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:number]
    rows, columns = np.unravel_index(order, wrong.shape)
    totals = counts.sum(axis=1)
    return [
        Confused(int(row), int(column), int(wrong[row, column]), float(wrong[row, column] / totals[row]))
        for row, column in zip(rows, columns, strict=True)
        if wrong[row, column]
    ]
