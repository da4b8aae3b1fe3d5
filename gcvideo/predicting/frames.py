"""Frames that are decoded already, through the same choice of clips, transform and average as those of a file."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray
from torch import Tensor

from gcvideo.data.clips import Timeline, choose_clips
from gcvideo.data.preprocessing import Views
from gcvideo.evaluation.scores import VideoScores
from gcvideo.predicting.saved_model import SavedModel
from gcvideo.records import Batch

Read = Callable[[NDArray[np.int64]], NDArray[np.uint8]]


def score_frames(saved: SavedModel, timeline: Timeline, read: Read, views: Views, fabric: Fabric) -> Tensor:
    """The probability of every class, (K,).

    Args:
        saved: the network.
        timeline: when the frames are shown.
        read: gives the frames of a clip, ``uint8 (T, H, W, 3)``, of their numbers ``(T,)``.
        views: what is looked at; the crops of a clip go through the network together.
        fabric: the device and the precision.

    Raises:
        InputError: if the network's scores are no numbers.
    """
    network, transform = fabric.to_device(saved.network), saved.preprocessing.transform(views)
    scores = VideoScores(saved.view_average)
    for number, indices in enumerate(choose_clips(saved.preprocessing.clip_spec(views.num_clips), timeline)):
        crops = torch.stack(transform(torch.from_numpy(read(indices))))
        with torch.inference_mode(), fabric.autocast():
            logits = network(crops.to(fabric.device))
        scores.update(_batch(crops, number), logits)
    return scores.compute().probabilities[0]


def _batch(crops: Tensor, clip: int) -> Batch:
    """The crops of one clip of one video."""
    count = len(crops)
    return Batch(
        clips=crops[None],
        labels=torch.zeros(1, dtype=torch.long),
        video_indices=torch.zeros(1, dtype=torch.long),
        view_indices=(clip * count + torch.arange(count))[None],
        valid=torch.ones(1, count, dtype=torch.bool),
    )
