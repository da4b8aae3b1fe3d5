"""A folder of damaged videos through index, loader and network, in a process of its own with little memory.

    python -m tests.data.fuzz.through ROOT MEMORY_GB

It prints what became of each file as JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import DataLoader

from gcvideo.data.annotations import Annotations, Entry
from gcvideo.data.clips import ClipSpec
from gcvideo.data.dataset import VideoDataset
from gcvideo.data.decoding.reading import Reading
from gcvideo.data.indexing.index import index_videos
from gcvideo.data.manifest import Manifest
from gcvideo.data.sampler import EpochSampler
from gcvideo.data.transforms import Augmentation, TrainTransform
from gcvideo.models.backbones.slow import SlowOnly
from gcvideo.models.network import Network
from gcvideo.records import Batch, Sample

_CLIPS = 4  # of a video
_DEADLINE_S = 30.0
_EVERY = 9  # of the videos, one is taken away after it was indexed


def main(root: Path, memory_gb: float) -> None:
    limit = int(memory_gb * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))  # of each process that is started here, too
    began = time.monotonic()
    annotations = _annotations(root)
    manifest = index_videos(annotations, root / "manifest.csv", num_workers=2)
    print(f"indexed in {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    gone = [record.path for record in manifest.records[::_EVERY]]
    for path in gone:
        Path(path).unlink()
    result = _loaded(manifest) | {
        "files": len(annotations.entries),
        "bad": dict(manifest.bad),
        "damaged": [record.path for record in manifest.records if record.damage],
        "records": [record.path for record in manifest.records],
        "gone": gone,
    }
    print(json.dumps(result))


def _annotations(root: Path) -> Annotations:
    classes = tuple(sorted(folder.name for folder in root.iterdir() if folder.is_dir()))
    paths = [path for name in classes for path in sorted((root / name).iterdir())]
    return Annotations(classes, tuple(Entry(path, classes.index(path.parent.name), "train") for path in paths))


def _loaded(manifest: Manifest) -> dict[str, Any]:
    """Two epochs: what failed, how many samples were black, the longest wait for a batch, whether logits are finite."""
    loader = _loader(manifest)
    network = Network(SlowOnly(width=8), num_classes=len(manifest.classes)).eval()
    samples, invalid, failures, longest, finite = 0, 0, list[str](), 0.0, True
    for epoch in range(2):
        loader.sampler.set_epoch(epoch)  # type: ignore[attr-defined]
        before = time.monotonic()
        for batch in loader:
            longest = max(longest, time.monotonic() - before)
            samples += len(batch)
            invalid += int((~batch.valid).any(dim=1).sum())
            failures += batch.failures
            with torch.inference_mode():
                finite &= bool(network(batch.clips[:, 0]).isfinite().all())
            before = time.monotonic()
    return {
        "samples": samples,
        "invalid": invalid,
        "failures": failures,
        "longest_wait_s": longest,
        "deadline_s": _DEADLINE_S,
        "finite": finite,
    }


def _loader(manifest: Manifest) -> DataLoader[Sample]:
    dataset = VideoDataset(
        list(manifest.records),
        ClipSpec(4, 3, num_clips=_CLIPS, target_fps=20),
        TrainTransform(32, Augmentation()),
        crop_px=32,
        reading=Reading(deadline_s=_DEADLINE_S, on_failure="mask"),
    )
    sampler = EpochSampler(len(dataset), shuffle=True)
    return DataLoader(dataset, 8, sampler=sampler, num_workers=2, collate_fn=Batch.collate, persistent_workers=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
