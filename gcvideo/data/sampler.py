"""In which order the videos come on each rank: a function of (seed, epoch), never of workers or of what was drawn."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

Key = tuple[int, int]


class EpochSampler(Sampler[Key]):
    """Keys ``(epoch, index)`` for one rank; every rank gets the same number of them.

    Rank r takes every ``world_size``-th key from r on, so the k-th batches of all ranks together are the k-th part of
    one order: the global batches are the same for any number of ranks. In training (shuffle) the rest that does not
    fill all ranks is left out; in evaluation videos are repeated from the start, and the scores drop the repeats.

    Args:
        length: number of videos.
        shuffle: a new order each epoch (training), or the order of the list (evaluation).
        seed: the run's seed.
        rank: of this process, 0 <= rank < world_size.
        world_size: number of processes.
    """

    def __init__(self, length: int, *, shuffle: bool, seed: int = 0, rank: int = 0, world_size: int = 1) -> None:
        self.length, self.shuffle, self.seed = length, shuffle, seed
        self.rank, self.world_size = rank, world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Keys an epoch, on each rank."""
        return self.length // self.world_size if self.shuffle else -(-self.length // self.world_size)

    def __iter__(self) -> Iterator[Key]:
        mine = self._order()[self.rank :: self.world_size]
        return ((self.epoch, int(index)) for index in mine)

    def _order(self) -> NDArray[np.int64]:
        total = len(self) * self.world_size
        if self.shuffle:
            return np.random.default_rng([self.seed, self.epoch]).permutation(self.length)[:total]
        return np.resize(np.arange(self.length), total)
