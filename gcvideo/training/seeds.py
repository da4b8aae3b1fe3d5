"""Randomness as a function: of seed, step, batch and rank."""

from __future__ import annotations

import numpy as np
import torch


def seed_batch(seed: int, step: int, batch: int, rank: int) -> None:
    """Seeds torch's global generators for one training batch, on every device; several may make one step."""
    torch.manual_seed(int(np.random.SeedSequence([seed, step, batch, rank]).generate_state(1, np.uint64)[0] >> 1))
