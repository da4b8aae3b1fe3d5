"""Validation, test and prediction: every clip of every video once, in the order of the list, with its crops."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import Dataset

from gcvideo.data.clips import choose_clips
from gcvideo.data.dataset import timeline_of, views_of
from gcvideo.data.decoding.decode import DecodeError
from gcvideo.data.decoding.reading import ClipReader, Reading
from gcvideo.data.loader import ResumableLoader, batch_loader
from gcvideo.data.preprocessing import Preprocessing, Views
from gcvideo.data.sampler import EpochSampler
from gcvideo.records import NO_VIDEO, ExpectedViews, Sample, VideoRecord


class EvaluationDataset(Dataset[Sample]):
    """Clips at regular places of a list of videos, each with its crops; no random number is drawn.

    The item ``k`` is clip ``k % num_clips`` of video ``k // num_clips``, and its views are
    ``clip * num_crops + 0 .. num_crops - 1``. An item past the end is black and belongs to no video: it fills the last
    batch where the processes do not share the items out evenly.

    Args:
        records: the videos.
        preprocessing: what a clip is.
        views: which clips and crops.
        reading: which decoders.
    """

    def __init__(
        self, records: list[VideoRecord], preprocessing: Preprocessing, views: Views, reading: Reading
    ) -> None:
        self.records, self.views = records, views
        self.spec, self.transform = preprocessing.clip_spec(views.num_clips), preprocessing.transform(views)
        self.reader = ClipReader(reading)

    def __len__(self) -> int:
        return len(self.records) * self.views.num_clips

    def __getitem__(self, key: tuple[int, int]) -> Sample:
        """The clip of a key ``(epoch, item)``, the same in every epoch; black and not valid where it is unreadable."""
        video, clip = divmod(key[1], self.views.num_clips)
        view_indices = torch.arange(self.views.num_crops) + clip * self.views.num_crops
        if video >= len(self.records):
            return Sample(self._black(), 0, NO_VIDEO, view_indices, is_valid=False)
        record = self.records[video]
        try:
            chosen = choose_clips(self.spec, timeline_of(record, self.spec, self.reader))
            clips, fallback = views_of(record, chosen[clip : clip + 1], self.reader, self.transform)
        except DecodeError as error:
            return Sample(self._black(), record.label, video, view_indices, str(error), is_valid=False)
        return Sample(clips, record.label, video, view_indices, fallback=fallback)

    @property
    def expected(self) -> ExpectedViews:
        """What is scored when all items are."""
        return ExpectedViews(tuple(record.path for record in self.records), self.views.count)

    def _black(self) -> Tensor:
        side = self.views.crop_px
        return torch.zeros(self.views.num_crops, 3, self.spec.num_frames, side, side, dtype=torch.uint8)


def evaluation_loader(
    records: list[VideoRecord],
    preprocessing: Preprocessing,
    views: Views,
    *,
    batch_size: int,
    num_workers: int,
    reading: Reading,
    rank: int = 0,
    world_size: int = 1,
) -> ResumableLoader:
    """Batches of clips with their crops, the same number on every rank.

    Args:
        records: the videos.
        preprocessing: what a clip is.
        views: which clips and crops.
        batch_size: views that a batch has at most; where a clip has more crops than that, it is a batch by itself.
        num_workers: loader processes; 0 reads in this one.
        reading: which decoders.
        rank: of this process, 0 <= rank < world_size.
        world_size: number of processes.
    """
    dataset = EvaluationDataset(records, preprocessing, views, reading)
    sampler = EpochSampler(len(dataset), shuffle=False, rank=rank, world_size=world_size)
    return batch_loader(dataset, sampler, max(1, batch_size // views.num_crops), num_workers, drop_last=False)
