"""Windows of one video after each other: neighbours of one class make a segment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import torch

from gcvideo.predicting.prediction import Prediction, named


def merged(predictions: Sequence[Prediction], classes: Sequence[str]) -> list[Prediction]:
    """Neighbouring windows of a video with the same best class become one prediction, with the mean of their scores.

    It reaches from the beginning of the first window to the end of the last, or to the middle of where it overlaps with
    the next segment.

    Args:
        predictions: of windows, those of a video by their time.
        classes: K names.
    """
    runs = groupby(predictions, key=lambda prediction: (prediction.path, prediction.label))
    segments = [_mean(list(run), classes) for _, run in runs]
    for number in range(len(segments) - 1):
        before, after = segments[number : number + 2]
        if before.path == after.path and after.start < before.end:
            middle = round((after.start + before.end) / 2, 6)
            segments[number : number + 2] = replace(before, end=middle), replace(after, start=middle)
    return segments


def window_at(predictions: Sequence[Prediction], second: float) -> Prediction:
    """The window whose middle is nearest to a moment."""
    return min(predictions, key=lambda prediction: abs((prediction.start + prediction.end) / 2 - second))


def _mean(run: Sequence[Prediction], classes: Sequence[str]) -> Prediction:
    first, last = run[0], run[-1]
    scores = torch.tensor([prediction.scores for prediction in run], dtype=torch.float64).mean(dim=0)
    top = len(first.labels)
    return named(scores, classes, top, path=first.path, damage=first.damage, start=first.start, end=last.end)
