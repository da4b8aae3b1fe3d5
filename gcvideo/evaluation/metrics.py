"""Numbers of an evaluation, by torchmetrics."""

from __future__ import annotations

from torch import Tensor
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_confusion_matrix

from gcvideo.records import Evaluation


def accuracies(evaluation: Evaluation) -> dict[str, float]:
    """Shares of 0 to 1, each with its level in the name.

    ``top1`` and ``top5`` are of videos (the mean of the probabilities of their views), ``clip_top1`` and ``clip_top5``
    of single views, ``mean_class_top1`` gives every class the same weight. With fewer than five classes top-5 is
    top-K, which is always 1.
    """
    videos, clips = (
        (evaluation.probabilities, evaluation.labels),
        (evaluation.clip_probabilities, evaluation.clip_labels),
    )
    return {
        "top1": _accuracy(*videos, 1, "micro"),
        "top5": _accuracy(*videos, 5, "micro"),
        "mean_class_top1": _accuracy(*videos, 1, "macro"),
        "clip_top1": _accuracy(*clips, 1, "micro"),
        "clip_top5": _accuracy(*clips, 5, "micro"),
        "loss": evaluation.loss,
    }


def confusion(evaluation: Evaluation) -> Tensor:
    """Videos by true class (row) and predicted class (column): ``int64 (K, K)``."""
    num_classes = evaluation.probabilities.shape[1]
    return multiclass_confusion_matrix(evaluation.probabilities, evaluation.labels, num_classes)


def _accuracy(probabilities: Tensor, labels: Tensor, k: int, average: str) -> float:
    num_classes = probabilities.shape[1]
    if k >= num_classes:
        return 1.0
    share = multiclass_accuracy(probabilities, labels, num_classes, top_k=k, average=average)  # type: ignore[arg-type]
    return round(float(share), 6)  # from float32: 0.95 is not 0.94999999
