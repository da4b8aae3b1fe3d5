"""Which decoders give the right frames of a file, measured by comparison with a decode from the first frame on."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np

from gcvideo.data.decoding.decode import DecodeError, Frames, get_reader, is_installed, read_frames
from gcvideo.data.decoding.readers import decord as decord_reader
from gcvideo.data.decoding.readers import pyav as pyav_reader

Stretches = list[dict[int, Frames]]

# Mean difference of one frame decoded twice: 0.0 for 8-bit 4:2:0 of even size, up to 0.73 for 10 bit and odd sizes
# (measured on 43 files of many codecs); neighbouring frames of a moving scene differ by 1 to 17.
_SAME_FRAME_LEVELS = 0.8
_COMPARED_PX = 1024
# Frames of a group up to which PyAV is taken before decord: a clip of an all-intra file takes it half the time.
_SHORT = 8

_MORE_LAST_READS = 3


def right_readers(path: Path, stretches: Stretches, *, num_frames: int, num_groups: int, is_open: bool) -> str:
    """``name:way`` of each installed decoder that gives the right frames, the best first, blanks between them.

    PyAV's decode from the first frame on is the measure and always right.

    Args:
        path: the file.
        stretches: right pictures of consecutive frames by number, RGB; each stretch is read after a seek of its own.
        num_frames: how many frames it shows.
        num_groups: how many groups of pictures that begin with a key frame.
        is_open: whether one of them is open; then decord errs after some seeks, wherever it is compared.
    """
    names = ("pyav", "decord", "torchcodec") if num_frames <= _SHORT * num_groups else ("decord", "torchcodec", "pyav")
    found = [
        f"{name}:{way}"
        for name in names
        if is_installed(name)
        for way in [_way(path, name, num_frames, stretches, is_open)]
        if way
    ]
    seeking = [reader for reader in found if reader.endswith(":seek")]
    others = [reader for reader in found if reader not in seeking and reader != "pyav:forward"]
    return " ".join([*seeking, "pyav:forward", *others] if "pyav:forward" in found else [*seeking, *others])


def _way(path: Path, name: str, total: int, stretches: Stretches, is_open: bool) -> str:
    """``seek`` where random access is right, ``forward`` where only decoding from the first frame on is."""
    if not _counts_the_same(path, name, total):
        return "forward" if name == "pyav" else ""
    if not (is_open and name == "decord") and _gives(path, f"{name}:seek", stretches):
        return "seek"
    if name == "pyav" or (name == "decord" and _gives(path, "decord:forward", stretches)):
        return "forward"
    return ""


def _counts_the_same(path: Path, name: str, total: int) -> bool:
    try:
        if name == "decord":
            return decord_reader.length(str(path)) == total
        if name == "pyav":
            return len(pyav_reader.time_stamps(str(path))) == total
        get_reader(name).read(str(path), np.array([total - 1]), "seek")
    except (DecodeError, av.FFmpegError):
        return False
    return True


def _gives(path: Path, reader: str, stretches: Stretches) -> bool:
    """Whether a decoder gives the pictures seen: each stretch after a seek of its own, or all in one pass forward.

    The last one is read some times over: decord gives the last frame or the one before, by chance, of some short files.
    """
    parts = list(reversed(stretches))
    if reader.endswith(":forward"):
        parts = [dict(sorted({number: frame for part in parts for number, frame in part.items()}.items()))]
    elif reader.startswith("decord:"):
        parts = [*parts, *parts[:1] * _MORE_LAST_READS]
    try:
        return all(
            _are_same(list(part.values()), [thinned(f) for f in read_frames(path, np.array(list(part)), reader)])
            for part in parts
        )
    except DecodeError:
        return False


def thinned(frame: Frames) -> Frames:
    """Every k-th pixel of a large frame, so that an index of 8K video does not fill the memory."""
    step = -(-max(frame.shape[:2]) // _COMPARED_PX)
    return frame if step == 1 else frame[::step, ::step].copy()


def _are_same(expected: list[Frames], found: list[Frames]) -> bool:
    return expected[0].shape == found[0].shape and all(
        _is_same(number, frame, expected) for number, frame in enumerate(found)
    )


def _is_same(number: int, frame: Frames, expected: list[Frames]) -> bool:
    """Whether a frame is equal but for rounding, and none beside it is nearer: a quiet scene changes by less."""
    difference = _levels(frame, expected[number])
    if difference == 0 or difference > _SAME_FRAME_LEVELS:
        return difference == 0
    return all(difference <= _levels(frame, other) for other in expected)


def _levels(frame: Frames, other: Frames) -> float:
    return float(np.abs(frame.astype(np.int16) - other).mean())
