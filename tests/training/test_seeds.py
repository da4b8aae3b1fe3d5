from __future__ import annotations

import itertools

import torch

from gcvideo.training.seeds import seed_step


def test_every_seed_step_and_rank_draws_its_own() -> None:
    drawn = set()
    for seed, step, rank in itertools.product(range(3), range(20), range(4)):
        seed_step(seed, step, rank)
        drawn.add(float(torch.rand((), dtype=torch.float64)))
    assert len(drawn) == 3 * 20 * 4


def test_step_draws_the_same_again() -> None:
    seed_step(1, 2, 3)
    first = torch.rand(4)
    torch.rand(9)
    seed_step(1, 2, 3)
    assert torch.equal(torch.rand(4), first)
