"""Numbers of an evaluation, by torchmetrics."""

from __future__ import annotations

from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_confusion_matrix

from gcvideo.records import Evaluation


def accuracies(evaluation: Evaluation) -> dict[str, float]:
    """Shares of 0 to 1, each with its level in the name.

    ``top1`` and ``top5`` are of videos (the mean of the probabilities of their views), ``clip_top1`` and ``clip_top5``
    of single views, ``mean_class_top1`` gives every class that has videos the same weight. With fewer than five classes
    top-5 is top-K, which is always 1.
    """
    videos = evaluation.probabilities, evaluation.labels
    return {
        "top1": _accuracy(*videos, 1),
        "top5": _accuracy(*videos, 5),
        "mean_class_top1": _mean_of_classes(confusion(evaluation)),
        "clip_top1": round(evaluation.clip_top1, 6),
        "clip_top5": round(evaluation.clip_top5, 6),
        "loss": evaluation.loss,
    }


def confusion(evaluation: Evaluation) -> Tensor:
    """Videos by true class (row) and predicted class (column): ``int64 (K, K)``."""
    num_classes = evaluation.probabilities.shape[1]
    return multiclass_confusion_matrix(evaluation.probabilities, evaluation.labels, num_classes)


def _mean_of_classes(counts: Tensor) -> float:
    """Of those that have videos; torchmetrics' macro average takes one that was only predicted for a 0."""
    videos = counts.sum(dim=1)
    held = videos > 0
    return round(float((counts.diagonal()[held] / videos[held]).double().mean()), 6)


def _accuracy(probabilities: Tensor, labels: Tensor, k: int) -> float:
    num_classes = probabilities.shape[1]
    if k >= num_classes:
        return 1.0
    share = multiclass_accuracy(probabilities, labels, num_classes, top_k=k, average="micro")
    return round(float(share), 6)  # from float32: 0.95 is not 0.94999999
