from __future__ import annotations

import csv
import io
import json
import math

import numpy as np
import pytest
import torch
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    confusion_matrix,
    recall_score,
    top_k_accuracy_score,
)

from gcvideo.evaluation.metrics import accuracies
from gcvideo.evaluation.predictions import Predictions
from gcvideo.evaluation.report import as_numbers, per_class_csv, report
from gcvideo.records import Evaluation
from tests.evaluation.tables import table


def _evaluation(predictions: Predictions) -> Evaluation:
    labels, count = torch.from_numpy(predictions.labels), len(predictions.labels)
    probabilities = torch.from_numpy(predictions.probabilities)
    views = torch.ones(count)
    return Evaluation(torch.arange(count), labels, probabilities, count, 0.5, 0.5, 0.1, views=views)


def _random(num_classes: int, number: int = 600) -> Predictions:
    draw = np.random.default_rng(num_classes)
    labels = draw.integers(0, num_classes, number)
    predicted = np.where(draw.random(number) < 0.6, labels, draw.integers(0, num_classes, number))
    return table(labels.tolist(), predicted.tolist(), num_classes)


@pytest.mark.parametrize("num_classes", [3, 8, 400])
def test_figures_are_those_of_scikit_learn(num_classes: int) -> None:
    predictions = _random(num_classes, 3000)
    numbers, found = accuracies(_evaluation(predictions)), report(predictions)
    labels, predicted, every = predictions.labels, predictions.predicted, list(range(num_classes))
    present = sorted(set(labels.tolist()))
    assert numbers["top1"] == pytest.approx(accuracy_score(labels, predicted), abs=1e-6)
    recalls = recall_score(labels, predicted, labels=present, average="macro")
    assert numbers["mean_class_top1"] == pytest.approx(recalls, abs=1e-6)
    if num_classes > 5:
        top5 = top_k_accuracy_score(labels, predictions.probabilities, k=5, labels=every)
        assert numbers["top5"] == pytest.approx(top5, abs=1e-6)
    np.testing.assert_array_equal(found.counts, confusion_matrix(labels, predicted, labels=every))


def test_class_without_videos_does_not_lower_the_mean_over_classes() -> None:
    """All videos are of class 0, and half of them are taken for class 1."""
    predictions = table([0, 0, 0, 0], [0, 0, 1, 1])
    with pytest.warns(UserWarning, match="y_pred contains classes not in y_true"):
        expected = balanced_accuracy_score(predictions.labels, predictions.predicted)
    found = report(predictions)
    assert accuracies(_evaluation(predictions))["mean_class_top1"] == expected == 0.5
    assert found.mean_class_top1 is not None
    assert found.mean_class_top1.low <= 0.5 <= found.mean_class_top1.high


@pytest.mark.parametrize(
    ("labels", "predicted", "num_classes"),
    [
        ([0, 1, 0, 1], [0, 1, 1, 1], 2),
        ([1, 1, 1], [1, 0, 1], 2),
        ([2, 2], [2, 2], 3),
        ([0, 1, 2, 2], [0, 1, 1, 1], 3),
        ([0, 1, 2], [2, 0, 1], 3),
        ([7], [7], 400),
        ([7, 9, 11], [7, 9, 12], 400),
        ([0, -0, 1], [0, -1, 1], 2),
    ],
    ids=["two classes", "one in the split", "all right", "never predicted", "all wrong", "one video", "400", "unread"],
)
def test_every_figure_is_a_number_or_null(labels: list[int], predicted: list[int], num_classes: int) -> None:
    predictions = table(labels, predicted, num_classes)
    found = report(predictions)
    numbers = as_numbers(found, predictions)
    json.dumps(numbers, allow_nan=False)
    assert 0.05 <= numbers["temperature"] <= 20
    assert 0 <= numbers["ece"] <= 1
    several = sum(guess >= 0 for guess in predicted) > 1
    assert (numbers["intervals"]["top1"] is not None) == several
    assert len(found.rows) == num_classes
    if several:
        scored = predictions.scored()
        assert accuracies(_evaluation(scored)).keys() >= {"top1", "top5", "mean_class_top1"}
        assert not any(math.isnan(value) for value in accuracies(_evaluation(scored)).values())


def test_interval_holds_its_figure_and_is_wider_over_groups() -> None:
    predictions = _random(5)
    grouped = table(
        predictions.labels.tolist(), predictions.predicted.tolist(), 5, groups=tuple(str(n // 60) for n in range(600))
    )
    alone, together = report(predictions), report(grouped)
    assert (alone.groups, together.groups) == (600, 10)
    assert alone.top1 is not None
    assert alone.top1.low < predictions.hits.mean() < alone.top1.high
    assert report(table([0, 1], [0, 1], groups=("g", "g"))).top1 is None


def test_surest_mistakes_come_first_and_unread_videos_are_none() -> None:
    predictions = table([0, 1, 1, 2], [1, 1, 0, -1])
    predictions.probabilities[0] = [0.1, 0.8, 0.1]
    predictions.probabilities[2] = [0.9, 0.1, 0.0]
    found = report(predictions)
    assert found.worst == [2, 0]
    first = as_numbers(found, predictions)["worst"][0]
    assert (first["video"], first["label"], first["prediction"]) == ("/data/v2.mp4", "class 1", "class 0")
    assert first["probability"] == pytest.approx(0.9)


def test_table_of_classes_has_a_row_each_and_no_value_where_there_is_none() -> None:
    predictions = table([0, 0, 1], [0, 1, 1], classes=("=run", "jump", "never"))
    rows = list(csv.DictReader(io.StringIO(per_class_csv(report(predictions), predictions.classes))))
    assert [row["class"] for row in rows] == ["'=run", "jump", "never"]
    assert [row["recall"] for row in rows] == ["0.5", "1", ""]
    assert [row["videos"] for row in rows] == ["2", "1", "0"]


def test_probability_above_one_by_rounding_is_no_score() -> None:
    """torchmetrics takes what is not between 0 and 1 for logits."""
    predictions = table([0, 1, 0, 1], [0, 1, 0, 1], 2)
    predictions.probabilities[:] = [[1, 0], [0, 1], [1, 0], [0, 1]]
    predictions.probabilities[0, 0] = np.nextafter(np.float32(1), np.float32(2))
    assert report(predictions).ece == pytest.approx(0, abs=1e-6)
