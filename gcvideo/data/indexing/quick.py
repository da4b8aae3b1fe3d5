"""Reads the header and the packets of a video and decodes nothing: seconds where ``probe.py`` takes hours."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from gcvideo.data.decoding.decode import DecodeError, first_video_stream, is_special, open_video
from gcvideo.data.decoding.readers import pictures
from gcvideo.data.decoding.readers.pyav import time_stamps
from gcvideo.data.indexing.probe import Probe, rate, varies


def probe_quickly(path: Path) -> Probe:
    """What header and packets promise.

    It cannot see whether a frame decodes, so that ``damage`` is always empty and a file of broken pictures passes; nor
    whether random access is right, so that the reader is ``pyav:forward``, which always is; nor which packets are
    no frame of their own (packed B-frames in AVI), so that the count may be a little off; nor a rotation, so that
    width and height are those before it.

    Raises:
        DecodeError: if the file cannot be opened, or has no packet of video.
    """
    if is_special(path):
        raise DecodeError("not a regular file")
    try:
        with open_video(path) as container:
            stream = first_video_stream(container)
            codec, fps = stream.codec_context.codec.canonical_name, float(stream.average_rate or 0)
            width, height, base = stream.width, stream.height, float(stream.time_base or 0)
            aspect = float(stream.sample_aspect_ratio or 1)
        times = _times(path, base, fps)
    except av.FFmpegError as error:
        raise DecodeError(f"cannot be opened: {error.strerror}") from error
    if not width or not height:
        raise DecodeError("its header does not say how large its frames are")
    fps = rate(times) or fps
    duration = round(float(times[-1] + (1 / fps if fps else 0)), 6)
    return Probe(fps, varies(times, fps), width, height, aspect, codec, duration, "pyav:forward", "", times)


def probe_pictures_quickly(folder: Path, fps: float) -> Probe:
    """Opens the first picture of a folder; another size or a broken file among the others is not seen.

    Raises:
        DecodeError: if it cannot be opened; or no rate is given.
    """
    if fps <= 0:
        raise DecodeError("a folder of pictures has no rate; give it: gcvideo index --fps 25")
    total = len(pictures.list_pictures(folder))
    height, width = pictures.read(str(folder), np.array([0]), "seek").shape[1:3]
    duration, times = round(total / fps, 6), np.arange(total) / fps
    return Probe(fps, False, width, height, 1.0, "pictures", duration, "pictures:seek", "", times)


def _times(path: Path, base: float, fps: float) -> NDArray[np.float64]:
    """When each frame is shown, from the first one on; at a constant rate where the container does not say."""
    try:
        times = time_stamps(str(path)) * base
    except DecodeError:
        times = np.arange(_num_packets(path)) / (fps or 25.0)
    if not len(times):
        raise DecodeError("no packet of video in it")
    from_zero: NDArray[np.float64] = times - times[0]
    return from_zero


def _num_packets(path: Path) -> int:
    with open_video(path) as container:
        packets = container.demux(first_video_stream(container))
        return sum(1 for packet in packets if packet.size and not packet.is_discard)
