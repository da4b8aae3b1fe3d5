"""A video with its labels drawn on it: H.264, upright, each frame when it was shown, no sound; tiny ones larger."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av

from gcvideo.data.decoding.decode import DecodeError, first_line, forward
from gcvideo.data.decoding.rgb import RgbFilter
from gcvideo.predicting.drawing import Picture, labels_overlay, lay_over
from gcvideo.predicting.prediction import Prediction
from gcvideo.predicting.segments import window_at

_TICKS = 90_000  # a second: time stamps are kept to that
_DEFAULT_FPS = 25
_SMALL_PX, _LARGER_PX = 120, 240  # a short side below the one is enlarged to the other, or a little more


def annotate_video(path: Path, out: Path, predictions: Sequence[Prediction]) -> str:
    """Writes the video with the best classes of each moment on it.

    Args:
        path: the video.
        out: an mp4; its folder is made. A file that is there is replaced when the new one is whole.
        predictions: of the whole video, or of its windows by time; at least one.

    Returns:
        Why it could not be written; empty when it was.
    """
    beside = out.with_name(f"{out.stem}.{os.getpid()}.part.mp4")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        _encode(beside, _drawn(path, predictions))
        beside.replace(out)
    except (av.FFmpegError, DecodeError, OSError) as error:
        return first_line(error)
    finally:
        with suppress(OSError):
            beside.unlink()
    return ""


def _drawn(path: Path, predictions: Sequence[Prediction]) -> Iterator[tuple[float, Picture]]:
    """Seconds from the first frame on, and the picture."""
    to_rgb, first, last = RgbFilter(), None, -1.0
    overlays: dict[float, Picture] = {}
    for number, frame in enumerate(forward(path)):
        time = frame.time if frame.time is not None else number / _DEFAULT_FPS
        first = time if first is None else first
        picture = _enlarged(to_rgb(frame))
        shown = window_at(predictions, time - first)
        if shown.start not in overlays:
            size = picture.shape[1], picture.shape[0]
            overlays[shown.start] = labels_overlay(size, shown.labels, shown.probabilities)
        last = max(time - first, last + 1 / _TICKS)  # a file may show two frames at one time
        yield last, lay_over(picture, overlays[shown.start])


def _enlarged(picture: Picture) -> Picture:
    """A picture that is too small for letters, by a whole number, so that each pixel is seen as it is."""
    side = min(picture.shape[:2])
    factor = 1 if side >= _SMALL_PX else -(-_LARGER_PX // side)
    return picture if factor == 1 else picture.repeat(factor, axis=0).repeat(factor, axis=1)


def _encode(out: Path, pictures: Iterator[tuple[float, Picture]]) -> None:
    with av.open(str(out), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = None
        for time, picture in pictures:
            height, width = picture.shape[:2]
            if stream is None:
                stream = container.add_stream("libx264", options={"crf": "20", "preset": "veryfast"})
                stream.width, stream.height = width + width % 2, height + height % 2  # 4:2:0 halves them
                stream.pix_fmt, stream.codec_context.time_base = "yuv420p", Fraction(1, _TICKS)
            frame = av.VideoFrame.from_ndarray(_even(picture), format="rgb24")
            frame.pts, frame.time_base = round(time * _TICKS), Fraction(1, _TICKS)
            container.mux(stream.encode(frame))
        if stream is None:
            raise DecodeError("no frame decodes")
        container.mux(stream.encode())


def _even(picture: Picture) -> Picture:
    """With its last column or row twice, where their number is odd."""
    picture = picture if picture.shape[0] % 2 == 0 else picture[[*range(picture.shape[0]), -1]]
    return picture if picture.shape[1] % 2 == 0 else picture[:, [*range(picture.shape[1]), -1]]
