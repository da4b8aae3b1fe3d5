from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from gcvideo.data.folder import VideoFolder
from gcvideo.data.sampler import EpochSampler

UNEVEN = [0] * 40 + [1] * 7 + [2] * 3


def _indices(
    length: int, world_size: int, *, shuffle: bool, epoch: int = 0, labels: Sequence[int] = (), balance: float = 0.0
) -> list[list[int]]:
    ranks = []
    for rank in range(world_size):
        sampler = EpochSampler(
            length, shuffle=shuffle, seed=3, rank=rank, world_size=world_size, labels=labels, balance=balance
        )
        sampler.set_epoch(epoch)
        keys = list(sampler)
        assert len(keys) == len(sampler)
        assert {key[0] for key in keys} == {epoch}
        ranks.append([key[1] for key in keys])
    return ranks


@pytest.mark.parametrize("balance", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("world_size", [2, 4])
def test_global_batches_are_the_same_for_any_number_of_ranks(world_size: int, balance: float) -> None:
    (alone,) = _indices(50, 1, shuffle=True, labels=UNEVEN, balance=balance)
    together = _indices(50, world_size, shuffle=True, labels=UNEVEN, balance=balance)
    each = 8 // world_size
    for start in range(0, 48, 8):
        parts = [rank[start // world_size : start // world_size + each] for rank in together]
        assert sorted(chain(*parts)) == sorted(alone[start : start + 8])


def test_epochs_differ_and_come_again() -> None:
    assert _indices(20, 1, shuffle=True, epoch=1) != _indices(20, 1, shuffle=True, epoch=2)
    assert _indices(20, 1, shuffle=True, epoch=2) == _indices(20, 1, shuffle=True, epoch=2)


@pytest.mark.parametrize(("length", "world_size"), [(7, 1), (7, 2), (7, 4), (2, 4)])
def test_evaluation_sees_every_item_once_and_ranks_stay_together(length: int, world_size: int) -> None:
    """What follows the last item is past the end: it is none."""
    ranks = _indices(length, world_size, shuffle=False)
    each = len(ranks[0])
    assert [len(rank) for rank in ranks] == [each] * world_size
    assert sorted(chain(*ranks)) == list(range(each * world_size))
    assert length <= each * world_size < length + world_size


def test_training_sees_no_video_twice() -> None:
    seen = list(chain(*_indices(51, 4, shuffle=True)))
    assert len(seen) == len(set(seen)) == 48


def test_training_may_keep_the_rest_and_then_ranks_stay_together() -> None:
    samplers = [EpochSampler(51, shuffle=True, rank=rank, world_size=4, drop_last=False) for rank in range(4)]
    ranks = [[index for _, index in sampler] for sampler in samplers]
    assert [len(rank) for rank in ranks] == [len(sampler) for sampler in samplers] == [13] * 4
    assert set(chain(*ranks)) == set(range(51))
    assert ranks[3][-1] == ranks[0][0], "the order goes on from its beginning"


def test_without_drop_last_the_last_batch_is_smaller(make_folder: Callable[..., Path]) -> None:
    root = make_folder({"train/jump": 4, "train/run": 4, "val/jump": 1, "val/run": 1})
    for drop_last, sizes in {True: [3, 3], False: [3, 3, 2]}.items():
        data = VideoFolder(str(root), crop_px=32, frame_stride=1, batch_size=3, num_workers=0, drop_last=drop_last)
        data.prepare_data()
        assert [len(batch.labels) for batch in data.train_dataloader()] == sizes


def test_without_balance_the_order_is_one_permutation_of_the_videos() -> None:
    expected = np.random.default_rng([3, 5]).permutation(50).tolist()
    assert _indices(50, 1, shuffle=True, epoch=5) == [expected]
    assert _indices(50, 1, shuffle=True, epoch=5, labels=UNEVEN, balance=0.0) == [expected]


def test_balance_evens_the_classes_out_in_training_and_not_in_evaluation() -> None:
    (training,) = _indices(50, 1, shuffle=True, labels=UNEVEN, balance=1.0)
    counts = np.bincount([UNEVEN[index % 50] for index in training])
    assert sorted(counts.tolist()) == [16, 17, 17]
    assert _indices(50, 1, shuffle=False, labels=UNEVEN, balance=1.0) == [list(range(50))]
