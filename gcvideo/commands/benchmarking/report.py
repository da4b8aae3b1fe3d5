"""Measures how fast clips come from the files: the training data set itself, its parts timed as they are called."""

from __future__ import annotations

import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gcvideo.data.dataset import VideoDataset
from gcvideo.data.decoding.decode import Frames
from gcvideo.data.decoding.reading import ClipReader, Reading
from gcvideo.data.sampler import Key
from gcvideo.data.transforms import Transform
from gcvideo.errors import InputError
from gcvideo.records import Batch, Sample, VideoRecord

PARTS = ("choose", "read", "augment", "collate")
Request = tuple[VideoRecord, NDArray[np.int64]]  # a video, and the frames of its labelled part


@dataclass(frozen=True)
class PipelineCost:
    """What a clip costs one loader process.

    Attributes:
        parts: milliseconds a clip of each of ``PARTS``; the median of the rounds.
        total: milliseconds a clip, all together; the median of the rounds.
        first: milliseconds a clip of the round before, which may have read from the disk.
        megabytes: read from files for a clip, by this process; None where the system does not tell.
        num_failed: videos that could not be read.
        requests: what was read.
    """

    parts: dict[str, float]
    total: float
    first: float
    megabytes: float | None
    num_failed: int
    requests: list[Request]

    @property
    def clips_per_s(self) -> float:
        """Of one process."""
        return 1000 / self.total


class Stopwatch:
    """Adds up the seconds that pieces of work take, by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Adds the time of the block."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] += time.perf_counter() - began


class TimedReader(ClipReader):
    """Reads as ever, and notes how long it took and what was asked for."""

    def __init__(self, reading: Reading, watch: Stopwatch) -> None:
        super().__init__(reading)
        self.watch, self.requests = watch, list[Request]()

    def read(self, record: VideoRecord, indices: NDArray[np.int64]) -> tuple[Frames, str]:
        """See ``ClipReader``."""
        self.requests.append((record, indices))
        with self.watch.measure("read"):
            return super().read(record, indices)


def measure_pipeline(
    dataset: VideoDataset,
    keys: Sequence[Key],
    reading: Reading,
    *,
    batch_size: int,
    rounds: int,
    on_video: Callable[[], None],
) -> PipelineCost:
    """Takes the samples of ``keys`` as a loader process does, once to warm up and ``rounds`` times, other clips each.

    Args:
        dataset: of the training; its reader and its transform are wrapped and put back.
        keys: ``(epoch, index)`` of the first round; the epoch grows from round to round.
        reading: what the data set reads with.
        batch_size: videos that are collated at once.
        rounds: passes over the videos that count.
        on_video: called after each.

    Raises:
        InputError: if none of the videos can be read.
    """
    watch = Stopwatch()
    reader, before = TimedReader(reading, watch), (dataset.reader, dataset.transform)
    dataset.reader, dataset.transform = reader, _timed(dataset.transform, watch)  # type: ignore[assignment]
    try:
        passes = []
        for turn in range(rounds + 1):
            watch.seconds.clear()
            passes.append(_pass(dataset, [(epoch + turn, k) for epoch, k in keys], batch_size, watch, on_video))
    finally:
        dataset.reader, dataset.transform = before
        reader.process.close()
    if passes[0]["failed"] == len(keys):
        raise InputError(f"none of the {len(keys)} videos tried can be read: {passes[0]['reason']}")
    counted = passes[1:]
    return PipelineCost(
        {part: statistics.median(found[part] for found in counted) for part in PARTS},
        statistics.median(found["total"] for found in counted),
        passes[0]["total"],
        None if counted[0]["megabytes"] is None else statistics.median(found["megabytes"] for found in counted),
        passes[0]["failed"],
        reader.requests[-len(keys) :],
    )


def _pass(
    dataset: VideoDataset, keys: Sequence[Key], batch_size: int, watch: Stopwatch, on_video: Callable[[], None]
) -> dict[str, Any]:
    """One pass over the videos: milliseconds a clip of each part."""
    began, samples, waiting = _bytes_read(), list[Sample](), iter(keys)
    num_clips, failures = 0, list[str]()
    while chunk := list(islice(waiting, batch_size)):
        samples = []
        for key in chunk:
            with watch.measure("sample"):
                samples.append(dataset[key])
            on_video()
        with watch.measure("collate"):
            batch = Batch.collate(samples)
        num_clips += batch.view_indices.numel()
        failures += batch.failures
    ended, spent = _bytes_read(), watch.seconds
    choose = spent["sample"] - spent["read"] - spent["augment"]
    parts = {"choose": choose, **{part: spent[part] for part in PARTS[1:]}}
    milliseconds = {part: 1000 * seconds / num_clips for part, seconds in parts.items()}
    megabytes = None if began is None or ended is None else (ended - began) / num_clips / 1e6
    total = sum(milliseconds.values())
    failed = {"failed": len(failures), "reason": failures[0] if failures else ""}
    return {**milliseconds, "total": total, "megabytes": megabytes, **failed}


def _timed(transform: Transform, watch: Stopwatch) -> Callable[[torch.Tensor, int | None], list[torch.Tensor]]:
    def run(frames: torch.Tensor, label: int | None = None) -> list[torch.Tensor]:
        with watch.measure("augment"):
            return transform(frames, label)

    return run


def _bytes_read() -> int | None:
    """What this process has read so far, from the disk or from the system's memory of it (Linux)."""
    try:
        lines = Path("/proc/self/io").read_text().splitlines()
    except OSError:
        return None
    return int(lines[0].partition(":")[2])


@contextmanager
def one_torch_thread() -> Iterator[None]:
    """As in a loader process."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
