"""On which videos a run would train, and what a clip of them is."""

from __future__ import annotations

import statistics

from gcvideo.data.datamodule import VideoDataModule
from gcvideo.records import VideoRecord


def describe_data(data: VideoDataModule) -> list[list[str]]:
    """Rows of a table: what, and how it is; the data module is set up."""
    manifest, train = data.manifest(), data.train_records()
    splits = {name: len(manifest.split(name)) for name in ("train", "val", "test")}
    held = f", held out of train ({data.holdout:.0%} of the groups)" if data.holdout else ""
    damaged = sum(bool(record.damage) for record in manifest.records)
    tested = len(data.test_records())
    return [
        ["videos", _source(data)],
        ["classes", str(len(manifest.classes))],
        ["in the splits", ", ".join(f"{name} {count}" for name, count in splits.items())],
        ["train on", f"{len(train)} videos"],
        ["choose the best by", f"{len(data.val_records())} videos{held}"],
        ["test on", f"{tested} videos" if tested else "none"],
        ["left out", f"{len(manifest.bad)} videos that cannot be decoded" if manifest.bad else "none"],
        ["damaged, but read", str(damaged)],
        ["a video", f"{statistics.median(record.end - record.start for record in train):.1f} s (median)"],
        ["a clip", _clip(data, train)],
    ]


def _source(data: VideoDataModule) -> str:
    if data.manifest_file is not None:
        return f"manifest {data.manifest_file}"
    root = getattr(data, "root", None)
    return f"{root}, indexed in {data.manifest_path()}" if root else str(data.manifest_path())


def _clip(data: VideoDataModule, train: list[VideoRecord]) -> str:
    """``8 frames x stride 8 at 224 px: 2.1 s (median)``."""
    many = f", {data.clips_per_video} clips of each video" if data.clips_per_video > 1 else ""
    if data.sampling == "segments":
        return f"{data.num_frames} frames from equal parts of the whole video at {data.crop_px} px{many}"
    span = data.num_frames * data.frame_stride
    seconds = statistics.median(span / (data.target_fps or record.fps or 25) for record in train)
    return f"{data.num_frames} frames x stride {data.frame_stride} at {data.crop_px} px: {seconds:.1f} s (median){many}"
