from __future__ import annotations

from itertools import chain

import pytest

from gcvideo.data.sampler import EpochSampler


def _indices(length: int, world_size: int, *, shuffle: bool, epoch: int = 0) -> list[list[int]]:
    ranks = []
    for rank in range(world_size):
        sampler = EpochSampler(length, shuffle=shuffle, seed=3, rank=rank, world_size=world_size)
        sampler.set_epoch(epoch)
        keys = list(sampler)
        assert len(keys) == len(sampler)
        assert {key[0] for key in keys} == {epoch}
        ranks.append([key[1] for key in keys])
    return ranks


@pytest.mark.parametrize("world_size", [2, 4])
def test_global_batches_are_the_same_for_any_number_of_ranks(world_size: int) -> None:
    (alone,) = _indices(50, 1, shuffle=True)
    together = _indices(50, world_size, shuffle=True)
    each = 8 // world_size
    for start in range(0, 48, 8):
        parts = [rank[start // world_size : start // world_size + each] for rank in together]
        assert sorted(chain(*parts)) == sorted(alone[start : start + 8])


def test_epochs_differ_and_come_again() -> None:
    assert _indices(20, 1, shuffle=True, epoch=1) != _indices(20, 1, shuffle=True, epoch=2)
    assert _indices(20, 1, shuffle=True, epoch=2) == _indices(20, 1, shuffle=True, epoch=2)


@pytest.mark.parametrize(("length", "world_size"), [(7, 1), (7, 2), (7, 4), (2, 4)])
def test_evaluation_sees_every_video_and_ranks_stay_together(length: int, world_size: int) -> None:
    ranks = _indices(length, world_size, shuffle=False)
    assert len({len(rank) for rank in ranks}) == 1
    assert set(chain(*ranks)) == set(range(length))


def test_training_sees_no_video_twice() -> None:
    seen = list(chain(*_indices(51, 4, shuffle=True)))
    assert len(seen) == len(set(seen)) == 48
