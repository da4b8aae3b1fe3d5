"""Training clips that are looked at and not trained on: which ones, and a loader that ends with them."""

from __future__ import annotations

import numpy as np
from torch.utils.data import DataLoader

from gcvideo.data.loader import ResumableLoader
from gcvideo.data.sampler import EpochSampler
from gcvideo.records import Batch, Sample

_STATISTICS = 2  # sets these random numbers apart from those that are trained with


def statistics_seed(seed: int) -> int:
    """The seed of their order and of their clips, 0 to 2**64 - 1: a function of the run's."""
    return int(np.random.SeedSequence([seed, _STATISTICS]).generate_state(1, np.uint64)[0])


def first_batches(loader: ResumableLoader, epoch: int, batches: int) -> DataLoader[Sample]:
    """The first whole batches of one epoch of a loader, or all there are; its processes end with the last of them.

    Args:
        loader: says from what, in which order and how; it is not gone through itself.
        epoch: 0-based.
        batches: on this rank, at least 1.
    """
    assert isinstance(loader.sampler, EpochSampler)
    assert loader.batch_size is not None
    loader.sampler.set_epoch(epoch)
    return DataLoader(
        loader.dataset,
        loader.batch_size,
        sampler=list(loader.sampler)[: batches * loader.batch_size],
        num_workers=loader.num_workers,
        collate_fn=Batch.collate,
        drop_last=True,
        pin_memory=loader.pin_memory,
        worker_init_fn=loader.worker_init_fn,
    )
