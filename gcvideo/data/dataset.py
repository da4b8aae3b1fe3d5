"""One video in, one sample out: choose frames, decode, transform.

What happens to a sample depends on (seed, epoch, index) alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from gcvideo.data.clips import ClipSpec, Timeline, choose_clips
from gcvideo.data.decoding.decode import DecodeError
from gcvideo.data.decoding.reading import ClipReader, Reading
from gcvideo.data.transforms import Transform
from gcvideo.records import Sample, VideoRecord

_SUBSTITUTES = 3  # videos of the same class that are tried for one that cannot be read


class VideoDataset(Dataset[Sample]):
    """Samples of a list of videos, asked for by ``(epoch, index)``.

    A video has many indices: its own, and those the length of the list further, each of which is another clip of it.

    Args:
        records: the videos.
        spec: which clips to take.
        transform: ``uint8 (T, H, W, 3)`` and the class number to a list of views ``uint8 (3, T, h, w)``.
        crop_px: side of a view, for the black clip that stands for an unreadable video.
        is_training: clips at random places; else at regular ones.
        views_per_clip: how many views the transform gives.
        seed: the run's seed.
        reading: which decoders, and what becomes of a video that they cannot read.
    """

    def __init__(
        self,
        records: list[VideoRecord],
        spec: ClipSpec,
        transform: Transform,
        *,
        crop_px: int,
        is_training: bool,
        views_per_clip: int = 1,
        seed: int = 0,
        reading: Reading = Reading(),  # noqa: B008 (frozen)
    ) -> None:
        self.records, self.spec, self.transform, self.is_training = records, spec, transform, is_training
        self.crop_px, self.views_per_clip, self.seed = crop_px, views_per_clip, seed
        self.reader = ClipReader(reading)
        self.substitutes = is_training and reading.on_failure == "substitute"
        self._same_class: dict[int, list[int]] = defaultdict(list)
        for index, record in enumerate(records):
            self._same_class[record.label].append(index)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """The sample of video ``index`` in ``epoch``.

        For a video that cannot be read another of its class stands in (training), or a black clip that is not valid.
        """
        epoch, number = key
        index = number % len(self.records)
        record = self.records[index]
        with torch.random.fork_rng(devices=[]):
            generator = _seeded(self.seed, epoch, number)
            try:
                clips, fallback = self._clips(record, generator)
            except DecodeError as error:
                return self._without(index, str(error), generator)
        return Sample(clips, record.label, index, torch.arange(len(clips)), fallback=fallback)

    def _without(self, index: int, failure: str, generator: np.random.Generator) -> Sample:
        label = self.records[index].label
        for other in self._others(index, generator):
            try:
                clips, fallback = self._clips(self.records[other], generator)
            except DecodeError:
                continue
            return Sample(clips, label, index, torch.arange(len(clips)), failure, fallback=fallback)
        clips = self._black()
        return Sample(clips, label, index, torch.arange(len(clips)), failure, is_valid=False)

    def _others(self, index: int, generator: np.random.Generator) -> list[int]:
        others = [other for other in self._same_class[self.records[index].label] if other != index]
        if not self.substitutes or not others:
            return []
        first = int(generator.integers(len(others)))
        return [others[(first + k) % len(others)] for k in range(min(_SUBSTITUTES, len(others)))]

    def _clips(self, record: VideoRecord, generator: np.random.Generator) -> tuple[Tensor, str]:
        """Views ``uint8 (V, 3, T, h, w)`` and a line where a decoder failed and another stood in."""
        indices = choose_clips(self.spec, self._timeline(record), generator if self.is_training else None)
        views: list[Tensor] = []
        fallback = ""
        for part in self._parts(indices):
            frames, line = self.reader.read(record, part)
            fallback = fallback or line
            for clip in torch.from_numpy(frames):
                views += self.transform(clip, record.label)
        return torch.stack(views), fallback

    def _parts(self, indices: np.ndarray) -> Iterator[np.ndarray]:
        """In training all clips come from one decode; in the test one at a time, to hold few frames in memory."""
        return iter([indices] if self.is_training else indices[:, None])

    def _timeline(self, record: VideoRecord) -> Timeline:
        by_time = self.spec.target_fps and record.is_vfr
        return Timeline(record.num_frames, record.fps, self.reader.times(record) if by_time else None)

    def _black(self) -> Tensor:
        num_views = self.spec.num_clips * self.views_per_clip
        return torch.zeros(num_views, 3, self.spec.num_frames, self.crop_px, self.crop_px, dtype=torch.uint8)


def _seeded(seed: int, epoch: int, index: int) -> np.random.Generator:
    """A generator for one sample; torch's global one is seeded from it, for torchvision's transforms."""
    generator = np.random.default_rng([seed, epoch, index])
    torch.default_generator.manual_seed(int(generator.integers(2**63)))  # torch.manual_seed looks for GPUs each time
    return generator
