"""What `gcvideo prepare` saves: time to decode an 8x8 clip, and bytes, of originals, GOP 32 and all-intra.

    .venv/bin/python benchmarks/prepare.py [VIDEO ...] [--clips 60] [--crf 23] [--short_side 256]

Without videos one is made on the spot: 340x256 H.264, 300 frames, GOP 250. A clip is opened, read and closed; the kinds
take turns clip by clip, at the same random places, and the medians are shown. One thread, one process.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from gcvideo.commands._tables import table
from gcvideo.data.decoding.decode import is_installed, read_frames
from gcvideo.data.encode import write_video
from gcvideo.data.indexing.probe import Probe, probe_video
from gcvideo.data.preparing.reencode import Encoding, reencode_video

CLIP = 8 * np.arange(8)  # frames of a clip that begins at 0
READERS = ("decord", "pyav")
Files = dict[str, list[Path]]


def main() -> None:
    """Prints a row for the originals and for each way of preparing them."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--clips", type=int, default=60)
    parser.add_argument("--crf", type=int, default=Encoding().crf)
    parser.add_argument("--short_side", type=int, default=Encoding().short_side_px)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        videos = options.videos or [_scene(Path(folder) / "scene.mp4")]
        probes = [probe_video(video) for video in videos]
        files: Files = {"original": videos}
        for gop in (32, 1):
            encoding = Encoding(options.short_side, gop, options.crf)
            name = "all-intra" if gop == 1 else f"GOP {gop}"
            files[name] = _prepared(videos, probes, Path(folder), encoding)
        times = _times(files, [len(probe.times) for probe in probes], options.clips)
        _print(files, times)


def _scene(path: Path) -> Path:
    """A soft texture that moves by a few pixels a frame, with a little noise: about as hard as a real scene."""
    generator = np.random.default_rng(0)
    picture = generator.integers(0, 256, (24, 32, 3)).astype(np.float32).repeat(32, 0).repeat(32, 1)
    for axis in (0, 1):
        picture = np.apply_along_axis(np.convolve, axis, picture, np.ones(33) / 33, mode="same")
    frames = np.stack([picture[y : y + 256, 2 * y : 2 * y + 340] for y in range(300)])
    noisy = (frames + generator.normal(0, 2, (300, 256, 340, 1))).clip(0, 255).astype(np.uint8)
    write_video(path, noisy, fps=30, crf=23, gop=250)
    return path


def _prepared(videos: list[Path], probes: list[Probe], folder: Path, encoding: Encoding) -> list[Path]:
    targets = [folder / f"{number}-{encoding.gop}.mp4" for number in range(len(videos))]
    for video, probe, target in zip(videos, probes, targets, strict=True):
        reencode_video(video, target, encoding, fps=probe.fps)
    return targets


def _times(files: Files, num_frames: list[int], num_clips: int) -> dict[tuple[str, str], list[float]]:
    """Milliseconds of each clip, by kind of file and reader; every second turn goes backwards."""
    generator = np.random.default_rng(0)
    kinds = [(name, reader) for name in files for reader in READERS if is_installed(reader)]
    times: dict[tuple[str, str], list[float]] = {kind: [] for kind in kinds}
    for turn in range(num_clips):
        which = turn % len(num_frames)
        start = int(generator.integers(0, max(num_frames[which] - int(CLIP[-1]), 1)))
        indices = (start + CLIP).clip(max=num_frames[which] - 1)
        for name, reader in kinds if turn % 2 else kinds[::-1]:
            times[name, reader].append(_milliseconds(files[name][which], indices, reader))
    return times


def _milliseconds(path: Path, indices: NDArray[np.int64], reader: str) -> float:
    began = time.perf_counter()
    read_frames(path, indices, f"{reader}:seek")
    return 1000 * (time.perf_counter() - began)


def _print(files: Files, times: dict[tuple[str, str], list[float]]) -> None:
    readers = [reader for reader in READERS if ("original", reader) in times]
    medians = {kind: statistics.median(values) for kind, values in times.items()}
    rows = []
    for name, paths in files.items():
        cells = [f"{medians[name, reader]:.1f}" for reader in readers]
        cells += [f"{medians['original', reader] / medians[name, reader]:.2f}" for reader in readers]
        rows.append([name, *cells, f"{_bytes(paths) / _bytes(files['original']):.2f}"])
    heads = [*(f"{reader}, ms a clip" for reader in readers), *(f"{reader}, times faster" for reader in readers)]
    print(table(["files", *heads, "bytes"], rows))


def _bytes(paths: list[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


if __name__ == "__main__":
    main()
