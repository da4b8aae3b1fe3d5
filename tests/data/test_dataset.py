from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch

from gcvideo.data.clips import ClipSpec
from gcvideo.data.dataset import VideoDataset
from gcvideo.data.decoding.reading import Reading
from gcvideo.data.transforms import Augmentation, TrainTransform
from tests.conftest import frame_numbers, video_record


def _train(path: Path, seed: int = 0) -> VideoDataset:
    transform = TrainTransform(24, Augmentation(jitter=0.4))
    return VideoDataset([video_record(path, label=2)] * 3, ClipSpec(4, 5), transform, crop_px=24, seed=seed)


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


def _shown(clips: torch.Tensor) -> list[int]:
    """Which frames these views (V, C, T, H, W) show."""
    return frame_numbers(np.asarray(clips.permute(0, 2, 3, 4, 1)))


def test_repeated_clips_are_different_places_of_one_video(numbered_video: Path) -> None:
    transform = TrainTransform(24, Augmentation(flip=0))
    spec = ClipSpec(2, 1, num_clips=4)
    dataset = VideoDataset([video_record(numbered_video)], spec, transform, crop_px=24)
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
