"""One video in, one sample out: choose frames, decode, transform.

What happens to a sample depends on (seed, epoch, index) alone.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from gcvideo.data.clips import random_clip, regular_clips
from gcvideo.data.decode import DecodeError, read_frames
from gcvideo.data.transforms import Transform
from gcvideo.records import Sample, VideoRecord


@dataclass(frozen=True)
class ClipSpec:
    """Which clips are taken from a video.

    Attributes:
        num_frames: frames in a clip.
        frame_stride: video frames from one clip frame to the next.
        num_clips: clips a video; 0 stands for one clip at a random place (training).
    """

    num_frames: int
    frame_stride: int
    num_clips: int = 0


class VideoDataset(Dataset[Sample]):
    """Samples of a list of videos, asked for by ``(epoch, index)``.

    Args:
        records: the videos.
        spec: which clips to take.
        transform: ``uint8 (T, H, W, 3)`` to a list of views ``uint8 (3, T, h, w)``.
        crop_px: side of a view, for the black clip that stands for an unreadable video.
        views_per_clip: how many views the transform gives.
        seed: the run's seed.
    """

    def __init__(
        self,
        records: list[VideoRecord],
        spec: ClipSpec,
        transform: Transform,
        *,
        crop_px: int,
        views_per_clip: int = 1,
        seed: int = 0,
    ) -> None:
        self.records, self.spec, self.transform = records, spec, transform
        self.crop_px, self.views_per_clip, self.seed = crop_px, views_per_clip, seed

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """The sample of video ``index`` in ``epoch``; a video that cannot be read gives a black, marked one."""
        epoch, index = key
        record = self.records[index]
        failure = ""
        with torch.random.fork_rng(devices=[]):
            generator = _seeded(self.seed, epoch, index)
            try:
                clips = self._clips(record, generator)
            except DecodeError as error:
                clips, failure = self._black(), str(error)
        return Sample(clips, record.label, index, torch.arange(len(clips)), failure)

    def _clips(self, record: VideoRecord, generator: np.random.Generator) -> Tensor:
        views: list[Tensor] = []
        for indices in self._indices(record, generator):  # one clip at a time
            frames = torch.from_numpy(read_frames(record.path, indices, record.reader))
            views += self.transform(frames)
        return torch.stack(views)  # (V, C, T, H, W)

    def _indices(self, record: VideoRecord, generator: np.random.Generator) -> np.ndarray:
        spec = self.spec
        if spec.num_clips == 0:
            return random_clip(record.num_frames, spec.num_frames, spec.frame_stride, generator)
        return regular_clips(record.num_frames, spec.num_frames, spec.frame_stride, spec.num_clips)

    def _black(self) -> Tensor:
        num_views = max(1, self.spec.num_clips) * self.views_per_clip
        return torch.zeros(num_views, 3, self.spec.num_frames, self.crop_px, self.crop_px, dtype=torch.uint8)


def _seeded(seed: int, epoch: int, index: int) -> np.random.Generator:
    """A generator for one sample; torch's global one is seeded from it, for torchvision's transforms."""
    generator = np.random.default_rng([seed, epoch, index])
    torch.default_generator.manual_seed(int(generator.integers(2**63)))  # torch.manual_seed looks for GPUs each time
    return generator
