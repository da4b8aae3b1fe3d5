"""What is worth knowing of an evaluation beyond its accuracies, from its table of predictions.

Conventions. Intervals are of 95 %, by bootstrap over groups of videos (the videos themselves where no groups are
named); with a single group there is none. ``ece`` is the expected calibration error of the probabilities as they are,
``temperature`` the one with the least loss on these very videos, ``ece_after_temperature`` the error when each half of
the groups is scaled with the temperature of the other half, so that no video helps to judge itself. The mean over
classes is over those that have videos. A figure that has no value (the precision of a class that was never predicted)
is NaN here, null in JSON and empty in CSV.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gcvideo.evaluation.calibration import (
    Reliability,
    calibration_error,
    fit_temperature,
    reliability,
    scaled_calibration_error,
)
from gcvideo.evaluation.intervals import Interval, accuracy_interval, mean_class_interval
from gcvideo.evaluation.per_class import ClassRow, Confused, most_confused, per_class
from gcvideo.evaluation.prediction_files import for_spreadsheets
from gcvideo.evaluation.predictions import Predictions

_WORST = 10


@dataclass(frozen=True)
class Report:
    """Figures of the videos that have a score.

    Attributes:
        groups: how many groups the intervals are over.
        top1: interval of the accuracy; None with a single group.
        mean_class_top1: interval of the mean over classes.
        ece: expected calibration error.
        temperature: that makes the probabilities mean what they say.
        ece_after_temperature: the error with it; NaN with a single group.
        bins: for a picture of the calibration.
        counts: ``int64 (K, K)``, videos by true class (row) and predicted class (column).
        rows: one for each class.
        confused: the pairs of classes that were confused most, at most ten.
        worst: rows of the table: the ten wrong answers that the network was surest of, the surest first.
    """

    groups: int
    top1: Interval | None
    mean_class_top1: Interval | None
    ece: float
    temperature: float
    ece_after_temperature: float
    bins: Reliability
    counts: NDArray[np.int64]
    rows: list[ClassRow]
    confused: list[Confused]
    worst: list[int]


def report(predictions: Predictions) -> Report:
    """The figures of a table.

    Args:
        predictions: with at least one video that could be read.
    """
    scored, num_classes = predictions.scored(), len(predictions.classes)
    groups = np.unique(scored.groups, return_inverse=True)[1].astype(np.int64)
    counts = _counts(scored.labels, scored.predicted, num_classes)
    probabilities = torch.from_numpy(scored.probabilities).clamp(0, 1)  # a sum may be off in the last digit
    tensors = probabilities, torch.from_numpy(scored.labels)
    several = int(groups.max()) > 0
    return Report(
        groups=int(groups.max()) + 1,
        top1=accuracy_interval(scored.hits, groups) if several else None,
        mean_class_top1=mean_class_interval(scored.hits, scored.labels, groups, num_classes) if several else None,
        ece=calibration_error(*tensors),
        temperature=fit_temperature(*tensors),
        ece_after_temperature=scaled_calibration_error(*tensors, torch.from_numpy(groups)),
        bins=reliability(*tensors),
        counts=counts,
        rows=per_class(counts),
        confused=most_confused(counts),
        worst=_worst(predictions),
    )


def as_numbers(found: Report, predictions: Predictions) -> dict[str, Any]:
    """The figures as JSON holds them, with names for the classes."""
    names = predictions.classes
    intervals = {"top1": found.top1, "mean_class_top1": found.mean_class_top1}
    return {
        "intervals": {
            "level": 0.95,
            "groups": found.groups,
            **{name: None if of is None else [round(of.low, 6), round(of.high, 6)] for name, of in intervals.items()},
        },
        "ece": _number(found.ece),
        "temperature": _number(found.temperature),
        "ece_after_temperature": _number(found.ece_after_temperature),
        "most_confused": [
            {
                "label": names[pair.true],
                "prediction": names[pair.predicted],
                "videos": pair.videos,
                "share": _number(pair.share),
            }
            for pair in found.confused
        ],
        "worst": [_answer(predictions, row) for row in found.worst],
    }


def per_class_csv(found: Report, names: tuple[str, ...]) -> str:
    """A row a class: class, videos, predicted, right, recall, precision, f1."""
    file = io.StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(["class", *ClassRow._fields[1:]])
    for row in found.rows:
        shares = ["" if math.isnan(share) else f"{share:.6g}" for share in row[4:]]
        writer.writerow([for_spreadsheets(names[row.label]), *row[1:4], *shares])
    return file.getvalue()


def _counts(labels: NDArray[np.int64], predicted: NDArray[np.int64], num_classes: int) -> NDArray[np.int64]:
    flat = np.bincount(labels * num_classes + predicted, minlength=num_classes**2)
    return flat.reshape(num_classes, num_classes)


def _worst(predictions: Predictions) -> list[int]:
    wrong = np.flatnonzero(predictions.is_scored & ~predictions.hits)
    confidence = predictions.probabilities[wrong, predictions.predicted[wrong]]
    return [int(row) for row in wrong[np.argsort(-confidence, kind="stable")[:_WORST]]]


def _answer(predictions: Predictions, row: int) -> dict[str, Any]:
    label, predicted = int(predictions.labels[row]), int(predictions.predicted[row])
    return {
        "video": predictions.videos[row],
        "start": float(predictions.starts[row]),
        "end": float(predictions.ends[row]),
        "label": predictions.classes[label],
        "prediction": predictions.classes[predicted],
        "probability": _number(float(predictions.probabilities[row, predicted])),
    }


def _number(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)
