"""Collects the scores of views and averages them for each video, exactly once each, on any number of processes."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.nn.functional import cross_entropy

from gcvideo.errors import InputError
from gcvideo.records import Batch, Evaluation


class VideoScores:
    """Scores keyed by (video, view); a view that arrives twice (padding of the last batch) counts once."""

    def __init__(self) -> None:
        self._rows: dict[tuple[int, int], tuple[int, Tensor]] = {}
        self._failures: dict[int, str] = {}

    def update(self, batch: Batch, logits: Tensor) -> None:
        """Takes the scores of one batch.

        Args:
            batch: B videos with V views each.
            logits: (B * V, K), any floating dtype.
        """
        per_view = logits.detach().float().cpu().view(*batch.view_indices.shape, -1)  # (B, V, K)
        readable = batch.valid[:, 0].tolist()
        failures = iter(batch.failures)
        for row, video in enumerate(batch.video_indices.tolist()):
            if not readable[row]:
                self._failures[video] = next(failures)
                continue
            for column, view in enumerate(batch.view_indices[row].tolist()):
                self._rows[video, view] = (int(batch.labels[row]), per_view[row, column])

    def compute(self) -> Evaluation:
        """The scores of all processes together; the same on each of them.

        Raises:
            InputError: if not one video could be read, or the network's scores are no numbers.
        """
        rows, failures = _gathered(self._rows), _gathered(self._failures)
        if not rows:
            raise InputError(f"none of the {len(failures)} videos could be read: {next(iter(failures.values()), '')}")
        keys = sorted(rows)
        clip_labels = torch.tensor([rows[key][0] for key in keys])
        logits = torch.stack([rows[key][1] for key in keys])
        _check_finite(logits)
        videos, video_of_clip = torch.unique(torch.tensor([video for video, _ in keys]), return_inverse=True)
        probabilities = logits.softmax(dim=1)
        labels = torch.empty(len(videos), dtype=torch.long).scatter_(0, video_of_clip, clip_labels)
        return Evaluation(
            video_indices=videos,
            labels=labels,
            probabilities=_averaged(probabilities, video_of_clip, len(videos)),
            clip_labels=clip_labels,
            clip_probabilities=probabilities,
            loss=float(cross_entropy(logits, clip_labels)),
            failures=tuple(failures[video] for video in sorted(failures)),
        )


def _check_finite(logits: Tensor) -> None:
    """The largest of scores that are not numbers would be the first class, and counted as an answer."""
    broken = int((~logits.isfinite()).any(dim=1).sum())
    if broken:
        raise InputError(
            f"the network's scores are not finite numbers for {broken} of {len(logits)} clips: its weights have "
            "diverged; train with a lower --model.optimizer.init_args.lr, or take an earlier checkpoint"
        )


def _averaged(rows: Tensor, group: Tensor, num_groups: int) -> Tensor:
    """Mean of the rows of each group."""
    sums = torch.zeros(num_groups, rows.shape[1]).index_add_(0, group, rows)
    return sums / group.bincount(minlength=num_groups)[:, None]


def _gathered(mine: dict[Any, Any]) -> dict[Any, Any]:
    if not (dist.is_available() and dist.is_initialized()):
        return mine
    parts: list[dict[Any, Any]] = [{}] * dist.get_world_size()
    dist.all_gather_object(parts, mine)
    return {key: value for part in parts for key, value in part.items()}
