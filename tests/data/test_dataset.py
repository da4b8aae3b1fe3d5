from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from gcvideo.data.dataset import ClipSpec, VideoDataset
from gcvideo.data.transforms import Augmentation, EvalTransform, TrainTransform
from gcvideo.records import VideoRecord
from tests.conftest import frame_numbers


def _record(path: Path, num_frames: int = 40) -> VideoRecord:
    return VideoRecord(str(path), 2, "train", num_frames, 25.0, 64, 48, "h264", "pyav", 1, 1)


def _train(path: Path, seed: int = 0) -> VideoDataset:
    augmentation = Augmentation(jitter=0.4)
    return VideoDataset([_record(path)] * 3, ClipSpec(4, 5), TrainTransform(24, augmentation), crop_px=24, seed=seed)


def test_sample_is_the_clips_and_views_of_its_video(numbered_video: Path) -> None:
    dataset = VideoDataset([_record(numbered_video)], ClipSpec(3, 4, 2), EvalTransform(24, 24, 3), crop_px=24)
    sample = dataset[0, 0]
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
    dataset = VideoDataset([_record(numbered_video, 99)], ClipSpec(2, 98, 1), EvalTransform(24, 24), crop_px=24)
    assert "ends before frame 98" in dataset[0, 0].failure
