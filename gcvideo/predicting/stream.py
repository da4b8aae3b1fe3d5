"""A camera or a stream: it has no end and no index, so its frames are taken as they come, in windows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from lightning.fabric import Fabric
from numpy.typing import NDArray

from gcvideo.data.clips import Timeline
from gcvideo.data.decoding.decode import decoded, first_line, first_video_stream
from gcvideo.data.decoding.rgb import RgbFilter
from gcvideo.data.preprocessing import Preprocessing, Views
from gcvideo.errors import InputError
from gcvideo.predicting.frames import score_frames
from gcvideo.predicting.prediction import Prediction, named
from gcvideo.predicting.saved_model import SavedModel

_PATIENCE_S = 10.0  # for a stream to begin, and for its next frame
_DEFAULT_FPS = 25.0


@dataclass(frozen=True)
class StreamWindow:
    """The frames of some seconds of a stream.

    Attributes:
        start: seconds from the first frame of the stream on.
        times: of each frame, seconds from the first of the window on; ``float64 (frames,)``.
        frames: as they were decoded.
    """

    start: float
    times: NDArray[np.float64]
    frames: list[av.VideoFrame]

    @property
    def fps(self) -> float:
        """Frames per second, on average."""
        return (len(self.times) - 1) / float(self.times[-1]) if self.times[-1] > 0 else _DEFAULT_FPS

    def read(self, indices: NDArray[np.int64]) -> NDArray[np.uint8]:
        """The frames with these numbers, ``uint8 (T, H, W, 3)``."""
        to_rgb = RgbFilter()
        pictures = {number: to_rgb(self.frames[number]) for number in sorted(set(indices.tolist()))}
        return np.stack([pictures[number] for number in indices.tolist()])


def clip_seconds(preprocessing: Preprocessing) -> float:
    """How long a clip lasts, at 25 frames a second where it was trained at no certain rate."""
    return preprocessing.num_frames * preprocessing.frame_stride / (preprocessing.target_fps or _DEFAULT_FPS)


def stream_windows(source: str, seconds: float) -> Iterator[StreamWindow]:
    """Windows one after the other; the last is what is left when the stream ends, if that is a tenth of one.

    Args:
        source: an address that FFmpeg opens (http, rtsp, udp, ...), a file or pipe, or a camera such as /dev/video0.
        seconds: length of a window.

    Raises:
        InputError: if it cannot be opened, or breaks off with an error.
    """
    frames: list[av.VideoFrame] = []
    times: list[float] = []
    first = None
    for frame in _frames(source):
        time = frame.time if frame.time is not None else (times[-1] + 1 / _DEFAULT_FPS if times else 0.0)
        first = time if first is None else first
        if times and (time < times[-1] or time - times[0] >= seconds - 1e-6):
            yield _window(frames, times, first)
            frames, times = [], []
        frames.append(frame)
        times.append(time)
    if times and times[-1] - times[0] >= seconds / 10:
        yield _window(frames, times, first or 0.0)


def predict_window(saved: SavedModel, window: StreamWindow, views: Views, fabric: Fabric, top: int) -> Prediction:
    """The classes of a window, by the clips, transform and average of a file."""
    timeline = Timeline(len(window.times), window.fps, window.times)
    scores = score_frames(saved, timeline, window.read, views, fabric)
    end = window.start + float(window.times[-1]) + 1 / window.fps
    return named(scores, saved.classes, top, start=window.start, end=end)


def _window(frames: list[av.VideoFrame], times: list[float], first: float) -> StreamWindow:
    return StreamWindow(times[0] - first, np.array(times) - times[0], frames)


def _frames(source: str) -> Iterator[av.VideoFrame]:
    is_camera = source.startswith("/dev/video")
    where = Path(source).expanduser() if "://" not in source else source
    try:
        with av.open(str(where), format="v4l2" if is_camera else None, timeout=_PATIENCE_S) as container:
            yield from decoded(container, first_video_stream(container))
    except (av.FFmpegError, OSError, RuntimeError) as error:
        raise InputError(f"--stream {source}: {first_line(error)}") from error
