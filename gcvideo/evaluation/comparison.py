"""Two tables of predictions, video by video: what they share, and how far the two networks differ on it."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gcvideo.errors import InputError
from gcvideo.evaluation.intervals import Interval, accuracy_interval
from gcvideo.evaluation.paired import Difference, difference
from gcvideo.evaluation.predictions import Predictions

_Key = tuple[str, float, float, int]


@dataclass(frozen=True)
class Paired:
    """The rows that two tables share, in the order of the first.

    Attributes:
        first: M rows.
        second: the same M videos.
        only_first: videos that the first table alone has.
        only_second: likewise.
        unread: videos of both that one of them has no score of.
        by_end_of_path: whether the videos lie in different folders and were matched below these.
    """

    first: Predictions
    second: Predictions
    only_first: int
    only_second: int
    unread: int
    by_end_of_path: bool


class ClassChange(NamedTuple):
    """How much better one class is recognised by the first.

    Attributes:
        name: of the class.
        videos: of it.
        first: recall, 0 to 1.
        second: recall, 0 to 1.
    """

    name: str
    videos: int
    first: float
    second: float


class Comparison(NamedTuple):
    """The first network against the second.

    Attributes:
        groups: how many the intervals are over.
        intervals: of the two accuracies; None with a single group.
        difference: of the accuracies, with McNemar's test; its interval says nothing with a single group.
        changes: classes whose recall differs, the largest difference first.
    """

    groups: int
    intervals: tuple[Interval, Interval] | None
    difference: Difference
    changes: list[ClassChange]


def paired(first: Predictions, second: Predictions) -> Paired:
    """Matches rows by (video, start, end); where no path is the same, by what follows the folder all videos are in.

    Raises:
        InputError: if the classes differ, a video has another label, or no video is shared.
    """
    _check_classes(first.classes, second.classes)
    keys = _keys(first, first.videos), _keys(second, second.videos)
    by_end = not keys[0].keys() & keys[1].keys()
    if by_end:
        keys = _keys(first, _below(first.videos)), _keys(second, _below(second.videos))
    shared = [key for key in keys[0] if key in keys[1]]
    rows = np.array([(keys[0][key], keys[1][key]) for key in shared], dtype=np.int64).reshape(-1, 2)
    one, other = first.taken(rows[:, 0]), second.taken(rows[:, 1])
    _check_labels(one, other)
    both = np.flatnonzero(one.is_scored & other.is_scored)
    if not len(both):
        raise InputError("the two have no video in common that both could read; measure the same split with both")
    only = len(first.videos) - len(shared), len(second.videos) - len(shared)
    return Paired(one.taken(both), other.taken(both), only[0], only[1], len(shared) - len(both), by_end)


def compared(pair: Paired) -> Comparison:
    """The figures; groups are those of the first table."""
    groups = np.unique(pair.first.groups, return_inverse=True)[1].astype(np.int64)
    hits = pair.first.hits, pair.second.hits
    several = int(groups.max()) > 0
    intervals = (accuracy_interval(hits[0], groups), accuracy_interval(hits[1], groups)) if several else None
    return Comparison(int(groups.max()) + 1, intervals, difference(*hits, groups), _changes(pair.first, *hits))


def _changes(table: Predictions, first: NDArray[np.bool_], second: NDArray[np.bool_]) -> list[ClassChange]:
    size = len(table.classes)
    videos = np.bincount(table.labels, minlength=size)
    right = [np.bincount(table.labels, weights=hits, minlength=size) for hits in (first, second)]
    shares = np.stack(right) / videos.clip(min=1)
    gains = shares[0] - shares[1]
    order = np.argsort(-np.abs(gains), kind="stable")
    return [
        ClassChange(table.classes[label], int(videos[label]), float(shares[0, label]), float(shares[1, label]))
        for label in order
        if gains[label]
    ]


def _check_classes(first: Sequence[str], second: Sequence[str]) -> None:
    for one, other, which in ((first, second, "second"), (second, first, "first")):
        missing = [name for name in one if name not in set(other)]
        if missing:
            raise InputError(
                f"the two have different classes ({len(first)} and {len(second)}): {missing[0]!r} is not among those "
                f"of the {which}; only networks of the same classes can be compared"
            )


def _check_labels(first: Predictions, second: Predictions) -> None:
    for video, label, other in zip(first.videos, first.labels, second.labels, strict=True):
        names = first.classes[label], second.classes[other]
        if names[0] != names[1]:
            raise InputError(
                f"{video} is {names[0]!r} in the first and {names[1]!r} in the second; "
                "measure both with the same labels"
            )


def _keys(table: Predictions, names: Sequence[str]) -> dict[_Key, int]:
    """The row of each video; one that is listed twice is a first and a second."""
    starts, ends = (np.round(times, 3).tolist() for times in (table.starts, table.ends))
    keys: dict[_Key, int] = {}
    times_seen: Counter[tuple[str, float, float]] = Counter()
    for row, part in enumerate(zip(names, starts, ends, strict=True)):
        keys[*part, times_seen[part]] = row
        times_seen[part] += 1
    return keys


def _below(videos: Sequence[str]) -> list[str]:
    """Paths from the folder on that all videos are in."""
    absolute = [os.path.abspath(video) for video in videos]
    folder = os.path.commonpath([os.path.dirname(video) for video in absolute]) if absolute else ""
    return [os.path.relpath(video, folder) for video in absolute]
