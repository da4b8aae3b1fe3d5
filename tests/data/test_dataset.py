from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gcvideo.data.annotations import Entry
from gcvideo.data.clips import ClipSpec
from gcvideo.data.dataset import VideoDataset
from gcvideo.data.decoding.reading import Reading
from gcvideo.data.indexing.probe import probe_video
from gcvideo.data.indexing.segments import file_state, record_of
from gcvideo.data.transforms import Augmentation, EvalTransform, TrainTransform
from gcvideo.records import VideoRecord
from tests.conftest import frame_numbers, video_record, write_variable_rate


def _train(path: Path, seed: int = 0) -> VideoDataset:
    transform = TrainTransform(24, Augmentation(jitter=0.4))
    return VideoDataset(
        [video_record(path, label=2)] * 3, ClipSpec(4, 5), transform, crop_px=24, is_training=True, seed=seed
    )


def _eval(record: VideoRecord, spec: ClipSpec, num_crops: int = 1) -> VideoDataset:
    transform = EvalTransform(24, 24, num_crops)
    return VideoDataset([record], spec, transform, crop_px=24, is_training=False, views_per_clip=num_crops)


def test_sample_is_the_clips_and_views_of_its_video(numbered_video: Path) -> None:
    sample = _eval(video_record(numbered_video, label=2), ClipSpec(3, 4, 2), num_crops=3)[0, 0]
    assert sample.clips.shape == (6, 3, 3, 24, 24)
    assert (sample.label, sample.video_index, sample.view_indices.tolist()) == (2, 0, list(range(6)))
    shown = np.asarray(sample.clips[[0, 3]].permute(0, 2, 3, 4, 1))  # (L, T, H, W, C)
    assert frame_numbers(shown) == [0, 4, 8, 31, 35, 39]


def test_sample_is_a_function_of_seed_epoch_and_index(numbered_video: Path) -> None:
    first = _train(numbered_video)[3, 1].clips
    torch.rand(7)
    assert torch.equal(first, _train(numbered_video)[3, 1].clips)
    others = [_train(numbered_video)[4, 1], _train(numbered_video)[3, 2], _train(numbered_video, seed=1)[3, 1]]
    assert not any(torch.equal(first, other.clips) for other in others)


def test_sample_leaves_the_random_state_alone(numbered_video: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    _ = _train(numbered_video)[0, 0]
    assert torch.equal(torch.rand(3), expected)


def test_unreadable_video_is_marked_and_named(tmp_path: Path) -> None:
    sample = _train(tmp_path / "gone.mp4")[0, 0]
    assert sample.clips.shape == (1, 3, 4, 24, 24)
    assert sample.clips.max() == 0
    assert "gone.mp4" in sample.failure


def test_video_shorter_than_its_record_is_marked(numbered_video: Path) -> None:
    dataset = _eval(video_record(numbered_video, num_frames=99), ClipSpec(2, 98))
    assert "ends before frame 98" in dataset[0, 0].failure


def _shown(clips: torch.Tensor) -> list[int]:
    """Which frames these views (V, C, T, H, W) show."""
    return frame_numbers(np.asarray(clips.permute(0, 2, 3, 4, 1)))


def test_labelled_part_is_where_clips_come_from(numbered_video: Path) -> None:
    record = video_record(numbered_video, start=0.4, end=0.8, first_frame=10, num_frames=10)
    assert _shown(_eval(record, ClipSpec(4, 3))[0, 0].clips) == [10, 13, 16, 19]


def test_repeated_clips_are_different_places_of_one_video(numbered_video: Path) -> None:
    transform = TrainTransform(24, Augmentation(flip=0))
    spec = ClipSpec(2, 1, num_clips=4)
    dataset = VideoDataset([video_record(numbered_video)], spec, transform, crop_px=24, is_training=True)
    sample = dataset[0, 0]
    assert sample.clips.shape == (4, 3, 2, 24, 24)
    assert sample.view_indices.tolist() == [0, 1, 2, 3]
    firsts = _shown(sample.clips)[::2]
    assert len(set(firsts)) > 1


def _with_a_missing_video(tmp_path: Path, numbered_video: Path, **reading: Any) -> VideoDataset:
    """Video 0 is gone; 1 is of another class, 2 and 3 are of its own."""
    records = [
        video_record(tmp_path / "gone.mp4", label=1),
        *(video_record(numbered_video, label=k) for k in (0, 1, 1)),
    ]
    return VideoDataset(
        records,
        ClipSpec(4, 5),
        TrainTransform(24, Augmentation()),
        crop_px=24,
        is_training=True,
        reading=Reading(**reading),
    )


def test_another_video_of_the_class_stands_in_for_a_missing_one(tmp_path: Path, numbered_video: Path) -> None:
    sample = _with_a_missing_video(tmp_path, numbered_video)[0, 0]
    assert sample.is_valid
    assert sample.label == 1
    assert sample.clips.max() > 0
    assert "gone.mp4" in sample.failure
    assert torch.equal(sample.clips, _with_a_missing_video(tmp_path, numbered_video)[0, 0].clips)


def test_missing_video_is_masked_where_that_is_asked_for(tmp_path: Path, numbered_video: Path) -> None:
    sample = _with_a_missing_video(tmp_path, numbered_video, on_failure="mask")[0, 0]
    assert not sample.is_valid
    assert sample.clips.max() == 0


def test_other_decoder_stands_in_and_is_named(numbered_video: Path) -> None:
    """The first of the readers cannot read files at all."""
    record = video_record(numbered_video, readers="pictures:seek pyav:forward")
    sample = _eval(record, ClipSpec(2, 5))[0, 0]
    assert sample.failure == ""
    assert _shown(sample.clips) == [17, 22]
    assert "read by pyav:forward instead" in sample.fallback


def test_frames_of_a_variable_rate_are_chosen_by_their_time(tmp_path: Path) -> None:
    """Frames 0 to 9 are shown for 0.1 s each, 10 to 29 for 0.02 s; a clip begins at 0.09 s, a frame each 0.2 s."""
    path = write_variable_rate(tmp_path / "vfr.mp4", [100] * 10 + [20] * 20)
    record = VideoRecord(path=str(path), label=0, split="val", **_facts(path))
    assert record.is_vfr
    assert _shown(_eval(record, ClipSpec(7, 1, target_fps=5))[0, 0].clips) == [0, 2, 4, 6, 8, 14, 24]


def _facts(path: Path) -> dict[str, Any]:
    record = record_of(Entry(path, 0, "val"), probe_video(path), file_state(path))
    assert isinstance(record, VideoRecord)
    return {name: value for name, value in asdict(record).items() if name not in ("path", "label", "split")}
