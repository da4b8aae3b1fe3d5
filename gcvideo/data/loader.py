"""Batches from a dataset, made by processes that do not change them and do not outlive the run."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from typing import Any

from torch.utils.data import DataLoader, Dataset

from gcvideo.data.pools import begin_as_a_worker, hear_the_parent_alone
from gcvideo.data.sampler import EpochSampler
from gcvideo.records import Batch, Sample


class ResumableLoader(DataLoader[Sample]):
    """Goes on within an epoch: Lightning keeps ``state_dict`` in a checkpoint and gives it back before it begins.

    What counts is how many batches were trained on, not how many were read ahead.

    Attributes:
        trained_batches: how many batches of the epoch this rank has trained on; 0 once all are.
    """

    trained_batches: Callable[[], int] = staticmethod(lambda: 0)

    def state_dict(self) -> dict[str, Any]:
        """How many videos of the epoch all ranks together have trained on."""
        return {"videos": self.trained_batches() * self._videos_of_a_batch()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Leaves them out, once; also where they are now shared out over another number of ranks.

        Those that fill no whole batch of the ranks there are now are trained on again.
        """
        done = state["videos"] // self._videos_of_a_batch()
        self.order.skip_once(done * int(self.batch_size or 1) if done < len(self) else 0)

    @property
    def order(self) -> EpochSampler:
        """Its sampler."""
        assert isinstance(self.sampler, EpochSampler)
        return self.sampler

    def _videos_of_a_batch(self) -> int:
        return int(self.batch_size or 1) * self.order.world_size


def batch_loader(
    dataset: Dataset[Sample], sampler: EpochSampler, batch_size: int, num_workers: int, *, drop_last: bool
) -> ResumableLoader:
    """Batches in the order of the sampler.

    Args:
        dataset: is asked for by the sampler's keys.
        sampler: the order on this rank.
        batch_size: items in a batch.
        num_workers: processes; 0 reads in this one.
        drop_last: whether a rest that does not fill a batch is left out.
    """
    return ResumableLoader(
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
    """Also ends with its parent while a decoder hangs in it, and not before it."""
    begin_as_a_worker(parent)
    hear_the_parent_alone(parent)
