"""One video in, one training sample out: choose frames, decode, transform.

What happens to a sample depends on (seed, epoch, index) alone.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from gcvideo.data.clips import ClipSpec, Timeline, choose_clips
from gcvideo.data.decoding.decode import DecodeError
from gcvideo.data.decoding.reading import ClipReader, Reading
from gcvideo.data.transforms import Transform
from gcvideo.records import Sample, VideoRecord

_SUBSTITUTES = 3  # videos of the same class that are tried for one that cannot be read


class VideoDataset(Dataset[Sample]):
    """Training samples of a list of videos, clips at random places, asked for by ``(epoch, index)``.

    A video has many indices: its own, and those the length of the list further, each of which is another clip of it.

    Args:
        records: the videos.
        spec: which clips to take.
        transform: ``uint8 (T, H, W, 3)`` and the class number to a list of one view ``uint8 (3, T, h, w)``.
        crop_px: side of a view, for the black clip that stands for an unreadable video.
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
        seed: int = 0,
        reading: Reading = Reading(),  # noqa: B008 (frozen)
    ) -> None:
        self.records, self.spec, self.transform = records, spec, transform
        self.crop_px, self.seed = crop_px, seed
        self.reader = ClipReader(reading)
        self.substitutes = reading.on_failure == "substitute"
        self._same_class: dict[int, list[int]] = defaultdict(list)
        for index, record in enumerate(records):
            self._same_class[record.label].append(index)

    def __len__(self) -> int:
        return len(self.records)

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """The sample of video ``index`` in ``epoch``.

        For a video that cannot be read another of its class stands in, or a black clip that is not valid.
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
        """All clips come from one decode."""
        indices = choose_clips(self.spec, timeline_of(record, self.spec, self.reader), generator)
        return views_of(record, indices, self.reader, self.transform)

    def _black(self) -> Tensor:
        return torch.zeros(self.spec.num_clips, 3, self.spec.num_frames, self.crop_px, self.crop_px, dtype=torch.uint8)


def timeline_of(record: VideoRecord, spec: ClipSpec, reader: ClipReader) -> Timeline:
    """When the frames of a video are shown; its time stamps are read only where clips are chosen by them.

    Raises:
        DecodeError: if they cannot be read.
    """
    by_time = spec.target_fps and record.is_vfr
    return Timeline(record.num_frames, record.fps, reader.times(record) if by_time else None)


def views_of(
    record: VideoRecord, indices: NDArray[np.int64], reader: ClipReader, transform: Transform
) -> tuple[Tensor, str]:
    """Views ``uint8 (V, 3, T, h, w)`` and a line where a decoder failed and another stood in.

    Args:
        record: the video.
        indices: (L, T), frames of its clips, which come from one decode.
        reader: decodes.
        transform: makes V / L views of a clip.

    Raises:
        DecodeError: if they cannot be read.
    """
    frames, fallback = reader.read(record, indices)
    views = [view for clip in torch.from_numpy(frames) for view in transform(clip, record.label)]
    return torch.stack(views), fallback


def _seeded(seed: int, epoch: int, index: int) -> np.random.Generator:
    """A generator for one sample; torch's global one is seeded from it, for torchvision's transforms."""
    generator = np.random.default_rng([seed, epoch, index])
    torch.default_generator.manual_seed(int(generator.integers(2**63)))  # torch.manual_seed looks for GPUs each time
    return generator
