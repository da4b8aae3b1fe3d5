"""Which frames a clip is made of. Pure arithmetic: no file is opened here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]
Sampling = Literal["dense", "segments"]
Short = Literal["loop", "hold"]

_SLACK_S = 1e-6  # a frame is shown from its time on; the times are kept to a microsecond


@dataclass(frozen=True)
class ClipSpec:
    """Which clips are taken from a video.

    Attributes:
        num_frames: frames in a clip.
        frame_stride: video frames from one clip frame to the next; with ``target_fps`` frames of that rate.
        num_clips: clips a video; at random places in training, at regular ones else.
        target_fps: frames per second that all videos are brought to, by taking for each moment the frame that is shown
            then (none are mixed); None takes the frames as they come.
        sampling: ``dense`` clips of consecutive strides, or ``segments``: the video is cut into num_frames equal parts
            with a frame from each (TSN, arXiv:1608.00859); stride and rate then say nothing.
        short: a video shorter than a dense clip is looped, as in mmaction2, or its last frame is held.
    """

    num_frames: int
    frame_stride: int
    num_clips: int = 1
    target_fps: float | None = None
    sampling: Sampling = "dense"
    short: Short = "loop"


@dataclass(frozen=True)
class Timeline:
    """When the frames of a video, or of the labelled part of one, are shown.

    Attributes:
        num_frames: how many there are, at least 1.
        fps: average frames per second; 0 where it is not known.
        times: seconds from the first frame on, ``float64 (num_frames,)``, rising; None where the rate is constant.
    """

    num_frames: int
    fps: float = 0.0
    times: NDArray[np.float64] | None = None


def choose_clips(spec: ClipSpec, timeline: Timeline, generator: np.random.Generator | None = None) -> Indices:
    """Frame numbers of the clips: ``int64 (num_clips, num_frames)``, each in 0 <= index < timeline.num_frames.

    Args:
        spec: which clips.
        timeline: of the video.
        generator: draws the places; without one they are regular, from the first to the last frame, a single clip in
            the middle.
    """
    if min(timeline.num_frames, spec.num_frames, spec.frame_stride, spec.num_clips) < 1:
        raise ValueError(f"expected at least 1 of everything, got {timeline.num_frames} frames and {spec}")
    if spec.sampling == "segments":
        return _segments(spec, timeline.num_frames, generator)
    if spec.target_fps is None or timeline.fps == 0:
        return _dense(spec, timeline.num_frames, generator)
    return _timed(spec, timeline, generator)


def _dense(spec: ClipSpec, total: int, generator: np.random.Generator | None) -> Indices:
    """Total 10, 3 frames, stride 2, 2 regular clips: 0, 2, 4 and 5, 7, 9. Total 5, 4 frames, looped: 0, 2, 4, 1."""
    latest = max(0, total - (spec.num_frames - 1) * spec.frame_stride - 1)
    if generator is not None:
        starts = np.array([generator.integers(latest + 1) for _ in range(spec.num_clips)])
    else:
        starts = _regular(latest, spec.num_clips).round() if spec.num_clips > 1 else np.array([latest // 2])
    offsets = np.arange(spec.num_frames, dtype=np.int64) * spec.frame_stride
    indices: Indices = starts.astype(np.int64)[:, None] + offsets
    return indices % total if spec.short == "loop" else np.minimum(indices, total - 1)


def _timed(spec: ClipSpec, timeline: Timeline, generator: np.random.Generator | None) -> Indices:
    """For each moment of a clip the frame that is shown then."""
    step = spec.frame_stride / (spec.target_fps or 1)
    times = timeline.times if timeline.times is not None else np.arange(timeline.num_frames) / timeline.fps
    duration = float(times[-1]) + 1 / timeline.fps
    latest = max(0.0, float(times[-1]) - (spec.num_frames - 1) * step)
    if generator is not None:
        starts = generator.uniform(0, latest, spec.num_clips)
    else:
        starts = _regular(latest, spec.num_clips)
    moments = starts[:, None] + np.arange(spec.num_frames) * step
    moments = np.where(moments < duration - _SLACK_S, moments, moments % duration if spec.short == "loop" else duration)
    return np.maximum(np.searchsorted(times, moments + _SLACK_S, side="right") - 1, 0).astype(np.int64)


def _segments(spec: ClipSpec, total: int, generator: np.random.Generator | None) -> Indices:
    """One frame from each of num_frames equal parts; a video with fewer frames repeats some."""
    shape = (spec.num_clips, spec.num_frames)
    if generator is not None:
        inside = generator.random(shape)
    else:
        inside = np.broadcast_to((np.arange(spec.num_clips)[:, None] + 0.5) / spec.num_clips, shape)
    return ((np.arange(spec.num_frames) + inside) * total / spec.num_frames).astype(np.int64)


def _regular(latest: float, num_clips: int) -> NDArray[np.float64]:
    return np.linspace(0, latest, num_clips) if num_clips > 1 else np.array([latest / 2])
