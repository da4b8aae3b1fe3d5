"""Whether the probabilities mean what they say, and the temperature that makes them do so."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor
from torch.nn.functional import nll_loss

BINS = 15
_LOWEST, _HIGHEST = 0.05, 20.0  # temperatures: beyond them all is certain, or nothing is


@dataclass(frozen=True)
class Reliability:
    """Videos by how sure the network was of its answer; only bins that hold some.

    Attributes:
        confidence: ``float32 (R,)``, mean probability of the predicted class, 0 to 1, rising.
        accuracy: ``float32 (R,)``, share of them that are right.
        count: ``int64 (R,)``, videos in the bin.
    """

    confidence: Tensor
    accuracy: Tensor
    count: Tensor


def calibration_error(probabilities: Tensor, labels: Tensor) -> float:
    """Expected calibration error: mean of |confidence - accuracy| over the bins of ``reliability``, by their videos.

    Args:
        probabilities: (M, K), rows sum to 1.
        labels: (M,).

    Source:
        Guo et al., https://arxiv.org/abs/1706.04599, equation 3.
    """
    bins = reliability(probabilities, labels)
    gaps = (bins.confidence - bins.accuracy).abs().double()
    return float((gaps * bins.count).sum() / len(labels))


def reliability(probabilities: Tensor, labels: Tensor) -> Reliability:
    """Videos in 15 bins of equal width: (0, 1/15], (1/15, 2/15], ...

    (torchmetrics has a bin more: that of all which are 1 exactly, and they are many in 32 bits.)
    """
    confidence, predicted = probabilities.max(dim=1)
    bins = (confidence * BINS).ceil().long().clamp(1, BINS) - 1
    count = bins.bincount(minlength=BINS)
    held = count > 0
    sums = torch.zeros(2, BINS, dtype=torch.float64)
    sums.index_add_(1, bins, torch.stack([confidence.double(), (predicted == labels).double()]))
    means = (sums[:, held] / count[held]).float()
    return Reliability(means[0], means[1], count[held])


def with_temperature(probabilities: Tensor, temperature: float) -> Tensor:
    """The probabilities of logits divided by a temperature: softmax(log p / T); the order of the classes stays.

    Args:
        probabilities: (M, K); a zero stays zero.
        temperature: above 0; above 1 makes the network less sure of itself.
    """
    return (probabilities.double().log() / temperature).softmax(dim=1).to(probabilities.dtype)


def fit_temperature(probabilities: Tensor, labels: Tensor) -> float:
    """The temperature with the least negative log-likelihood, 0.05 to 20; it has one minimum in 1 / T.

    Source:
        Guo et al., https://arxiv.org/abs/1706.04599, section 4.2.
    """
    scores = probabilities.double().clamp(min=1e-12).log()

    def loss(inverse: float) -> float:
        return float(nll_loss((scores * inverse).log_softmax(dim=1), labels))

    return 1 / float(minimize_scalar(loss, bounds=(1 / _HIGHEST, 1 / _LOWEST), method="bounded").x)


def scaled_calibration_error(probabilities: Tensor, labels: Tensor, groups: Tensor) -> float:
    """The calibration error after temperature scaling, each half of the videos with the temperature of the other.

    Args:
        probabilities: (M, K).
        labels: (M,).
        groups: ``int64 (M,)``, videos that belong together have the same number and come into the same half.

    Returns:
        NaN where all videos belong together.
    """
    half = torch.unique(groups, return_inverse=True)[1] % 2 == 0
    if half.all():
        return float("nan")
    scaled = torch.empty_like(probabilities)
    for part in (half, ~half):
        scaled[part] = with_temperature(probabilities[part], fit_temperature(probabilities[~part], labels[~part]))
    return calibration_error(scaled, labels)
