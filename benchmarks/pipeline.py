"""Training pipelines side by side: clips a second from a file to a batch, ours, mmaction2's, pytorchvideo's, and bare.

    .venv/bin/python benchmarks/pipeline.py [--rounds 20] [--videos 16] [--batch 8] [--folder KEEP_THEM_HERE]
    MMACTION2=~/mmaction2 .venv/bin/python benchmarks/pipeline.py     (beside mmaction2, too)

mmaction2 is a checkout of github.com/open-mmlab/mmaction2 (tried with 4d6c934) whose folder the variable MMACTION2
names; it needs ``pip install mmcv-lite mmengine scipy einops``. Without it its row is left out.

The videos: 340x256, 10 s, 30 fps, H.264 with a key frame every 250 frames (see pipeline_videos.py); the all-intra ones
are made of them by ``gcvideo prepare --gop 1``. A round is one batch; all pipelines read the same frames of the same
videos in it (an 8x8 clip each), one after the other in one process, in an order drawn anew, so that what else the
machine does falls on all. Everywhere: one thread to decode and one to compute, a random resized crop to 224 px (a share
of 0.08 to 1 of the picture) and a flip, uint8 (pytorchvideo: float32), no normalisation, and the pipeline's own way to
make a batch. "bare" is the decoder's own few lines: open, seek, decode, RGB; nothing is cropped.
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from pipeline_peers import bare_decord, bare_pyav, mmaction2, pytorchvideo
from pipeline_videos import make_videos, originals_and_prepared
from side_by_side import quartiles

from gcvideo.commands._tables import table
from gcvideo.data.clips import ClipSpec
from gcvideo.data.dataset import VideoDataset
from gcvideo.data.decoding.decode import Frames
from gcvideo.data.decoding.reading import ClipReader, Reading
from gcvideo.data.transforms import Augmentation, TrainTransform
from gcvideo.records import Batch, VideoRecord

CROP_PX, AREA, ASPECT = 224, (0.08, 1.0), (3 / 4, 4 / 3)
Asked = list[tuple[str, list[int]]]  # files, and the frames of each
Pipeline = Callable[[list[tuple[int, int]], Asked], object]  # keys of our samples, and what they ask for
Times = dict[str, list[tuple[float, float]]]  # wall and processor seconds a clip, one pair a round

GOALS = [  # ours, the other, at least
    ("gcvideo, decord", "bare decord", 0.9),
    ("gcvideo, pyav", "bare pyav", 0.9),
    ("gcvideo, decord", "mmaction2, decord", 0.97),
    ("gcvideo, pyav", "mmaction2, decord", 0.97),
    ("gcvideo, decord", "pytorchvideo, pyav", 1.5),
    ("gcvideo, decord", "pytorchvideo, decord", 1.5),
    ("gcvideo, pyav", "pytorchvideo, pyav", 1.5),
    ("gcvideo, decord, all-intra", "mmaction2, decord", 3.0),
    ("gcvideo, pyav, all-intra", "mmaction2, decord", 3.0),
]


def main() -> None:
    """Prints clips a second, then the ratios beside the goals."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--videos", type=int, default=16)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--folder", type=Path, help="where the videos are kept for the next time")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        make_videos(folder / "originals", options.videos)
        originals, prepared = originals_and_prepared(folder)
        times = _measure(_pipelines(originals, prepared), _Asking(originals), options)
    print(
        f"{len(originals)} videos, batches of {options.batch}, {options.rounds} rounds; {_sizes(originals, prepared)}"
    )
    print(_speeds(times), _ratios(times), sep="\n\n")


