from __future__ import annotations

import itertools

import torch

from gcvideo.training.seeds import seed_batch


def test_every_seed_step_batch_and_rank_draws_its_own() -> None:
    drawn = set()
    for seed, step, batch, rank in itertools.product(range(3), range(10), range(4), range(4)):
        seed_batch(seed, step, batch, rank)
        drawn.add(float(torch.rand((), dtype=torch.float64)))
    assert len(drawn) == 3 * 10 * 4 * 4


def test_batch_draws_the_same_again() -> None:
    seed_batch(1, 2, 0, 3)
    first = torch.rand(4)
    torch.rand(9)
    seed_batch(1, 2, 0, 3)
    assert torch.equal(torch.rand(4), first)
