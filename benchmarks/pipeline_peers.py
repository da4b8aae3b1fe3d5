"""The pipelines that pipeline.py compares ours with: their own classes, on the frames they are told."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable

import av
import decord
import numpy as np
import torch
from side_by_side import from_mmaction2
from torch.utils.data import default_collate

Asked = list[tuple[str, list[int]]]
Range = tuple[float, float]


def bare_decord(asked: Asked) -> object:
    """Decord's random access."""
    decord.bridge.set_bridge("native")
    return [decord.VideoReader(path, num_threads=1).get_batch(frames).asnumpy() for path, frames in asked]


def bare_pyav(asked: Asked) -> object:
    """A seek to the key frame before the first frame, then forward to the last; right at a constant rate only."""
    return [_pyav(path, frames) for path, frames in asked]


def _pyav(path: str, frames: list[int]) -> np.ndarray:
    with av.open(path) as container:
        stream = container.streams.video[0]
        stream.thread_type, stream.codec_context.thread_count = "SLICE", 1
        ticks = 1 / (stream.average_rate * stream.time_base)
        stamps = {round(frame * ticks) + (stream.start_time or 0) for frame in frames}
        container.seek(min(stamps), stream=stream)
        found = []
        for frame in container.decode(stream):
            if frame.pts in stamps:
                found.append(frame.to_ndarray(format="rgb24"))
                if len(found) == len(stamps):
                    return np.stack(found)
    raise AssertionError(f"{path}: not all of {frames}")


def mmaction2(crop_px: int, area: Range, aspect: Range) -> Callable[[Asked], object] | None:
    """The training pipeline of its SlowOnly configs; None where the variable MMACTION2 names no checkout."""
    steps = from_mmaction2("mmaction.datasets.transforms")
    if steps is None:
        return None
    importlib.import_module("cv2").setNumThreads(0)  # as its configs set it
    collate = importlib.import_module("mmengine.dataset").pseudo_collate
    first = [steps.DecordInit(), steps.SampleFrames(clip_len=8, frame_interval=8, num_clips=1)]
    then = [
        steps.DecordDecode(),
        steps.Resize(scale=(-1, 256)),
        steps.RandomResizedCrop(area_range=area, aspect_ratio_range=aspect),
        steps.Resize(scale=(crop_px, crop_px), keep_ratio=False),
        steps.Flip(flip_ratio=0.5),
        steps.FormatShape(input_format="NCTHW"),
        steps.PackActionInputs(),
    ]

    def read(path: str, frames: list[int]) -> object:
        results = {"filename": path, "label": 0, "start_index": 0, "modality": "RGB"}
        for step in first:
            results = step(results)
        results["frame_inds"] = np.array(frames)
        for step in then:
            results = step(results)
        return results

    def batch(asked: Asked) -> object:
        decord.bridge.set_bridge("native")
        return collate([read(path, frames) for path, frames in asked])

    return batch


def pytorchvideo(decoder: str, crop_px: int, area: Range, aspect: Range) -> Callable[[Asked], object]:
    """What LabeledVideoDataset does with a video: EncodedVideo, the clip's time, the transform."""
    functional = importlib.import_module("torchvision.transforms._functional_tensor")
    sys.modules["torchvision.transforms.functional_tensor"] = functional  # the name that it imports it by
    steps = importlib.import_module("pytorchvideo.transforms")
    videos = importlib.import_module("pytorchvideo.data.encoded_video").EncodedVideo
    transform = torch.nn.Sequential(
        steps.UniformTemporalSubsample(8),
        steps.RandomResizedCrop(crop_px, crop_px, scale=area, aspect_ratio=aspect),
        importlib.import_module("torchvision.transforms").RandomHorizontalFlip(0.5),
    )

    def read(path: str, frames: list[int]) -> torch.Tensor:
        video = videos.from_path(path, decode_audio=False, decoder=decoder)
        clip = video.get_clip(frames[0] / 30, (frames[-1] + 1) / 30)["video"]
        video.close()
        result: torch.Tensor = transform(clip)
        return result

    def batch(asked: Asked) -> object:
        decord.bridge.set_bridge("torch")  # as it does itself when it is imported
        clips = default_collate([read(path, frames) for path, frames in asked])
        decord.bridge.set_bridge("native")
        return clips

    return batch
