"""Looks at every file before the network does: how many frames really decode, by which decoder, what is damaged."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gcvideo.data.annotations import Entry
from gcvideo.data.decoding.decode import DecodeError
from gcvideo.data.indexing.probe import Probe
from gcvideo.data.indexing.probing import Task, probe_all
from gcvideo.data.indexing.segments import file_state, record_of
from gcvideo.errors import InputError
from gcvideo.predicting.prediction import Unpredicted
from gcvideo.records import VideoRecord

NOT_REACHED = "was not reached before the end that was asked for"
_SLACK_S = 1e-6  # times are kept to a microsecond


@dataclass(frozen=True)
class Windows:
    """Equal parts of a long video, each of which is predicted by itself.

    Attributes:
        seconds: length of a part.
        stride_s: seconds from the beginning of one to that of the next.

    Raises:
        InputError: if one is not above 0.
    """

    seconds: float
    stride_s: float

    def __post_init__(self) -> None:
        for name, value in (("window", self.seconds), ("stride", self.stride_s)):
            if not 0 < value < float("inf"):
                raise InputError(f"{name} is {value:g}; expected seconds above 0", exit_code=2)

    def parts(self, duration: float) -> list[tuple[float, float]]:
        """Start and end of each part, seconds; the last ends with the video, and a shorter video is one part."""
        last = max(0.0, duration - self.seconds)
        count = int((last - _SLACK_S) // self.stride_s) + 1 if last > _SLACK_S else 0
        starts = [*(round(k * self.stride_s, 6) for k in range(count)), round(last, 6)]
        return [(start, min(round(start + self.seconds, 6), duration)) for start in starts]


def probe_files(
    paths: Sequence[Path],
    windows: Windows | None = None,
    *,
    num_workers: int = 0,
    on_video: Callable[[], None] = lambda: None,
    is_over: Callable[[], bool] = lambda: False,
) -> list[VideoRecord | Unpredicted]:
    """What each file holds, in their order; every frame of it is decoded once, in a process that is watched.

    Args:
        paths: of videos.
        windows: makes a record of every part of a video; a part in which no frame begins is left out.
        num_workers: processes; 0 means as many as there is work and processors for.
        on_video: called after each file.
        is_over: whether an end was asked for; the files that were not looked at by then were not reached.
    """
    tasks: dict[Task, tuple[int, int]] = {}
    results: dict[Path, list[VideoRecord | Unpredicted]] = {}
    for path in paths:
        try:
            state = _state(path)
        except (DecodeError, OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            results[path] = [Unpredicted(str(path), reason)]
            on_video()
        else:
            tasks[Task(path, 0.0, state[0])] = state
    with _without_the_users_script(), closing(probe_all(list(tasks), num_workers=num_workers)) as probed:
        for task, found in probed:
            results[task.path] = _records(task.path, found, tasks[task], windows)
            on_video()
            if is_over():
                break
    return [part for path in paths for part in results.get(path, [Unpredicted(str(path), NOT_REACHED)])]


def _state(path: Path) -> tuple[int, int]:
    if path.is_dir():
        raise DecodeError("a folder that cannot be read")
    return file_state(path)


def _records(
    path: Path, found: Probe | str, state: tuple[int, int], windows: Windows | None
) -> list[VideoRecord | Unpredicted]:
    if isinstance(found, str):
        return [Unpredicted(str(path), found)]
    parts: list[tuple[float, float | None]] = [(0.0, None)]
    if windows is not None:
        parts = list(windows.parts(found.duration))
    records = [record_of(Entry(path, 0, "test", start, end), found, state) for start, end in parts]
    return [record for record in records if isinstance(record, VideoRecord)]


@contextmanager
def _without_the_users_script() -> Iterator[None]:
    """New processes import the script that was started, and would run it again where it has no guard for that.

    They need nothing of it here, so that a script of three lines may predict.
    """
    script = sys.modules["__main__"]
    kept = {name: getattr(script, name) for name in ("__file__", "__spec__") if hasattr(script, name)}
    for name in kept:
        setattr(script, name, None)
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(script, name, value)
