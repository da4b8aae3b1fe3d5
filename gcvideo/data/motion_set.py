"""Writes the embedded data set: video files in a folder per class, with the object's box beside each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from gcvideo.data.encode import write_video
from gcvideo.data.motion import CLASSES, Difficulty, render_motion
from gcvideo.data.pools import process_pool

_SPLITS = ("train", "test")


def write_motion_set(
    root: Path,
    *,
    seed: int = 0,
    difficulty: Difficulty = "easy",
    num_train: int = 60,
    num_test: int = 20,
    num_workers: int = 2,
    on_video: Callable[[], None] = lambda: None,
) -> None:
    """Writes ``root/{train,test}/CLASS/CLASS_NNNN.mp4`` and ``.json`` beside each; the same seed gives the same bytes.

    Args:
        root: the folder to write into; made if it is not there.
        seed: everything random follows from it.
        difficulty: see ``render_motion``.
        num_train: videos for each class in train.
        num_test: videos for each class in test.
        num_workers: processes.
        on_video: called after each video, for a progress bar.
    """
    counts = {"train": num_train, "test": num_test}
    jobs = [
        (root, split, name, number, seed, difficulty)
        for split in _SPLITS
        for name in CLASSES
        for number in range(counts[split])
    ]
    for split in _SPLITS:
        for name in CLASSES:
            (root / split / name).mkdir(parents=True, exist_ok=True)
    with process_pool(num_workers) as pool:
        for _ in pool.map(_write_one, *zip(*jobs, strict=True), chunksize=8):
            on_video()


def num_motion_videos(num_train: int, num_test: int) -> int:
    """How many files ``write_motion_set`` will write."""
    return len(CLASSES) * (num_train + num_test)


def _write_one(root: Path, split: str, name: str, number: int, seed: int, difficulty: Difficulty) -> None:
    generator = np.random.default_rng([seed, _SPLITS.index(split), CLASSES.index(name), number])
    clip = render_motion(name, generator, difficulty)
    path = root / split / name / f"{name}_{number:04d}.mp4"
    write_video(path, clip.frames, fps=clip.fps)
    box = {"shape": clip.shape, "boxes_xyxy_px": clip.boxes.round(2).tolist()}
    path.with_suffix(".json").write_text(json.dumps(box), encoding="utf-8")