def _pipelines(originals: list[VideoRecord], prepared: list[VideoRecord]) -> dict[str, Pipeline]:
    peers: dict[str, Callable[[Asked], object] | None] = {
        "bare decord": bare_decord,
        "bare pyav": bare_pyav,
        "mmaction2, decord": mmaction2(CROP_PX, AREA, ASPECT),
        "pytorchvideo, decord": pytorchvideo("decord", CROP_PX, AREA, ASPECT),
        "pytorchvideo, pyav": pytorchvideo("pyav", CROP_PX, AREA, ASPECT),
    }
    found: dict[str, Pipeline] = {
        name: lambda keys, asked, peer=peer: peer(asked) for name, peer in peers.items() if peer is not None
    }
    for ending, records in (("", originals), (", all-intra", prepared)):
        for reader in ("decord", "pyav"):
            ours = _dataset(records, Reading(reader=reader))
            found[f"gcvideo, {reader}{ending}"] = lambda keys, asked, ours=ours: Batch.collate([ours[k] for k in keys])
    return found


def _dataset(records: list[VideoRecord], reading: Reading) -> VideoDataset:
    transform = TrainTransform(CROP_PX, Augmentation(area=AREA, aspect=ASPECT))
    return VideoDataset(records, ClipSpec(8, 8), transform, crop_px=CROP_PX, reading=reading)


class _Asking(ClipReader):
    """Tells which frames our data set wants, so that all pipelines get the same; reads nothing."""

    def __init__(self, records: list[VideoRecord]) -> None:
        super().__init__(Reading())
        self.dataset, self.asked = _dataset(records, Reading()), Asked()
        self.dataset.reader = self

    def read(self, record: VideoRecord, indices: object) -> tuple[Frames, str]:
        frames = torch.as_tensor(indices)
        self.asked.append((record.path, frames.flatten().tolist()))
        return torch.zeros(*frames.shape, record.height, record.width, 3, dtype=torch.uint8).numpy(), ""

    def of(self, keys: list[tuple[int, int]]) -> Asked:
        self.asked = []
        for key in keys:
            self.dataset[key]
        return self.asked


def _measure(pipelines: dict[str, Pipeline], asking: _Asking, options: argparse.Namespace) -> Times:
    """The first round warms up and is not counted."""
    times: Times = {name: [] for name in pipelines}
    order, shuffle = list(pipelines), random.Random(0).shuffle
    for turn in range(options.rounds + 1):
        keys = [(turn, (turn * options.batch + k) % options.videos) for k in range(options.batch)]
        asked = asking.of(keys)
        shuffle(order)
        for name in order:
            began = time.perf_counter(), time.process_time()
            pipelines[name](keys, asked)
            ended = time.perf_counter(), time.process_time()
            if turn:
                wall, cpu = ((stop - start) / options.batch for start, stop in zip(began, ended, strict=True))
                times[name].append((wall, cpu))
    return times


def _speeds(times: Times) -> str:
    rows = []
    for name, pairs in times.items():
        speeds = [1 / wall for wall, _ in pairs]
        cpu = statistics.median(1000 * cpu for _, cpu in pairs)
        rows.append([name, f"{statistics.median(speeds):.1f}", quartiles(speeds, ".1f"), f"{cpu:.1f}"])
    return table(["pipeline", "clips/s", "quartiles", "processor ms a clip"], rows)


def _ratios(times: Times) -> str:
    """Speed of ours / speed of the other, round by round; the median over the rounds."""
    rows = []
    for ours, other, goal in GOALS:
        if ours in times and other in times:
            pairs = list(zip(times[ours], times[other], strict=True))
            walls, cpus = ([theirs[k] / mine[k] for mine, theirs in pairs] for k in (0, 1))
            median = statistics.median(walls)
            figures = [f"{median:.2f}", quartiles(walls, ".2f"), f"{statistics.median(cpus):.2f}", f"{goal:g}"]
            rows.append([f"{ours} / {other}", *figures, "yes" if median >= goal else "no"])
    return table(["ratio of speeds, round by round", "median", "quartiles", "by processor time", "goal", "met"], rows)


def _sizes(originals: list[VideoRecord], prepared: list[VideoRecord]) -> str:
    before, after = (sum(record.num_bytes for record in records) for records in (originals, prepared))
    rate = 8 * before / sum(record.duration for record in originals) / 1000
    return f"originals {rate:.0f} kbit/s, all-intra {after / before:.1f} x the bytes"


if __name__ == "__main__":
    main()
