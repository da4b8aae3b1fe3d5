"""What a network said of each video of a split: one row a video; prediction_files.py writes and reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gcvideo.records import Evaluation, VideoRecord


@dataclass(frozen=True)
class Predictions:
    """M videos in the order of their split.

    Attributes:
        classes: K names; the position is the label.
        videos: paths.
        starts: ``float64 (M,)``, seconds.
        ends: ``float64 (M,)``, seconds.
        groups: videos that belong together have the same name.
        labels: ``int64 (M,)``.
        probabilities: ``float32 (M, K)``, rows sum to 1; NaN where a video could not be read.
        failures: why not; empty where it could.
        views: ``int64 (M,)``, how many of its views have a score; 0 where a video could not be read.
        origin: what they are of: split, views, checkpoint, step, epoch, data, own_data, gcvideo.
    """

    classes: tuple[str, ...]
    videos: tuple[str, ...]
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    groups: tuple[str, ...]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float32]
    failures: tuple[str, ...]
    views: NDArray[np.int64]
    origin: Mapping[str, Any]

    @property
    def is_scored(self) -> NDArray[np.bool_]:
        """(M,), whether a video could be read."""
        scored: NDArray[np.bool_] = np.isfinite(self.probabilities.sum(axis=1))
        return scored

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(M,), the class with the largest probability, the first of equal ones; 0 where there is none."""
        predicted: NDArray[np.int64] = np.nan_to_num(self.probabilities, nan=-1).argmax(axis=1)
        return predicted

    @property
    def hits(self) -> NDArray[np.bool_]:
        """(M,), whether the prediction is right."""
        hits: NDArray[np.bool_] = self.is_scored & (self.predicted == self.labels)
        return hits

    def taken(self, rows: Sequence[int] | NDArray[np.int64]) -> Predictions:
        """Some of the rows, in the given order."""
        kept = np.asarray(rows, dtype=np.int64)
        return replace(
            self,
            videos=tuple(self.videos[row] for row in kept),
            starts=self.starts[kept],
            ends=self.ends[kept],
            groups=tuple(self.groups[row] for row in kept),
            labels=self.labels[kept],
            probabilities=self.probabilities[kept],
            failures=tuple(self.failures[row] for row in kept),
            views=self.views[kept],
        )

    def scored(self) -> Predictions:
        """The rows of the videos that could be read."""
        return self.taken(np.flatnonzero(self.is_scored))


def predictions_of(
    evaluation: Evaluation,
    records: Sequence[VideoRecord],
    classes: Sequence[str],
    groups: Sequence[str],
    origin: Mapping[str, Any],
) -> Predictions:
    """The table of an evaluation; videos that it did not come to (``--trainer.limit_test_batches``) have no row.

    Args:
        evaluation: the scores.
        records: all videos of the split, in its order.
        classes: names; the position is the label.
        groups: one for each record.
        origin: see Predictions.
    """
    place = {video: row for row, video in enumerate(evaluation.video_indices.tolist())}
    failures = _failures(evaluation, records, [index for index in range(len(records)) if index not in place])
    indices = sorted([*place, *failures])
    probabilities = np.full((len(indices), len(classes)), np.nan, dtype=np.float32)
    probabilities[[index in place for index in indices]] = evaluation.probabilities.numpy()
    kept = [records[index] for index in indices]
    views = dict(zip(place, evaluation.views.tolist(), strict=True))
    return Predictions(
        classes=tuple(classes),
        videos=tuple(record.path for record in kept),
        starts=np.array([record.start for record in kept], dtype=np.float64),
        ends=np.array([record.end for record in kept], dtype=np.float64),
        groups=tuple(groups[index] for index in indices),
        labels=np.array([record.label for record in kept], dtype=np.int64),
        probabilities=probabilities,
        failures=tuple(failures.get(index, "") for index in indices),
        views=np.array([views.get(index, 0) for index in indices], dtype=np.int64),
        origin=dict(origin),
    )


def _failures(evaluation: Evaluation, records: Sequence[VideoRecord], missing: list[int]) -> dict[int, str]:
    """Which of the videos without scores failed, and how; the lines are in their order, and begin with the path."""
    lines = list(evaluation.failures)
    if len(lines) == len(missing):
        return dict(zip(missing, lines, strict=True))
    found: dict[int, str] = {}
    for index in missing:
        if lines and lines[0].startswith(records[index].path):
            found[index] = lines.pop(0)
    return found
