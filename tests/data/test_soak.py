"""What reading costs over a long time: memory, file descriptors and threads of a loader's worker."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from torch.utils.data import DataLoader

from gcvideo.data.annotations import Annotations, Entry
from gcvideo.data.clips import ClipSpec
from gcvideo.data.dataset import VideoDataset
from gcvideo.data.decoding.decode import is_installed
from gcvideo.data.decoding.reading import Guard, Reading
from gcvideo.data.encode import write_video
from gcvideo.data.folder import VideoFolder
from gcvideo.data.indexing.index import index_videos
from gcvideo.data.transforms import Augmentation, TrainTransform
from gcvideo.records import Batch, Sample
from tests.conftest import video_record

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")

_MIB = 2**20
_READERS = [(name, "none") for name in ("decord", "pyav") if is_installed(name)] + [("pyav", "all")]


class _Use(NamedTuple):
    """Of one process."""

    rss_bytes: int
    num_descriptors: int
    num_threads: int


def _use(pid: int) -> _Use:
    proc = Path(f"/proc/{pid}")
    pages = int((proc / "statm").read_text().split()[1])
    return _Use(
        pages * os.sysconf("SC_PAGE_SIZE"), len(list((proc / "fd").iterdir())), len(list((proc / "task").iterdir()))
    )


def _use_at_rest(pid: int) -> _Use:
    """Once it has filled the queue of the loader and waits."""
    before, now = None, _use(pid)
    while now != before:
        time.sleep(0.3)
        before, now = now, _use(pid)
    return now


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _loader(path: Path, num_clips: int, reader: str, guard: Guard) -> DataLoader[Sample]:
    dataset = VideoDataset(
        [video_record(path, readers="decord:seek pyav:seek")],
        ClipSpec(8, 4),
        TrainTransform(32, Augmentation(jitter=0.4)),
        crop_px=32,
        reading=Reading(reader=reader, guard=guard),  # type: ignore[arg-type]
    )
    keys = [(epoch, 0) for epoch in range(num_clips)]
    return DataLoader(dataset, 10, sampler=keys, num_workers=1, collate_fn=Batch.collate)


def _measure(path: Path, warm_up: int, num_clips: int, reader: str, guard: Guard) -> tuple[list[_Use], list[_Use]]:
    """Of the worker, and of the process that decodes for it, after the warm-up and at the end."""
    before = set(_children(os.getpid()))
    batches = iter(_loader(path, warm_up + num_clips + 100, reader, guard))
    uses = []
    for number in (warm_up, num_clips):
        for _ in range(number // 10):
            assert next(batches).failures == ()
        (worker,) = set(_children(os.getpid())) - before
        uses.append([_use_at_rest(pid) for pid in [worker, *_children(worker)]])
    assert len(uses[0]) == (2 if guard == "all" else 1)
    return uses[0], uses[1]


@pytest.mark.parametrize(("reader", "guard"), _READERS)
@pytest.mark.parametrize(
    ("warm_up", "num_clips", "slack_mib"),
    [pytest.param(300, 500, 2.5, marks=pytest.mark.sampled), pytest.param(2000, 5000, 0, marks=pytest.mark.long)],
)
def test_worker_does_not_grow(
    numbered_video: Path, warm_up: int, num_clips: int, slack_mib: float, reader: str, guard: Guard
) -> None:
    """Less than 1 MiB for each 1,000 clips, once allocators have what they need.

    That takes them some 2,000 clips; in the short test it is the slack.
    """
    for first, last in zip(*_measure(numbered_video, warm_up, num_clips, reader, guard), strict=True):
        assert last.rss_bytes - first.rss_bytes < (num_clips / 1000 + slack_mib) * _MIB
        assert (last.num_descriptors, last.num_threads) == (first.num_descriptors, first.num_threads)


@pytest.mark.long
@pytest.mark.parametrize(("num_frames", "frame_stride"), [(8, 8), (32, 2)])
def test_ten_by_three_views_of_1080p_stay_under_two_gigabytes(
    tmp_path: Path, num_frames: int, frame_stride: int
) -> None:
    command = [sys.executable, "-m", "tests.data.test_soak", str(tmp_path), str(num_frames), str(frame_stride)]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    assert 0.1e9 < int(done.stdout) < 2e9


def main(folder: Path, num_frames: int, frame_stride: int) -> None:
    """The most memory that the worker of a real test loader ever had, in bytes."""
    entries = []
    for number in range(2):
        path = folder / f"{number}.mp4"
        _write_1080p(path)
        entries.append(Entry(path, number, "test"))
    index_videos(Annotations(("a", "b"), tuple(entries)), folder / "manifest.csv", num_workers=1)
    data = VideoFolder(
        manifest=str(folder / "manifest.csv"), num_frames=num_frames, frame_stride=frame_stride, num_workers=1,
        num_test_clips=10, num_test_crops=3, crop_px=224, short_side_px=256, test_crop_px=256,
    )  # fmt: skip
    batches = iter(data.test_dataloader())
    for _ in range(10):
        batch = next(batches)
        assert batch.clips.shape == (2, 3, 3, num_frames, 256, 256)
        assert batch.failures == ()
    print(max(_peak_bytes(pid) for pid in _children(os.getpid())))


def _write_1080p(path: Path, num_frames: int = 75) -> None:
    ramp = (np.add.outer(np.arange(1080), np.arange(1920 + 8 * num_frames)) // 4).astype(np.uint8)
    frames = np.stack([ramp[:, 8 * k : 8 * k + 1920] for k in range(num_frames)])
    write_video(path, np.broadcast_to(frames[..., None], (*frames.shape, 3)), fps=25)


def _peak_bytes(pid: int) -> int:
    lines = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return 1024 * int(lines["VmHWM"].split()[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
