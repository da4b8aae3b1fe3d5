"""Real processes: the scores of two ranks equal those of one."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.distributed as dist
from torch.multiprocessing.spawn import spawn

from gcvideo.data.sampler import EpochSampler
from gcvideo.evaluation.scores import VideoScores
from gcvideo.records import Batch, Evaluation, Sample

VIDEOS = 5


def _score(rank: int, world_size: int) -> Evaluation:
    scores = VideoScores()
    for _, video in EpochSampler(VIDEOS, shuffle=False, rank=rank, world_size=world_size):
        sample = Sample(torch.zeros(2, 3, 1, 4, 4, dtype=torch.uint8), video % 3, video, torch.arange(2))
        logits = torch.randn(2, 3, generator=torch.Generator().manual_seed(video))
        scores.update(Batch.collate([sample]), logits)
    return scores.compute()


def _work(rank: int, world_size: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world_size)
    torch.save(_score(rank, world_size).probabilities, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


def test_two_ranks_give_the_scores_of_one(tmp_path: Path) -> None:
    expected = _score(0, 1).probabilities
    assert expected.shape == (VIDEOS, 3)
    spawn(_work, (2, str(tmp_path)), nprocs=2)  # type: ignore[no-untyped-call]
    for rank in range(2):
        assert torch.equal(torch.load(tmp_path / f"{rank}.pt"), expected)
