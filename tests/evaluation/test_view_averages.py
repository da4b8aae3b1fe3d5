"""The numbers that come of views: against plain loops, in any order, and where there is little to count."""

from __future__ import annotations

import math
import random
import sys
from itertools import product
from typing import Literal

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, top_k_accuracy_score
from torch import Tensor

from gcvideo.evaluation.metrics import accuracies, confusion
from gcvideo.evaluation.scores import VideoScores
from gcvideo.records import Batch, Evaluation, Sample

BOTH = pytest.mark.parametrize("average", ["probabilities", "logits"])
Average = Literal["probabilities", "logits"]


def _logits(videos: int, views: int, num_classes: int, seed: int = 0) -> Tensor:
    """(M, V, K)"""
    return 3 * torch.randn(videos, views, num_classes, generator=torch.Generator().manual_seed(seed))


def _labels(videos: int, num_classes: int) -> list[int]:
    return np.random.default_rng(1).integers(0, num_classes, videos).tolist()  # type: ignore[no-any-return]


def _clip(video: int, label: int, views: list[int]) -> Batch:
    clips = torch.zeros(len(views), 3, 1, 1, 1, dtype=torch.uint8)
    return Batch.collate([Sample(clips, label, video, torch.tensor(views))])


def _scored(
    logits: Tensor, labels: list[int], average: Average = "probabilities", *, order: int | None = None
) -> Evaluation:
    """Each view in a batch of its own, in the order of the list or in another."""
    scores = VideoScores(average)
    keys = list(product(range(logits.shape[0]), range(logits.shape[1])))
    if order is not None:
        random.Random(order).shuffle(keys)
    for video, view in keys:
        scores.update(_clip(video, labels[video], [view]), logits[video, view][None])
    return scores.compute()


def _plain_average(logits: list[list[float]], average: Average) -> list[float]:
    """Of one video (V, K), in Python's floats."""
    rows = logits if average == "logits" else [_softmax(row) for row in logits]
    means = [math.fsum(column) / len(rows) for column in zip(*rows, strict=True)]
    return _softmax(means) if average == "logits" else means


def _softmax(row: list[float]) -> list[float]:
    powers = [math.exp(value - max(row)) for value in row]
    return [power / math.fsum(powers) for power in powers]


@BOTH
@pytest.mark.parametrize(("views", "num_classes"), [(1, 2), (30, 2), (7, 40), (30, 400)])
def test_average_is_that_of_a_plain_loop(average: Average, views: int, num_classes: int) -> None:
    logits = _logits(6, views, num_classes)
    found = _scored(logits, _labels(6, num_classes), average).probabilities
    expected = [_plain_average(video.tolist(), average) for video in logits]
    assert np.abs(found.double().numpy() - np.array(expected)).max() < 1e-7
    torch.testing.assert_close(found.sum(dim=1), torch.ones(6))


def test_averages_of_probabilities_and_of_logits_differ() -> None:
    logits = torch.tensor([[[9.0, 0.0], [0.0, 2.0], [0.0, 2.0]]])
    of_probabilities, of_logits = (_scored(logits, [0], name).probabilities[0] for name in ("probabilities", "logits"))
    assert (int(of_probabilities.argmax()), int(of_logits.argmax())) == (1, 0)


@BOTH
def test_order_of_views_changes_no_bit(average: Average) -> None:
    logits, labels = _logits(5, 30, 50), _labels(5, 50)
    first, *others = (_scored(logits, labels, average, order=order) for order in (None, 1, 2, 3))
    for other in others:
        assert torch.equal(first.probabilities, other.probabilities)
        assert (first.loss, first.clip_top1, first.clip_top5) == (other.loss, other.clip_top1, other.clip_top5)


@BOTH
def test_scores_as_large_as_floats_can_be_have_probabilities(average: Average) -> None:
    largest = torch.finfo(torch.float32).max
    logits = torch.tensor([[[largest, 0.0, -largest], [0.0, 1.0, -largest]]])
    found = _scored(logits, [0], average)
    assert found.probabilities.isfinite().all()
    assert found.probabilities.argmax() == 0
    assert math.isfinite(found.loss)


@pytest.mark.parametrize("num_classes", [2, 4, 12])
def test_numbers_are_those_of_scikit_learn(num_classes: int) -> None:
    logits, labels = _logits(60, 6, num_classes, seed=num_classes), np.array(_labels(60, num_classes))
    found = _scored(logits, labels.tolist())
    numbers, every = accuracies(found), np.arange(num_classes)
    views, labels_of_views = logits.flatten(0, 1).double().softmax(dim=1).numpy(), labels.repeat(6)
    assert numbers["top1"] == pytest.approx(accuracy_score(labels, found.probabilities.argmax(dim=1)), abs=1e-6)
    assert numbers["mean_class_top1"] == pytest.approx(
        balanced_accuracy_score(labels, found.probabilities.argmax(dim=1)), abs=1e-6
    )
    assert numbers["clip_top1"] == pytest.approx(accuracy_score(labels_of_views, views.argmax(axis=1)), abs=1e-6)
    assert numbers["loss"] == pytest.approx(log_loss(labels_of_views, views, labels=every), rel=1e-7)
    for name, shares, of in (("top5", found.probabilities.numpy(), labels), ("clip_top5", views, labels_of_views)):
        top5 = top_k_accuracy_score(of, shares, k=5, labels=every) if num_classes > 5 else 1.0
        assert numbers[name] == pytest.approx(top5, abs=1e-6)


def test_view_that_comes_again_counts_once() -> None:
    logits, scores = _logits(1, 2, 3), VideoScores()
    for view in (0, 1, 1, 0, 1):
        scores.update(_clip(0, 2, [view]), logits[0, view][None])
    found = scores.compute()
    assert found.num_views == 2
    assert torch.equal(found.probabilities, _scored(logits, [2]).probabilities)
    assert found.loss == _scored(logits, [2]).loss


@pytest.mark.parametrize(
    ("labels", "num_classes"), [([0, 1, 1], 2), ([1, 1, 1], 2), ([3, 3, 3], 5), ([0], 2), ([7, 7, 399], 400)]
)
def test_numbers_are_defined_for_few_videos_and_classes(labels: list[int], num_classes: int) -> None:
    """Two classes, one class only in the split, one video, classes that are never predicted."""
    found = _scored(_logits(len(labels), 3, num_classes), labels)
    numbers = accuracies(found)
    assert all(math.isfinite(value) for value in numbers.values())
    assert all(0 <= numbers[name] <= 1 for name in numbers if name != "loss")
    assert int(confusion(found).sum()) == len(labels)


def test_scores_of_many_views_take_the_memory_of_one() -> None:
    """What is kept of a video is K numbers of eight bytes, and a little."""
    logits, scores = torch.zeros(30, 400), VideoScores()
    for video in range(50):
        scores.update(_clip(video, 0, list(range(30))), logits)
    kept = sum(row.nbytes for row in scores._sums.values())
    assert kept == 50 * 400 * 8
    assert all(row.base is None for row in scores._sums.values()), "a row of a larger array would keep all of it"
    assert sys.getsizeof(scores._seen.views[0]) < 40


def test_more_views_than_a_sum_can_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="expected at most 32768 views of each"):
        VideoScores().update(_clip(0, 0, [2**15]), torch.zeros(1, 2))


def test_other_averages_are_refused() -> None:
    with pytest.raises(ValueError, match="view_average is 'votes'; expected probabilities or logits"):
        VideoScores("votes")  # type: ignore[arg-type]
