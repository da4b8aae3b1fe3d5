"""In which order the videos come on each rank: a function of (seed, epoch), never of workers or of what was drawn."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import Sampler

from gcvideo.data.balance import balanced_order

Key = tuple[int, int]


class EpochSampler(Sampler[Key]):
    """Keys ``(epoch, index)`` for one rank; every rank gets the same number of them.

    Rank r takes every ``world_size``-th key from r on, so the k-th batches of all ranks together are the k-th part of
    one order: the global batches are the same for any number of ranks. In training (shuffle) the rest that does not
    fill all ranks is left out, unless ``drop_last`` is false; then videos are repeated from the start. In evaluation
    nothing is left out or repeated: the order goes on past the end, with items that belong to no video.

    Args:
        length: number of items: videos in training, clips in evaluation.
        shuffle: a new order each epoch (training), or the order of the list (evaluation).
        seed: the run's seed.
        rank: of this process, 0 <= rank < world_size.
        world_size: number of processes.
        labels: class number of each video; needed where ``balance`` is not 0.
        balance: how far classes are brought to come equally often in training, 0 to 1, see ``balanced_order``; then a
            video may come several times in an epoch, and the keys of the later times have ``index + length``,
            ``index + 2 * length``, ...: another clip of it.
        drop_last: in training, whether the rest that does not fill all ranks is left out.
    """

    def __init__(
        self,
        length: int,
        *,
        shuffle: bool,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        labels: Sequence[int] = (),
        balance: float = 0.0,
        drop_last: bool = True,
    ) -> None:
        self.length, self.shuffle, self.seed = length, shuffle, seed
        self.rank, self.world_size = rank, world_size
        self.labels, self.balance, self.drops_rest = labels, balance, shuffle and drop_last
        self.epoch = 0
        self._skipped = 0

    def skip_once(self, keys: int) -> None:
        """Leaves out the first keys of this rank the next time it is gone through: they were drawn before a stop."""
        self._skipped = keys

    def set_epoch(self, epoch: int) -> None:
        """Lightning calls this before each epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        """Keys an epoch, on each rank."""
        return self.length // self.world_size if self.drops_rest else -(-self.length // self.world_size)

    def __iter__(self) -> Iterator[Key]:
        mine = self._order()[self.rank :: self.world_size][self._skipped :]
        self._skipped = 0
        return ((self.epoch, int(index)) for index in mine)

    def _order(self) -> NDArray[np.int64]:
        order = np.arange(self.length)
        if self.shuffle and self.balance:
            order = balanced_order(self.labels, self.balance, seed=self.seed, epoch=self.epoch)
        elif self.shuffle:
            order = np.random.default_rng([self.seed, self.epoch]).permutation(self.length)
        keys = len(self) * self.world_size
        return np.resize(order, keys) if self.shuffle else np.arange(keys)  # cut off, or gone on with
