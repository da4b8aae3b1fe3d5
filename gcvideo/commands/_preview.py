"""What a config feeds the network in its first epoch: the loader's batches as the task mixes them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader

from gcvideo.commands._look import build_to_look
from gcvideo.commands.running.errors import explained_checks
from gcvideo.commands.running.explain import one_line
from gcvideo.data.datamodule import VideoDataModule
from gcvideo.errors import plain
from gcvideo.records import Batch, Sample, VideoRecord
from gcvideo.training.mixing import Mixing
from gcvideo.training.seeds import seed_batch
from gcvideo.training.task import ActionRecognition

_STAGES = {"train": "fit", "val": "validate", "test": "test"}


@dataclass(frozen=True)
class FedClip:
    """One clip as the network gets it.

    Attributes:
        pixels: (3, T, h, w), uint8 0-255 or, once mixed, float 0-1.
        shares: each class of the target with its share, that of the video first; what smoothing spreads is left out.
        record: the video; of a mixed clip, the one it began with.
        view: which of the video's views this is; None where there is only one.
        is_readable: False where the pixels are not those of the video, as it cannot be read.
    """

    pixels: Tensor
    shares: dict[str, float]
    record: VideoRecord
    view: int | None
    is_readable: bool

    def target(self) -> list[str]:
        """``run``; or ``run 70 %`` and ``+ jump 30 %``."""
        if list(self.shares.values()) == [1.0]:
            return [_line(name) for name in self.shares]
        first, *others = (f"{_line(name)} {100 * share:.0f} %" for name, share in self.shares.items())
        return [first, *(f"+ {other}" for other in others)]

    def caption(self, number: int) -> list[str]:
        """Three texts: number and first class, the other classes, the file and its view where there are several."""
        first, *others = self.target()
        return [f"{number}  {first}", " ".join(others), _line(Path(self.record.path).name) + self._remark()]

    def described(self) -> list[str]:
        """The target; size, frames and speed of the video; the file."""
        video = self.record
        size, fps = f"{video.width} x {video.height}", f"{video.fps:.4g}"
        return [" ".join(self.target()), size, str(video.num_frames), fps, _line(video.path) + self._remark()]

    def pictures(self) -> NDArray[np.uint8]:
        """``uint8 (T, h, w, 3)``."""
        pixels = (self.pixels * 255).round().byte() if self.pixels.is_floating_point() else self.pixels
        return pixels.permute(1, 2, 3, 0).contiguous().numpy()

    def _remark(self) -> str:
        view = "" if self.view is None else f", view {self.view}"
        return view if self.is_readable else f"{view}, cannot be read: not its pixels"


@dataclass(frozen=True)
class Preview:
    """The first clips of a split.

    Attributes:
        split: train, val or test.
        clips: in the loader's order.
        failures: a line for each video that could not be read.
        fps: frames of the clips a second, as fast as the videos are.
        seed: the run's.
        smoothing: share of the target that is spread over all classes.
        mean: what the network takes off, in pixel values scaled to 0-1.
        std: what it divides by, likewise.
    """

    split: str
    clips: list[FedClip]
    failures: list[str]
    fps: float
    seed: int
    smoothing: float
    mean: list[float]
    std: list[float]


def look(configs: Sequence[str], options: Sequence[str], *, split: str, num_clips: int) -> Preview:
    """Builds what ``fit`` would build, and takes the first clips; nothing is trained.

    Args:
        configs: as for ``--config``; the later ones change the earlier ones.
        options: of ``gcvideo fit``.
        split: train, val or test.
        num_clips: at most this many, and at most one epoch.

    Raises:
        InputError: if an option is wrong or there are no such videos.
    """
    cli = build_to_look(configs, options, {"accelerator": "cpu", "precision": "32-true"})
    task: ActionRecognition = cli.model
    data: VideoDataModule = cli.datamodule
    accumulated: int = cli.trainer.accumulate_grad_batches
    with explained_checks():
        data.prepare_data()
        data.shrink_batch()
        data.setup(_STAGES[split])
        records, loader = _source(data, split)
        clips: list[FedClip] = []
        failures: list[str] = []
        for number, batch in enumerate(loader()):
            if split == "train":
                seed_batch(task.seed, number // accumulated, number, 0)
            clips += _fed(batch, records, data, task, split)
            failures += [line for line in batch.failures if line not in failures]
            if len(clips) >= num_clips:
                break
    smoothing = task.mixing.label_smoothing if split == "train" else 0.0
    fps = _speed(data, [clip.record for clip in clips])
    mean, std = task.network.mean.tolist(), task.network.std.tolist()
    return Preview(split, clips[:num_clips], failures, fps, task.seed, smoothing, mean, std)


def _speed(data: VideoDataModule, records: Sequence[VideoRecord]) -> float:
    """Frames of a clip a second, at which the videos (their median) move as fast as they are."""
    if data.sampling == "segments":
        return data.num_frames / max(0.1, statistics.median(record.duration for record in records))
    return (data.target_fps or max(1.0, statistics.median(record.fps for record in records))) / data.frame_stride


def _source(data: VideoDataModule, split: str) -> tuple[list[VideoRecord], Callable[[], DataLoader[Sample]]]:
    """The videos of a split, and what makes their loader."""
    if split == "train":
        return data.train_records(), data.train_dataloader
    if split == "val":
        return data.val_records(), data.val_dataloader
    return data.test_records(), data.test_dataloader


def _fed(
    batch: Batch, records: Sequence[VideoRecord], data: VideoDataModule, task: ActionRecognition, split: str
) -> Iterator[FedClip]:
    """The clips of a batch; in training those that could be read, mixed as the task's training step does."""
    mixes, several = split == "train", _num_views(data, split) > 1
    num_views = batch.view_indices.shape[1]
    clips, valid = batch.clips.flatten(0, 1), batch.valid.flatten()
    of_videos = torch.stack([batch.labels, batch.video_indices], dim=1).repeat_interleave(num_views, dim=0)
    whose = torch.cat([of_videos, batch.view_indices.reshape(-1, 1)], dim=1)  # (N, 3)
    if mixes and valid.any():
        clips, whose, valid = clips[valid], whose[valid], valid[valid]
    mixing = task.mixing if mixes else Mixing()
    clips, targets = mixing(clips, whose[:, 0], task.num_classes)
    least = mixing.label_smoothing / task.num_classes + 1e-6
    rows = zip(clips, targets.tolist(), whose.tolist(), valid.tolist(), strict=True)
    for pixels, target, (label, video, view), is_valid in rows:
        own_first = sorted(enumerate(target), key=lambda item, own=label: item[0] != own)  # type: ignore[misc]
        shares = {data.classes[k]: share for k, share in own_first if share > least}
        is_other = mixes and any(records[video].path in failure for failure in batch.failures)
        yield FedClip(pixels, shares, records[video], view if several else None, is_valid and not is_other)


def _num_views(data: VideoDataModule, split: str) -> int:
    """Of a video."""
    if split == "train":
        return data.clips_per_video
    return (data.preprocessing.val_views if split == "val" else data.preprocessing.test_views).count


def _line(text: str) -> str:
    """A name of a file or class, which may hold anything, as one plain line."""
    return one_line(plain(text))
