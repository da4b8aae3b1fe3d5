"""The whole of ``gcvideo benchmark data``: builds what a config says and measures its training data."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import islice
from typing import Any

from gcvideo.commands._look import build_to_look
from gcvideo.commands.benchmarking.advice import DataBenchmark
from gcvideo.commands.benchmarking.decoders import DecoderCost, PreparedCost, measure_decoders, measure_prepared
from gcvideo.commands.benchmarking.report import PipelineCost, measure_pipeline, one_torch_thread
from gcvideo.commands.benchmarking.step import measure_step
from gcvideo.commands.running.errors import explained_checks
from gcvideo.data.datamodule import VideoDataModule
from gcvideo.data.dataset import VideoDataset
from gcvideo.data.preparing.reencode import Encoding
from gcvideo.data.progress import counted_progress

_PREPARED = 3  # videos that are encoded anew to see what that gains


def benchmark_data(
    configs: Sequence[str],
    options: Sequence[str],
    *,
    num_videos: int,
    rounds: int,
    step_ms: float | None,
    measures_step: bool,
) -> DataBenchmark:
    """Builds what ``fit`` would build and measures its training data.

    Args:
        configs: as for ``--config``; the later ones change the earlier ones.
        options: of ``gcvideo fit``.
        num_videos: at most this many of the training videos, in the order of the first epoch.
        rounds: times that each video is read, after one that does not count.
        step_ms: length of a training step in milliseconds, where it is known.
        measures_step: whether to run a few steps to learn it.

    Raises:
        InputError: if an option is wrong, or there are no such videos.
    """
    fixed = {} if measures_step else {"accelerator": "cpu", "precision": "32-true"}
    cli = build_to_look(configs, options, fixed)
    data: VideoDataModule = cli.datamodule
    with explained_checks():
        data.prepare_data()
        data.shrink_batch()
        data.setup("fit")
        loader: Any = data.train_dataloader()
        dataset: VideoDataset = loader.dataset
        keys = list(islice(iter(loader.sampler), num_videos))
        with one_torch_thread():
            cost, decoders, prepared = _measure(data, dataset, keys, rounds)
    if measures_step:
        step_ms = measure_step(cli.model, data, cli.config_init["fit"].trainer)
    readers = [record.readers.partition(":")[0] for record, _ in cost.requests]
    reader = data.reading.reader if data.reading.reader != "auto" else max(set(readers), key=readers.count)
    return DataBenchmark(
        num_videos=len(keys),
        num_training_videos=len(dataset),
        rounds=rounds,
        clip=_clip(data),
        cost=cost,
        decoders=decoders,
        prepared=prepared,
        clips_per_step=data.batch_size * data.clips_per_video,
        step_ms=step_ms,
        step_is_measured=measures_step,
        num_processors=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        reader=reader,
    )


def _measure(
    data: VideoDataModule, dataset: VideoDataset, keys: list[tuple[int, int]], rounds: int
) -> tuple[PipelineCost, list[DecoderCost], PreparedCost | None]:
    with counted_progress("reading clips") as (on_start, on_video):
        on_start(len(keys) * (rounds + 1))
        cost = measure_pipeline(
            dataset, keys, data.reading, batch_size=data.batch_size, rounds=rounds, on_video=on_video
        )
    with counted_progress("comparing decoders") as (on_start, on_video):
        decoders = measure_decoders(cost.requests, rounds=rounds, on_start=on_start, on_video=on_video)
    short_side = data.augmentation.short_side_px[1] if data.augmentation.short_side_px else data.crop_px * 8 // 7
    encoding = Encoding(short_side_px=max(short_side // 2 * 2, 16), gop=1)  # 224 px are cut from 256
    some = list({record.path: record for record, _ in cost.requests if record.codec != "pictures"}.values())[:_PREPARED]
    stride = data.frame_stride if data.sampling == "dense" else 1
    return cost, decoders, measure_prepared(some, data.num_frames, stride, encoding)


def _clip(data: VideoDataModule) -> str:
    """``8 frames x stride 8, 224 px, area 0.08 to 1, flip 0.5; batches of 8 videos``."""
    varied = data.augmentation
    scale = f"short side {varied.short_side_px[0]} to {varied.short_side_px[1]} px" if varied.short_side_px else ""
    more = [f"{name} {value:g}" for name in _SHOWN for value in [getattr(varied, name)] if value]
    size = scale or f"random crop of {varied.area[0]:g} to {varied.area[1]:g} of the picture"
    repeated = f", {data.clips_per_video} clips of each" if data.clips_per_video > 1 else ""
    steps = (
        f"{data.num_frames} frames x stride {data.frame_stride}"
        if data.sampling == "dense"
        else (f"{data.num_frames} frames from equal parts")
    )
    return f"{', '.join([steps, f'{data.crop_px} px', size, *more])}\nbatches of {data.batch_size} videos{repeated}"


_SHOWN = ("flip", "jitter", "hue", "grayscale", "randaugment", "erasing")
