from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gcvideo.data.annotations import Entry
from gcvideo.data.decoding.decode import read_frames
from gcvideo.data.decoding.reading import Reading
from gcvideo.data.evaluation_loader import EvaluationDataset, evaluation_loader
from gcvideo.data.indexing.probe import probe_video
from gcvideo.data.indexing.segments import file_state, record_of
from gcvideo.data.preprocessing import Preprocessing, Views
from gcvideo.data.transforms import EvalTransform
from gcvideo.records import NO_VIDEO, Batch, VideoRecord
from tests.conftest import frame_numbers, video_record, write_variable_rate


def _preprocessing(num_frames: int, frame_stride: int, target_fps: float | None = None) -> Preprocessing:
    one = Views(1, 1, 24)
    return Preprocessing(num_frames, frame_stride, target_fps, "dense", "loop", 24, one, one)


def _dataset(
    records: list[VideoRecord], preprocessing: Preprocessing, num_clips: int = 1, num_crops: int = 1
) -> EvaluationDataset:
    return EvaluationDataset(records, preprocessing, Views(num_clips, num_crops, 24), Reading())


def _shown(clips: Tensor) -> list[int]:
    """Which frames these views (V, C, T, H, W) show."""
    return frame_numbers(np.asarray(clips.permute(0, 2, 3, 4, 1)))


def test_item_is_one_clip_with_its_crops(numbered_video: Path) -> None:
    records = [video_record(numbered_video, label=label) for label in (1, 2)]
    dataset = _dataset(records, _preprocessing(3, 4), num_clips=2, num_crops=3)
    assert len(dataset) == 4
    sample = dataset[0, 3]
    assert sample.clips.shape == (3, 3, 3, 24, 24)
    assert (sample.label, sample.video_index, sample.view_indices.tolist()) == (2, 1, [3, 4, 5])
    assert _shown(sample.clips[:1]) == [31, 35, 39]
    assert _shown(dataset[0, 2].clips[:1]) == [0, 4, 8]


@pytest.mark.parametrize("num_crops", [1, 2, 3, 5])
def test_items_are_the_views_of_a_plain_loop(numbered_video: Path, num_crops: int) -> None:
    dataset = _dataset([video_record(numbered_video)], _preprocessing(2, 3), 4, num_crops)
    views = []
    for start in (0, 12, 24, 36):  # 40 frames: the last clip begins at 36
        frames = torch.from_numpy(read_frames(str(numbered_video), np.array([start, start + 3]), "pyav:seek"))
        views += EvalTransform(24, 24, num_crops)(frames)
    samples = [dataset[0, item] for item in range(4)]
    assert torch.equal(torch.cat([sample.clips for sample in samples]), torch.stack(views))
    assert torch.cat([sample.view_indices for sample in samples]).tolist() == list(range(4 * num_crops))


def test_only_the_clips_that_cannot_be_read_are_black_and_named(numbered_video: Path) -> None:
    """The file has 40 frames, its record says 99."""
    dataset = _dataset([video_record(numbered_video, num_frames=99)], _preprocessing(2, 1), num_clips=4, num_crops=2)
    samples = [dataset[0, item] for item in range(4)]
    assert [sample.is_valid for sample in samples] == [True, True, False, False]
    assert [sample.failure == "" for sample in samples] == [True, True, False, False]
    assert str(numbered_video) in samples[2].failure
    assert "ends before frame 98" in samples[3].failure
    assert samples[3].clips.shape == samples[0].clips.shape
    assert (int(samples[3].clips.max()), samples[3].view_indices.tolist()) == (0, [6, 7])


def test_items_are_the_same_in_every_epoch_and_leave_the_random_state_alone(numbered_video: Path) -> None:
    dataset = _dataset([video_record(numbered_video)], _preprocessing(2, 3), 2, 3)
    before = torch.get_rng_state()
    assert torch.equal(dataset[0, 1].clips, dataset[7, 1].clips)
    assert torch.equal(torch.get_rng_state(), before)


def test_item_past_the_end_belongs_to_no_video(numbered_video: Path) -> None:
    sample = _dataset([video_record(numbered_video)], _preprocessing(2, 3), 2, 3)[0, 2]
    assert (sample.video_index, sample.is_valid, sample.failure) == (NO_VIDEO, False, "")
    assert sample.clips.shape == (3, 3, 2, 24, 24)


def _batches(records: list[VideoRecord], views: Views, rank: int = 0, world_size: int = 1, **more: Any) -> list[Batch]:
    options: dict[str, Any] = {"batch_size": 4, "num_workers": 0, "reading": Reading(), **more}
    return list(evaluation_loader(records, _preprocessing(2, 3), views, rank=rank, world_size=world_size, **options))


