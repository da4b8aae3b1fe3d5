"""From a source of labelled videos to the loaders of training, validation and test."""

from __future__ import annotations

import logging
from dataclasses import asdict
from typing import Any

from torch.utils.data import DataLoader

from gcvideo.data.balance import describe_balance
from gcvideo.data.checks import (
    absent_classes,
    check_learned,
    check_reader,
    check_sizes,
    check_training,
)
from gcvideo.data.clips import Sampling, Short
from gcvideo.data.dataset import VideoDataset
from gcvideo.data.decoding.reading import Reading
from gcvideo.data.evaluation_loader import evaluation_loader
from gcvideo.data.labelled_videos import LabelledVideos
from gcvideo.data.loader import ResumableLoader, batch_loader
from gcvideo.data.preprocessing import Preprocessing, Views, other_clips
from gcvideo.data.sampler import EpochSampler
from gcvideo.data.statistics import first_batches, statistics_seed
from gcvideo.data.transforms import Augmentation, TrainTransform, unflipped_labels
from gcvideo.errors import InputError
from gcvideo.records import Sample, VideoRecord

log = logging.getLogger(__name__)


class VideoDataModule(LabelledVideos):
    r"""Videos of any source, verified once, as batches.

    A subclass says where the labels come from, see ``LabelledVideos``.

    Args:
        manifest: a manifest that ``gcvideo index`` wrote; without it the source is indexed by itself.
        num_frames: frames in a clip.
        frame_stride: video frames from one clip frame to the next.
        target_fps: frames per second that all videos are brought to first; null takes their frames as they come.
        sampling: ``dense`` clips, or ``segments`` (TSN): a frame from each of num_frames equal parts of the video.
        short: a video shorter than a clip is looped (``loop``), or its last frame is held (``hold``).
        clips_per_video: training clips from one decode (repeated augmentation); the batch grows by this factor.
        crop_px: side of the square the network sees.
        short_side_px: validation and test resize the short side to this before the crop; default: crop_px.
        test_crop_px: side of the square in the test, larger where a network is tested so; default: crop_px.
        batch_size: videos in a batch on each device; in validation and test the most views, see ``evaluation_loader``.
        drop_last: whether the last videos of an epoch, which do not fill a batch on every device, are left out of the
            training; false trains on them too, as a smaller batch (a few come twice so that all devices get some).
        num_workers: loader processes; they do not change the results.
        augmentation: what is varied in training.
        reading: which decoders are used, and what becomes of a video that cannot be read.
        holdout: share of the training videos that is held out to choose the best checkpoint on; 0 takes the val split.
        group: a regular expression; training files of a class with the same match are held out together, or kept
            (UCF101: ``_g(\d+)_``). Each class is split by itself, see ``holdout.py``.
        balance: how far the classes are brought to come equally often in training: each comes in proportion to
            ``videos ** (1 - balance)``. 0: every video once an epoch; 0.5: square-root sampling; 1: all classes equally
            often (Kang et al., https://arxiv.org/abs/1910.09217). An epoch keeps its length.
        num_test_clips: clips a video in the test, at regular places.
        num_test_crops: crops a clip in the test, along the long side at equal distances.
        seed: the run's seed (set by seed_everything).
    """

    def __init__(
        self,
        manifest: str | None = None,
        num_frames: int = 8,
        frame_stride: int = 8,
        target_fps: float | None = None,
        sampling: Sampling = "dense",
        short: Short = "loop",
        clips_per_video: int = 1,
        crop_px: int = 224,
        short_side_px: int | None = None,
        test_crop_px: int | None = None,
        batch_size: int = 8,
        drop_last: bool = True,
        num_workers: int = 2,
        augmentation: Augmentation = Augmentation(),  # noqa: B008 (frozen)
        reading: Reading = Reading(),  # noqa: B008 (frozen)
        holdout: float = 0.0,
        group: str | None = None,
        balance: float = 0.0,
        num_test_clips: int = 1,
        num_test_crops: int = 1,
        seed: int = 0,
    ) -> None:
        super().__init__(manifest, holdout, group, balance)
        self.num_frames, self.frame_stride, self.crop_px = num_frames, frame_stride, crop_px
        self.target_fps, self.sampling = target_fps, sampling
        self.clips_per_video, self.reading = clips_per_video, reading
        self.short_side_px, self.test_crop_px = short_side_px or crop_px, test_crop_px or crop_px
        self.batch_size, self.num_workers, self.seed = batch_size, num_workers, seed
        self.drop_last = drop_last
        self.augmentation = augmentation
        self.num_test_clips, self.num_test_crops = num_test_clips, num_test_crops
        self._clips_said = False
        check_sizes(self)
        self.preprocessing = Preprocessing(
            num_frames,
            frame_stride,
            target_fps,
            sampling,
            short,
            self.short_side_px,
            val_views=Views(1, 1, crop_px),
            test_views=Views(num_test_clips, num_test_crops, self.test_crop_px),
        )

    def prepare_data(self) -> None:
        """Indexes the source; a wrong name is refused before the videos are decoded."""
        unflipped_labels(self.augmentation, self.classes)
        super().prepare_data()

    def setup(self, stage: str) -> None:
        """Reads the manifest and refuses a stage that has no videos, before a run folder is made."""
        check_reader(list(self.manifest().records), self.reading.reader)
        if stage == "fit":
            held_out = len(self.val_records()) if self.holdout else 0
            check_training(self.classes, self.train_records(), held_out, self.batch_size, self.trainer)
            later = self.val_records() + self.test_records()
            check_learned(self.classes, self.train_records(), later, classes_are_given=self.classes_are_given)
        if stage in ("fit", "validate") and not self.val_records():
            raise InputError(
                "no videos to choose the best checkpoint on: add a val/ folder beside train/, "
                "or hold a fifth of train out with --data.holdout=0.2"
            )
        if stage == "test" and not self.test_records():
            raise InputError(
                "no videos to test on: add a test/ folder, or a val/ folder together with --data.holdout=0.2 "
                "(then val chooses nothing and is read at the end)"
            )
        if stage == "fit" and (self.trainer is None or self.trainer.is_global_zero):
            if self.holdout:
                total = len(self.manifest().split("train"))
                log.info(f"{len(self.val_records())} of {total} training videos are held out to choose the checkpoint")
            if self.balance:
                log.info(describe_balance(self.class_counts, self.balance))
            for note in absent_classes(self.classes, self.train_records(), self.val_records()):
                log.warning(note)

    def shrink_batch(self) -> None:
        """Lowers the batch size to the number of training videos: for what looks at batches and trains nothing."""
        videos = len(self.train_records())
        if 0 < videos < self.batch_size:
            log.warning(f"{videos} training videos do not fill a batch of {self.batch_size}; here {videos} are one")
            self.batch_size = videos

    def train_dataloader(self) -> DataLoader[Sample]:
        """Random clips in an order that is a function of (seed, epoch).

        The epoch is set here, too: Lightning sets that of a continued run after processes have begun to read ahead.
        """
        loader = self._train_loader(self.seed)
        loader.order.set_epoch(self._epoch())
        loader.trained_batches = self._trained_batches
        return loader

    def statistics_dataloader(self, epoch: int, batches: int) -> DataLoader[Sample]:
        """Training clips that are looked at and not trained on, in an order of their own: a function of (seed, epoch).

        Args:
            epoch: 0-based.
            batches: global ones, of which each rank reads its share: a batch of its own for every one; all there are
                where these are fewer.
        """
        return first_batches(self._train_loader(statistics_seed(self.seed)), epoch, batches)

    def val_dataloader(self) -> DataLoader[Sample]:
        """One clip from the middle of each video, centre crop."""
        return self._eval_loader(self.val_records(), self.preprocessing.val_views)

    def test_dataloader(self) -> DataLoader[Sample]:
        """``num_test_clips`` x ``num_test_crops`` views of each video, a clip with its crops an item."""
        return self._eval_loader(self.test_records(), self.preprocessing.test_views)

    def state_dict(self) -> dict[str, Any]:
        """Kept in every checkpoint: what the labels mean, and how the videos come before the network."""
        how = {"preprocessing": asdict(self.preprocessing), "reading": asdict(self.reading)}
        return {**super().state_dict(), **how}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Refuses other classes; says where clips are taken otherwise than those that the network knows.

        Raises:
            InputError: naming the first class that differs.
        """
        super().load_state_dict(state_dict)
        note = other_clips(state_dict.get("preprocessing"), self.preprocessing)
        if note and not self._clips_said and (self.trainer is None or self.trainer.is_global_zero):
            log.warning(note)
        self._clips_said = True

    def _epoch(self) -> int:
        """Which epoch a fit begins with, from 0; ``trainer.current_epoch`` is one behind where the last one is done."""
        loop: Any = getattr(self.trainer, "fit_loop", None)  # a plan has none
        return int(loop.epoch_progress.current.processed) if loop else 0

    def _trained_batches(self) -> int:
        """Batches of this epoch that were trained on, on each rank; 0 once the epoch is done."""
        if self.trainer is None:
            return 0
        batches: int = self.trainer.fit_loop.epoch_loop.batch_progress.current.processed  # type: ignore[attr-defined]
        return batches if batches < self.trainer.num_training_batches else 0

    def _train_loader(self, seed: int) -> ResumableLoader:
        unflipped = unflipped_labels(self.augmentation, self.classes)
        transform = TrainTransform(self.crop_px, self.augmentation, unflipped)
        dataset = VideoDataset(
            self.train_records(),
            self.preprocessing.clip_spec(self.clips_per_video),
            transform,
            crop_px=self.crop_px,
            seed=seed,
            reading=self.reading,
        )
        rank, world_size = self._place()
        sampler = EpochSampler(
            len(dataset),
            shuffle=True,
            seed=seed,
            rank=rank,
            world_size=world_size,
            labels=[record.label for record in dataset.records],
            balance=self.balance,
            drop_last=self.drop_last,
        )
        return batch_loader(dataset, sampler, self.batch_size, self.num_workers, drop_last=self.drop_last)

    def _eval_loader(self, records: list[VideoRecord], views: Views) -> DataLoader[Sample]:
        rank, world_size = self._place()
        return evaluation_loader(
            records,
            self.preprocessing,
            views,
            batch_size=self.batch_size,
            num_workers=self.num_workers,
            reading=self.reading,
            rank=rank,
            world_size=world_size,
        )

    def _place(self) -> tuple[int, int]:
        """Rank and number of processes."""
        return (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
