from __future__ import annotations

import multiprocessing
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from gcvideo.data.folder import VideoFolder
from gcvideo.data.loader import ResumableLoader
from gcvideo.data.statistics import first_batches, statistics_seed
from gcvideo.records import Batch
from tests.training.small_runs import BATCH, TRAINED_ON, small_data, write_manifest


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_manifest(tmp_path_factory.mktemp("noise"))


def _read(data: VideoFolder, epoch: int, batches: int) -> tuple[list[list[int]], Tensor]:
    """Videos of each batch, and all clips."""
    read: list[Any] = list(data.statistics_dataloader(epoch, batches))
    assert all(isinstance(batch, Batch) for batch in read)
    return [batch.video_indices.tolist() for batch in read], torch.cat([batch.clips for batch in read])


def test_subset_is_a_function_of_seed_and_epoch_for_any_number_of_workers(manifest: Path) -> None:
    videos, clips = _read(small_data(manifest), 1, 3)
    assert [len(batch) for batch in videos] == [BATCH] * 3
    for workers in (0, 1, 2):
        again, same = _read(small_data(manifest, num_workers=workers), 1, 3)
        assert again == videos
        assert torch.equal(same, clips)
    assert _read(small_data(manifest), 2, 3)[0] != videos
    assert _read(small_data(manifest, seed=4), 1, 3)[0] != videos


def test_subset_is_drawn_apart_from_what_is_trained_on(manifest: Path) -> None:
    data = small_data(manifest)
    videos, clips = _read(data, 0, 6)
    trained: list[Any] = list(data.train_dataloader())
    assert [batch.video_indices.tolist() for batch in trained] != videos
    by_video = {video: batch.clips[k] for batch in trained for k, video in enumerate(batch.video_indices.tolist())}
    assert not any(torch.equal(by_video[video], clip) for video, clip in zip(chain(*videos), clips, strict=True))


def test_all_batches_are_given_where_there_are_fewer_than_asked_for(manifest: Path) -> None:
    videos, _ = _read(small_data(manifest), 0, 1000)
    assert sorted(chain(*videos)) == list(range(TRAINED_ON))
    left_over, _ = _read(small_data(manifest, batch_size=5), 0, 1000)
    assert [len(batch) for batch in left_over] == [5, 5]


def test_ranks_share_the_global_batches(manifest: Path) -> None:
    """Batch k of two ranks together is batch k of one with twice the videos."""
    together, _ = _read(small_data(manifest, batch_size=2 * BATCH), 0, 2)
    ranks = []
    for rank in range(2):
        loader = small_data(manifest, seed=statistics_seed(3)).train_dataloader()
        assert isinstance(loader, ResumableLoader)
        loader.sampler.rank, loader.sampler.world_size = rank, 2  # type: ignore[attr-defined]
        ranks.append([batch.video_indices.tolist() for batch in first_batches(loader, 0, 2)])
    assert [sorted(chain(*parts)) for parts in zip(*ranks, strict=True)] == [sorted(batch) for batch in together]


def test_processes_end_with_the_last_batch(manifest: Path) -> None:
    before = multiprocessing.active_children()
    loader = small_data(manifest, num_workers=2).statistics_dataloader(0, 3)
    batches = iter(loader)
    next(batches)
    assert len(multiprocessing.active_children()) == len(before) + 2
    assert len(list(batches)) == 2
    assert multiprocessing.active_children() == before
