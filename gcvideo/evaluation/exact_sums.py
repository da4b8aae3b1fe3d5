"""Sums of scores that are the same in any order, and so on any number of processes: whole numbers of a small unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypeVar

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

ViewAverage = Literal["probabilities", "logits"]
T = TypeVar("T")

MOST_VIEWS = 2**15  # of a video: as many of the largest numbers below fit into 64 bits
_UNITS = {"probabilities": 2.0**-44, "logits": 2.0**-32}  # 6e-14 and 2e-10
_LEAST_LOG = -(2.0**15)  # the exponential of it is 0 in every format
_ROWS = 1024  # that the processes add up at a time


def to_units(logits: Tensor, average: ViewAverage) -> NDArray[np.int64]:
    """What of each view is added up, as whole numbers: ``int64 (N, K)``.

    For ``logits`` it is their logarithmic softmax, which differs from them by a number a view, and so does the mean;
    the softmax of the mean is the same.

    Args:
        logits: (N, K), finite, float64.
        average: of what.
    """
    shares = logits.softmax(dim=1) if average == "probabilities" else logits.log_softmax(dim=1).clamp(min=_LEAST_LOG)
    whole: NDArray[np.int64] = (shares / _UNITS[average]).round().long().numpy()
    return whole


def mean_probabilities(
    sums: Mapping[int, NDArray[np.int64]], counts: Mapping[int, int], num_classes: int, average: ViewAverage
) -> Tensor:
    """The probabilities of videos: ``float32 (M, K)`` in the order of ``counts``, the same on every process.

    Args:
        sums: of each video that this process has seen, (K,), in units.
        counts: of every video of all processes, how many views were added up; the same on every process.
        num_classes: K.
        average: of what.
    """
    videos = list(counts)
    rows = torch.empty(len(videos), num_classes)
    for first in range(0, len(videos), _ROWS):
        part = videos[first : first + _ROWS]
        whole = _over_processes(_stacked([sums.get(video) for video in part], num_classes))
        means = whole.double() * _UNITS[average] / torch.tensor([counts[video] for video in part])[:, None]
        rows[first : first + _ROWS] = means if average == "probabilities" else means.softmax(dim=1)
    return rows


def gathered(mine: T) -> list[T]:
    """What each process has, in the order of their ranks; small things."""
    if not _has_others():
        return [mine]
    parts: list[T] = [mine] * dist.get_world_size()
    dist.all_gather_object(parts, mine)
    return parts


def _stacked(rows: Sequence[NDArray[np.int64] | None], num_classes: int) -> Tensor:
    """(M, K), zeros for what this process has not seen."""
    nothing = np.zeros(num_classes, np.int64)
    return torch.from_numpy(np.stack([nothing if row is None else row for row in rows]))


def _over_processes(whole: Tensor) -> Tensor:
    """The sum over all processes, on each of them."""
    if not _has_others():
        return whole
    device = "cuda" if "nccl" in dist.get_backend() else "cpu"
    whole = whole.to(device)
    dist.all_reduce(whole)
    return whole.cpu()


def _has_others() -> bool:
    return dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1
