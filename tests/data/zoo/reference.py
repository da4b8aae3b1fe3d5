"""What ffmpeg's command line decodes from a file, and which of its frames a decoded picture is."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gcvideo.data.decoding.decode import Frames
from tests.data.zoo.corpus import ffmpeg

_HEADER = re.compile(rb"P6\n(\d+) (\d+)\n255\n")
_SAMPLED_PX = 64  # frames are told apart by every n-th row and column of a large picture

NUM_SINGLES, NUM_CLIPS, CLIP_FRAMES = 36, 3, 11


@dataclass(frozen=True)
class Comparison:
    """How many of the accesses gave the right frame; the largest mean and maximal difference of one, in levels."""

    num_right: int
    num_accesses: int
    mean_levels: float
    max_levels: int


def reference_frames(path: Path) -> Frames:
    """Every frame that ffmpeg's command line decodes, upright: ``uint8 (frames, H, W, 3)``, rgb24."""
    command = [ffmpeg(), "-v", "quiet", "-i", str(path), "-map", "0:V:0", "-fps_mode", "passthrough"]
    # ppm is rgb24 with the size before each frame.
    command += ["-c:v", "ppm", "-pix_fmt", "rgb24", "-f", "image2pipe", "-"]
    raw = subprocess.run(command, capture_output=True, check=False).stdout
    frames, position = [], 0
    while header := _HEADER.match(raw, position):
        width, height = map(int, header.groups())
        pixels = np.frombuffer(raw, np.uint8, width * height * 3, header.end())
        frames.append(pixels.reshape(height, width, 3))
        position = header.end() + pixels.size
    return np.stack(frames) if frames else np.zeros((0, 1, 1, 3), np.uint8)


def accesses(num_frames: int, seed: int = 0) -> list[NDArray[np.int64]]:
    """69 accesses: 36 frames alone, in any order, the first and last among them, and 3 rising clips of 11 frames."""
    generator = np.random.default_rng([seed, num_frames])
    singles = [0, num_frames - 1, *generator.integers(num_frames, size=NUM_SINGLES - 2).tolist()]
    clips = [np.sort(generator.integers(num_frames, size=CLIP_FRAMES)) for _ in range(NUM_CLIPS)]
    return [*(np.array([number]) for number in singles), *clips]


def frames_by(read: Callable[[NDArray[np.int64]], Frames], wanted: list[NDArray[np.int64]]) -> list[Frames | None]:
    """What a decoder gives for each access; None where it refuses."""
    found: list[Frames | None] = []
    for numbers in wanted:
        try:
            found.append(read(numbers))
        except Exception:  # decord's own error has no nearer base
            found.append(None)
    return found


def compare(found: list[Frames | None], wanted: list[NDArray[np.int64]], reference: Frames) -> Comparison:
    """Compares what a decoder gave for each access; None where it gave nothing."""
    total = sum(len(numbers) for numbers in wanted)
    right, mean, largest = 0, 0.0, 0
    for frames, numbers in zip(found, wanted, strict=True):
        for number, frame in zip(numbers.tolist(), frames if frames is not None else [], strict=False):
            if not _is_nearest(frame, number, reference):
                continue
            right += 1
            difference = np.abs(frame.astype(np.int16) - reference[number])
            mean, largest = max(mean, float(difference.mean())), max(largest, int(difference.max()))
    return Comparison(right, total, mean, largest)


def _is_nearest(frame: Frames, number: int, reference: Frames) -> bool:
    """Whether no other frame is nearer than the one of that number; equal frames are equally near."""
    if number >= len(reference) or frame.shape != reference.shape[1:]:
        return False
    if np.array_equal(frame, reference[number]):
        return True
    step = max(1, max(frame.shape[:2]) // _SAMPLED_PX)
    distances = np.abs(reference[:, ::step, ::step].astype(np.int16) - frame[::step, ::step]).mean(axis=(1, 2, 3))
    return bool(distances[number] == distances.min())