def _keys(batches: Sequence[Batch]) -> list[tuple[int, int]]:
    """(video, view) of all views that belong to a video."""
    return [
        (video, view)
        for batch in batches
        for video, views in zip(batch.video_indices.tolist(), batch.view_indices.tolist(), strict=True)
        for view in views
        if video != NO_VIDEO
    ]


@pytest.mark.parametrize(("num_crops", "batch_size", "views"), [(1, 4, 4), (3, 4, 3), (3, 7, 6), (3, 1, 3), (5, 5, 5)])
def test_batch_has_at_most_as_many_views_as_asked_for_or_one_clip(
    numbered_video: Path, num_crops: int, batch_size: int, views: int
) -> None:
    batches = _batches([video_record(numbered_video)], Views(8, num_crops, 24), batch_size=batch_size)
    assert max(batch.view_indices.numel() for batch in batches) == views
    assert _keys(batches) == [(0, view) for view in range(8 * num_crops)]


@pytest.mark.parametrize("videos", [1, 2, 5])
@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
def test_ranks_share_the_views_out_once_each_in_as_many_batches(
    numbered_video: Path, videos: int, world_size: int
) -> None:
    records = [video_record(numbered_video)] * videos
    ranks = [_batches(records, Views(3, 2, 24), rank, world_size) for rank in range(world_size)]
    assert len({len(batches) for batches in ranks}) == 1
    keys = [key for batches in ranks for key in _keys(batches)]
    assert sorted(keys) == [(video, view) for video in range(videos) for view in range(6)]


def test_number_of_workers_changes_nothing(numbered_video: Path) -> None:
    records = [video_record(numbered_video, label=label) for label in range(3)]
    here, there = (_batches(records, Views(2, 2, 24), num_workers=number) for number in (0, 2))
    assert _keys(here) == _keys(there)
    assert all(torch.equal(a.clips, b.clips) for a, b in zip(here, there, strict=True))


def test_loader_says_what_is_to_be_scored(numbered_video: Path) -> None:
    expected = _dataset([video_record(numbered_video)] * 2, _preprocessing(2, 3), 2, 3).expected
    assert expected.names == (str(numbered_video),) * 2
    assert expected.num_views == 6


@pytest.mark.parametrize("num_frames", [1, 2])
def test_video_shorter_than_a_clip_has_all_its_views(numbered_video: Path, num_frames: int) -> None:
    dataset = _dataset([video_record(numbered_video, num_frames=num_frames)], _preprocessing(4, 2), 3, 2)
    samples = [dataset[0, item] for item in range(3)]
    assert all(sample.is_valid for sample in samples)
    assert {number for sample in samples for number in _shown(sample.clips)} <= set(range(num_frames))


def test_labelled_part_is_where_clips_come_from(numbered_video: Path) -> None:
    record = video_record(numbered_video, start=0.4, end=0.8, first_frame=10, num_frames=10)
    assert _shown(_dataset([record], _preprocessing(4, 3))[0, 0].clips) == [10, 13, 16, 19]


def test_other_decoder_stands_in_and_is_named(numbered_video: Path) -> None:
    """The first of the readers cannot read files at all."""
    record = video_record(numbered_video, readers="pictures:seek pyav:forward")
    sample = _dataset([record], _preprocessing(2, 5))[0, 0]
    assert sample.failure == ""
    assert _shown(sample.clips) == [17, 22]
    assert "read by pyav:forward instead" in sample.fallback


def test_frames_of_a_variable_rate_are_chosen_by_their_time(tmp_path: Path) -> None:
    """Frames 0 to 9 are shown for 0.1 s each, 10 to 29 for 0.02 s; a clip begins at 0.09 s, a frame each 0.2 s."""
    path = write_variable_rate(tmp_path / "vfr.mp4", [100] * 10 + [20] * 20)
    record = VideoRecord(path=str(path), label=0, split="val", **_facts(path))
    assert record.is_vfr
    assert _shown(_dataset([record], _preprocessing(7, 1, target_fps=5))[0, 0].clips) == [0, 2, 4, 6, 8, 14, 24]


def _facts(path: Path) -> dict[str, Any]:
    record = record_of(Entry(path, 0, "val"), probe_video(path), file_state(path))
    assert isinstance(record, VideoRecord)
    return {name: value for name, value in asdict(record).items() if name not in ("path", "label", "split")}
