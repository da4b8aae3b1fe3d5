"""What the deadline costs: time per clip through ``DeadlineReader`` against ``read_frames`` in the same process.

    .venv/bin/python benchmarks/deadline.py [--clips 100] [--gop 32]

One file, 340x256 H.264 of 300 frames, made on the spot; 8x8 clips at random places. The two take turns clip by clip,
each in turn first. The table has the medians of the wall time per clip and the means of the processor time per clip,
of both processes together; the ratios are with / without. On a busy machine only the processor time tells something.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gcvideo.commands._tables import table
from gcvideo.data.decoding.deadline import DeadlineReader
from gcvideo.data.decoding.decode import Frames, is_installed, read_frames
from gcvideo.data.encode import write_video

NUM_FRAMES = 300
Read = Callable[[Path, NDArray[np.int64], str], Frames]


def main() -> None:
    """Prints the medians for each reader, and the time from a start to the first answer."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--gop", type=int, default=32)
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_video(path, _scene(), fps=30, crf=23, gop=options.gop)
        for reader in ("decord", "pyav"):
            if is_installed(reader):
                rows.append(_measure(path, reader, options.clips))
    heads = ["wall without, ms", "with, ms", "ratio", "CPU without, ms", "with, ms", "ratio", "start and first, ms"]
    print(table([f"reader, GOP {options.gop}", *heads], rows, left=1))


def _scene() -> Frames:
    """A soft texture that moves by a few pixels a frame, with a little noise: about as hard as a real scene."""
    generator = np.random.default_rng(0)
    coarse = generator.integers(0, 256, (24, 32, 3)).astype(np.float32)
    picture = coarse.repeat(32, 0).repeat(32, 1)
    kernel = np.ones(33) / 33
    for axis in (0, 1):
        picture = np.apply_along_axis(np.convolve, axis, picture, kernel, mode="same")
    shifts = [(2 * t % 400, 3 * t % 600) for t in range(NUM_FRAMES)]
    frames = np.stack([picture[y : y + 256, x : x + 340] for y, x in shifts])
    return (frames + generator.normal(0, 2, (NUM_FRAMES, 256, 340, 1))).clip(0, 255).astype(np.uint8)


def _measure(path: Path, reader: str, num_clips: int) -> list[str]:
    starts = np.random.default_rng(0).integers(0, NUM_FRAMES - 64, num_clips).tolist()
    with closing(DeadlineReader(60)) as apart:
        reads: list[Read] = [read_frames, apart.read]
        first = _times(apart.read, path, 0, reader)[0]
        _times(read_frames, path, 0, reader)
        times: dict[Read, list[tuple[float, float]]] = {read: [] for read in reads}
        before = _processor_seconds(apart)
        for start in starts:
            for read in reads:
                times[read].append(_times(read, path, start, reader))
            reads.reverse()
        there = (_processor_seconds(apart) - before) / num_clips
    (wall, cpu), (wall_apart, cpu_here) = (_summary(pairs) for pairs in times.values())
    return [reader, *_compared(wall, wall_apart), *_compared(cpu, cpu_here + there), f"{1000 * first:.0f}"]


def _times(read: Read, path: Path, start: int, reader: str) -> tuple[float, float]:
    """Seconds of one clip by the clock, and of this process's processor time."""
    before = time.perf_counter(), time.process_time()
    read(path, start + 8 * np.arange(8), reader)
    return time.perf_counter() - before[0], time.process_time() - before[1]


def _processor_seconds(apart: DeadlineReader) -> float:
    """What the subprocess has used, in user and system mode; Linux counts it in hundredths of a second."""
    fields = Path(f"/proc/{apart.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _summary(pairs: list[tuple[float, float]]) -> tuple[float, float]:
    wall, cpu = zip(*pairs, strict=True)
    return statistics.median(wall), statistics.mean(cpu)


def _compared(without: float, with_deadline: float) -> list[str]:
    return [f"{1000 * without:.2f}", f"{1000 * with_deadline:.2f}", f"{with_deadline / without:.3f}"]


if __name__ == "__main__":
    main()
