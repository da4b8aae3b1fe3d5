"""Batches from a dataset, made by processes that do not change them and do not outlive the run."""

from __future__ import annotations

import os
from functools import partial

from torch.utils.data import DataLoader

from gcvideo.data.dataset import VideoDataset
from gcvideo.data.pools import begin_as_a_worker
from gcvideo.data.sampler import EpochSampler
from gcvideo.records import Batch, Sample


def batch_loader(
    dataset: VideoDataset, sampler: EpochSampler, batch_size: int, num_workers: int, *, drop_last: bool
) -> DataLoader[Sample]:
    """Batches in the order of the sampler.

    Args:
        dataset: is asked for by the sampler's keys.
        sampler: the order on this rank.
        batch_size: videos in a batch.
        num_workers: processes; 0 reads in this one.
        drop_last: whether a rest that does not fill a batch is left out.
    """
    return DataLoader(
        dataset,
        batch_size,
        sampler=sampler,
        num_workers=num_workers,
        collate_fn=Batch.collate,
        drop_last=drop_last,
        pin_memory=True,
        persistent_workers=num_workers > 0,
        worker_init_fn=partial(_begin, os.getpid()),
    )


def _begin(parent: int, number: int) -> None:
    """Also ends with its parent while a decoder hangs in it."""
    begin_as_a_worker(parent)
