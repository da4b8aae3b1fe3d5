"""Small really encoded videos, and seeded damage to them: bits flipped, ends cut off, parts of others put in."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import cast

import av
import numpy as np

from tests.conftest import numbered_frames

_NUM_FRAMES = 30
_MOST_FLIPS = 8  # 1 to 2 to the power of this many bits

# Name, codec and options.
_ORIGINALS = {
    "h264.mp4": ("libx264", {"g": "12", "bf": "2", "crf": "20"}),
    "h264.mkv": ("libx264", {"g": "12", "bf": "2", "crf": "20"}),
    "xvid.avi": ("mpeg4", {"g": "12", "b": "400k"}),
    "mjpeg.avi": ("mjpeg", {}),
    "vp8.webm": ("libvpx", {"g": "12", "deadline": "realtime", "cpu-used": "8", "b": "300k"}),
}


def write_originals(folder: Path) -> list[Path]:
    """The undamaged videos, 30 frames of 64x48; each frame has its own brightness and a moving square."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = numbered_frames(_NUM_FRAMES)
    for number, frame in enumerate(frames):
        frame[8:24, number : number + 16] = 255 - frame[0, 0]
    for name, (codec, options) in _ORIGINALS.items():
        options_of_container = {"movflags": "+faststart"} if name.endswith(".mp4") else {}
        with av.open(str(folder / name), "w", options=options_of_container) as container:
            stream = cast(av.VideoStream, container.add_stream(codec, rate=25, options=options))
            stream.width, stream.height = 64, 48
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
            stream.codec_context.thread_count = 1
            for frame in frames:
                container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
            container.mux(stream.encode())
    return sorted(folder.iterdir())


def write_mutants(originals: list[Path], root: Path, count: int, seed: int) -> None:
    """``root/CLASS/NNN.SUFFIX``: damaged copies, spread evenly over kinds of damage (the classes) and originals."""
    generator = np.random.default_rng(seed)
    contents = [np.frombuffer(path.read_bytes(), np.uint8) for path in originals]
    kinds = list(_MUTATIONS.items())
    for number in range(count):
        name, mutate = kinds[number % len(kinds)]
        which = number // len(kinds) % len(originals)
        other = contents[generator.integers(len(originals))]
        path = root / name / f"{number:03}{originals[which].suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mutate(contents[which], other, generator).tobytes())


def write_one_picture_repeated(path: Path, original: Path) -> None:
    """The first key frame's packet of an H.264 file again and again, as a camera that hangs writes it."""
    with av.open(str(original)) as source, av.open(str(path), "w") as container:
        video = source.streams.video[0]
        stream = container.add_stream_from_template(video)
        key = next(bytes(packet) for packet in source.demux(video) if packet.size)
        for number in range(_NUM_FRAMES):
            packet = av.Packet(key)
            packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, 25), True
            packet.pts = packet.dts = number
            container.mux(packet)


_Bytes = np.ndarray[tuple[int], np.dtype[np.uint8]]


def _flip_bits(content: _Bytes, other: _Bytes, generator: np.random.Generator) -> _Bytes:
    bits = np.unpackbits(content)
    places = generator.integers(len(bits), size=2 ** generator.integers(_MOST_FLIPS))
    bits[places] ^= 1
    return np.packbits(bits)


def _flip_bits_of_the_header(content: _Bytes, other: _Bytes, generator: np.random.Generator) -> _Bytes:
    """The index stands at one of the ends."""
    flipped = content.copy()
    for part in (flipped[:1500], flipped[-1500:]):
        places = generator.integers(len(part), size=generator.integers(1, 20))
        part[places] = generator.integers(0, 256, len(places))
    return flipped


def _cut_off(content: _Bytes, other: _Bytes, generator: np.random.Generator) -> _Bytes:
    return content[: generator.integers(len(content))]


def _splice_header(content: _Bytes, other: _Bytes, generator: np.random.Generator) -> _Bytes:
    """The beginning of another file in place of the own."""
    length = generator.integers(1, min(len(content), len(other)) // 2)
    return np.concatenate([other[:length], content[length:]])


def _splice_middle(content: _Bytes, other: _Bytes, generator: np.random.Generator) -> _Bytes:
    """A part of another file, or of nothing, somewhere inside; the length changes."""
    start, stop = np.sort(generator.integers(len(content), size=2))
    first, last = np.sort(generator.integers(len(other), size=2))
    inside = other[first:last] if generator.random() < 0.7 else np.zeros(stop - start, np.uint8)
    return np.concatenate([content[:start], inside, content[stop:]])


_MUTATIONS: dict[str, Callable[[_Bytes, _Bytes, np.random.Generator], _Bytes]] = {
    "flipped": _flip_bits,
    "flipped_header": _flip_bits_of_the_header,
    "cut_off": _cut_off,
    "spliced_header": _splice_header,
    "spliced_middle": _splice_middle,
}
