"""Collects the scores of views and averages them for each video, exactly once each, on any number of processes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import cross_entropy

from gcvideo.errors import InputError
from gcvideo.evaluation.exact_sums import ViewAverage, gathered, mean_probabilities, to_units
from gcvideo.evaluation.seen_views import SeenViews, failed_lines, incomplete_lines, merged
from gcvideo.records import NO_VIDEO, Batch, Evaluation, ExpectedViews

_LOSS_UNIT = 2.0**-32
_SHOWN = 3


class VideoScores:
    """Scores keyed by (video, view); a view that arrives twice in a process counts once.

    Each view is rounded to a whole number of units of 2 ** -44 (probabilities; 6e-14) or 2 ** -32 (logits; 2e-10) and
    added to its video's sum. Whole numbers have the same sum in any order, so the same scores of views give the same
    result, bit for bit, in any order of batches and on any number of processes. A process keeps K numbers of 8 bytes
    for each video that it has seen a view of, however many views: 63 MB for Kinetics-400's 19,796 videos.

    Args:
        average: what is averaged: probabilities, or logits before the softmax.

    Raises:
        ValueError: if it is neither.
    """

    def __init__(self, average: ViewAverage = "probabilities") -> None:
        if average not in get_args(ViewAverage):
            raise ValueError(f"view_average is {average!r}; expected probabilities or logits")
        self.average: ViewAverage = average
        self._sums: dict[int, NDArray[np.int64]] = {}
        self._seen = SeenViews()

    def update(self, batch: Batch, logits: Tensor) -> None:
        """Takes the scores of one batch.

        Args:
            batch: B samples with V views each.
            logits: (B * V, K), any floating dtype.
        """
        self._seen.counts.num_classes = logits.shape[1]
        new = list(self._new(batch))
        scores = logits.detach().float().cpu()[new].double()
        rows = torch.tensor(new, dtype=torch.long) // batch.view_indices.shape[1]
        finite = scores.isfinite().all(dim=1)
        self._seen.counts.broken += int((~finite).sum())
        self._add(scores[finite], batch.labels.cpu()[rows][finite], batch.video_indices.cpu()[rows][finite])

    def compute(self, expected: ExpectedViews | None = None) -> Evaluation:
        """The scores of all processes together; the same on each of them, so all of them call it.

        Args:
            expected: what was to be scored; without it, a view that has neither a score nor a failure is not missed.

        Raises:
            InputError: if not one video could be read, or the network's scores are no numbers.
            ValueError: if two processes have scored the same view: in a sum it can no longer be told apart.
        """
        seen = merged(gathered(self._seen))
        views, counts = {video: seen.views[video].bit_count() for video in sorted(seen.views)}, seen.counts
        if not views:
            lines = failed_lines(seen)
            raise InputError(f"none of the {len(lines)} videos could be read: {next(iter(lines), '')}")
        total = sum(views.values())
        _check_finite(counts.broken, total)
        return Evaluation(
            video_indices=torch.tensor(list(views)),
            labels=torch.tensor([seen.labels[video] for video in views]),
            probabilities=mean_probabilities(self._sums, views, counts.num_classes, self.average),
            num_views=total,
            clip_top1=counts.top1 / total,
            clip_top5=counts.top5 / total,
            loss=float(np.float32(counts.loss * _LOSS_UNIT / total)),  # as it is logged
            failures=failed_lines(seen),
            incomplete=tuple(incomplete_lines(seen, views, expected)),
            views=torch.tensor(list(views.values())),
        )

    def _new(self, batch: Batch) -> Iterator[int]:
        """Notes what has come; gives the places, 0 to B * V - 1, of the views that are to be counted."""
        readable, labels, views = batch.valid[:, 0].tolist(), batch.labels.tolist(), batch.view_indices.tolist()
        failures = iter(batch.failures)
        for row, video in enumerate(batch.video_indices.tolist()):
            if video == NO_VIDEO:
                continue
            if not readable[row]:
                self._seen.failures[video, views[row][0]] = next(failures)
                continue
            self._seen.labels[video] = labels[row]
            for column, view in enumerate(views[row]):
                if self._seen.add(video, view):
                    yield row * len(views[row]) + column

    def _add(self, scores: Tensor, labels: Tensor, videos: Tensor) -> None:
        """Scores (N, K), finite; labels and videos (N,)."""
        for video, units in zip(videos.tolist(), to_units(scores, self.average), strict=True):
            self._sums[video] = self._sums.get(video, 0) + units
        counts, best = self._seen.counts, scores.topk(min(5, scores.shape[1]), dim=1).indices
        counts.top1 += int((scores.argmax(dim=1) == labels).sum())
        counts.top5 += int((best == labels[:, None]).sum())
        losses = cross_entropy(scores, labels, reduction="none")
        counts.loss += sum(round(loss / _LOSS_UNIT) for loss in losses.tolist())


def describe_incomplete(evaluation: Evaluation) -> str:
    """A line that names a few of the videos that lack views."""
    lines = evaluation.incomplete
    more = f"; and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return f"{len(lines)} video(s) are not scored in all views: {'; '.join(lines[:_SHOWN])}{more}"


def _check_finite(broken: int, total: int) -> None:
    """The largest of scores that are not numbers would be the first class, and counted as an answer."""
    if broken:
        raise InputError(
            f"the network's scores are not finite numbers for {broken} of {total} clips: its weights have "
            "diverged; train with a lower --model.optimizer.init_args.lr, or take an earlier checkpoint"
        )
