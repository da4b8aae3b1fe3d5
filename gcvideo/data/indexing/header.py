"""What the header of a video promises, and what its packets hold of it; nothing is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av

from gcvideo.data.decoding.decode import first_video_stream, open_video

# Containers whose header promises a duration and no number of frames, and how much of it may be missing.
_PROMISE_A_DURATION = ("matroska,webm", "flv", "asf")
_MISSING_S, _MISSING_SHARE = 0.5, 0.05
_PLACEHOLDER_BYTES = 8  # MPEG-4 part 2 writes packets without a picture, where two pictures share the packet before


@dataclass(frozen=True)
class Header:
    """What a file says of its first video stream.

    Attributes:
        codec: FFmpeg's name of it.
        fps: average frames per second; 0 where it is not known.
        pixel_aspect: width of a pixel to its height, as stored.
        num_frames: as the header says; 0 where it does not.
        is_open: whether a key frame, not the first, is stored before frames that are shown before it (an open GOP).
        num_packets: of the stream, for AVI with those that are empty: the picture stays.
        num_shown: packets that an edit list does not cut away.
        promised_s: how long the file is to last, where the header says so and not how many frames; else 0.
        last_s: where its last packet ends, of whatever stream.
    """

    codec: str
    fps: float
    pixel_aspect: float
    num_frames: int
    is_open: bool
    num_packets: int
    num_shown: int
    promised_s: float
    last_s: float

    def missing(self, num_decoded: int) -> list[str]:
        """What is promised and not there, when that many frames decode: a line each."""
        found = []
        missing = max(self.num_frames - self.num_packets, 0) + max(self.num_shown - num_decoded, 0)
        if missing:
            found.append(f"{missing} of {missing + num_decoded} frames do not decode")
        if self.promised_s - self.last_s > max(_MISSING_S, _MISSING_SHARE * self.promised_s):
            found.append(f"ends after {self.last_s:.1f} of {self.promised_s:.1f} s")
        return found


def read_header(path: Path) -> Header:
    """Reads the header and all packets.

    Raises:
        DecodeError: if there is no video stream, or its codec is unknown.
        av.FFmpegError: if the file cannot be opened.
    """
    with open_video(path) as container:
        stream = first_video_stream(container)
        codec, in_chunks = stream.codec_context.codec.canonical_name, container.format.name == "avi"
        smallest = _PLACEHOLDER_BYTES if codec == "mpeg4" else 0
        num_packets, num_shown, last_s = 0, 0, 0.0
        groups = _Groups()
        for packet in container.demux():
            last_s = max(last_s, _end(packet))
            if packet.stream.index == stream.index and packet.size:
                num_packets = 1 + (packet.dts if in_chunks and packet.dts is not None else num_packets)
                num_shown += packet.size > smallest and not packet.is_discard
                groups.add(packet)
        fps, promised_s = float(stream.average_rate or 0), _promised(container)
        aspect = float(stream.sample_aspect_ratio or 1)
        return Header(codec, fps, aspect, stream.frames, groups.are_open, num_packets, num_shown, promised_s, last_s)


class _Groups:
    """Looks at the packets of a stream as they are stored: decord misses frames that are shown before a key frame."""

    def __init__(self) -> None:
        self.are_open = False
        self._key_pts: int | None = None  # of the last key frame but the first
        self._num_keys = 0

    def add(self, packet: av.Packet[Any]) -> None:
        if packet.is_keyframe:
            self._num_keys += 1
            self._key_pts = packet.pts if self._num_keys > 1 else None
        elif self._key_pts is not None and packet.pts is not None:
            self.are_open = self.are_open or packet.pts < self._key_pts


def _end(packet: av.Packet[av.stream.Stream]) -> float:
    """Seconds; 0 where the packet has no time."""
    if packet.pts is None or packet.time_base is None:
        return 0.0
    return float((packet.pts + (packet.duration or 0)) * packet.time_base)


def _promised(container: av.container.InputContainer) -> float:
    return (container.duration or 0) / av.time_base if container.format.name in _PROMISE_A_DURATION else 0.0
