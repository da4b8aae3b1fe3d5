from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from gcvideo.data.decoding.decode import read_frames
from gcvideo.data.motion import CLASSES, PARTNERS, render_motion
from gcvideo.data.motion_set import num_motion_videos, write_motion_set


def _digests(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in root.rglob("*.*")}


def test_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    for name, seed, workers in (("a", 3, 1), ("b", 3, 2), ("b2", 3, 2), ("c", 4, 2)):
        write_motion_set(tmp_path / name, seed=seed, num_train=1, num_test=1, num_workers=workers)
    first = _digests(tmp_path / "a")
    assert first == _digests(tmp_path / "b") == _digests(tmp_path / "b2")
    assert set(first.values()).isdisjoint(_digests(tmp_path / "c").values())
    assert len(first) == 2 * num_motion_videos(1, 1) == 32


def test_box_lies_beside_each_video_and_around_its_object(tmp_path: Path) -> None:
    write_motion_set(tmp_path, num_train=2, num_test=1)
    videos = sorted((tmp_path / "train").rglob("*.mp4"))
    assert len(videos) == 16
    for path in videos:
        boxes = np.array(json.loads(path.with_suffix(".json").read_text())["boxes_xyxy_px"])
        frames = read_frames(path, np.arange(len(boxes)), "pyav").astype(int).max(axis=-1)
        share = np.linspace(0, 1, 9)  # a grid over the box; the object may wrap around the frame
        x, y = (boxes[:, k, None] + (boxes[:, k + 2] - boxes[:, k])[:, None] * share for k in (0, 1))
        height, width = frames.shape[1:]
        rows, columns = y.astype(int)[:, :, None] % height, x.astype(int)[:, None, :] % width
        in_box = frames[np.arange(len(boxes))[:, None, None], rows, columns].max(axis=(1, 2))
        assert in_box.min() > 1.5 * np.median(frames), path


def test_lengths_sizes_and_frame_rates_differ() -> None:
    clips = [render_motion("up", np.random.default_rng(seed)) for seed in range(40)]
    assert len({len(clip.frames) for clip in clips}) > 10
    assert len({clip.frames.shape[1:3] for clip in clips}) == 9
    assert {clip.fps for clip in clips} == {20, 24, 25, 30}
    assert {clip.shape for clip in clips} == {"disc", "square", "diamond", "cross", "ring"}


def _single_frame_statistics(motion: str) -> np.ndarray:
    """Position in the frame (0-1), size and colour of the object in one frame of each of 100 videos."""
    rows = []
    for seed in range(100):
        clip = render_motion(motion, np.random.default_rng([seed, CLASSES.index(motion)]))
        box = clip.boxes[seed % len(clip.boxes)]
        height, width = clip.frames.shape[1:3]
        brightness = clip.frames[seed % len(clip.frames)].mean(axis=(0, 1))
        rows.append(
            [(box[0] + box[2]) / 2 / width % 1, (box[1] + box[3]) / 2 / height % 1, box[2] - box[0], *brightness]
        )
    return np.array(rows)


@pytest.mark.long
def test_single_frames_have_the_same_statistics_in_every_class() -> None:
    """Two-sample Kolmogorov-Smirnov distance below the 0.1 % critical value, for each class against the first."""
    first = _single_frame_statistics(CLASSES[0])
    critical = 1.95 * np.sqrt(2 / 100)
    for motion in CLASSES[1:]:
        other = _single_frame_statistics(motion)
        for column in range(first.shape[1]):
            both = np.sort(np.concatenate([first[:, column], other[:, column]]))
            shares = [np.searchsorted(np.sort(x[:, column]), both, side="right") / 100 for x in (first, other)]
            assert np.abs(shares[0] - shares[1]).max() < critical, (motion, column)


def test_partner_is_the_time_reversal() -> None:
    """Step by step, what changes in one class changes the other way in its partner."""
    for name, partner in PARTNERS.items():
        forward = render_motion(name, np.random.default_rng(5)).boxes
        backward = render_motion(partner, np.random.default_rng(5)).boxes
        height, width = render_motion(name, np.random.default_rng(5)).frames.shape[1:3]
        period = np.array([width, height, width, height])
        steps = [(np.diff(boxes, axis=0) + period / 2) % period - period / 2 for boxes in (forward, backward)]
        if name in ("right", "up"):
            np.testing.assert_allclose(steps[0], -steps[1], atol=1e-3)
        elif name == "grow":
            assert np.median(steps[0][:, 2]) > 0 > np.median(steps[1][:, 2])
        else:
            assert _turning(steps[0]) > 0 > _turning(steps[1])


def _turning(steps: np.ndarray) -> float:
    """Positive where the path turns clockwise on the screen (y points down)."""
    x, y = steps[:, 0], steps[:, 1]
    return float((x[:-1] * y[1:] - y[:-1] * x[1:]).sum())


def test_hard_objects_are_of_either_polarity() -> None:
    brighter = []
    for seed in range(30):
        clip = render_motion("up", np.random.default_rng(seed), "hard")
        x, y = (int(v) for v in clip.boxes[0].reshape(2, 2).mean(axis=0))
        brighter.append(
            clip.frames[0, y % clip.frames.shape[1], x % clip.frames.shape[2]].mean() > clip.frames[0].mean()
        )
    assert 5 < sum(brighter) < 25


def test_unknown_motion_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown motion 'jump'; expected one of right, left"):
        render_motion("jump", np.random.default_rng(0))
