"""From what a file holds and which part of it is labelled to a record of the manifest."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gcvideo.data.annotations import Entry
from gcvideo.data.decoding.readers.pictures import list_pictures
from gcvideo.data.indexing.probe import Probe
from gcvideo.records import VideoRecord

_EPSILON_S = 1e-6  # times are kept to a microsecond


def file_state(path: Path) -> tuple[int, int]:
    """Bytes and modification time in nanoseconds, to see that a file, or a folder of pictures, has changed.

    Raises:
        OSError: if there is no such file.
        DecodeError: if a folder holds no numbered pictures.
    """
    files = list_pictures(path) if path.is_dir() else [path]
    states = [file.stat() for file in files]
    changed = [state.st_mtime_ns for state in states]
    changed += [path.stat().st_mtime_ns] if path.is_dir() else []  # a name in it has changed
    return sum(state.st_size for state in states), max(changed)


def record_of(entry: Entry, probe: Probe, state: tuple[int, int]) -> VideoRecord | str:
    """The record of one labelled part, or why there is none.

    A frame belongs to the part in which it begins to be shown.
    """
    if entry.start >= probe.duration:
        return f"starts at {entry.start:g} s, but the video ends at {probe.duration:g} s"
    end = probe.duration if entry.end is None else min(entry.end, probe.duration)
    first, after = np.searchsorted(probe.times, [entry.start - _EPSILON_S, end - _EPSILON_S]).tolist()
    if after <= first:
        return f"no frame between {entry.start:g} and {end:g} s"
    return VideoRecord(
        path=str(entry.path),
        label=entry.label,
        split=entry.split,
        start=entry.start,
        end=end,
        first_frame=first,
        num_frames=after - first,
        fps=probe.fps,
        is_vfr=probe.is_vfr,
        width=probe.width,
        height=probe.height,
        pixel_aspect=probe.pixel_aspect,
        codec=probe.codec,
        duration=probe.duration,
        readers=probe.readers,
        damage=probe.damage,
        num_bytes=state[0],
        modified_ns=state[1],
    )
