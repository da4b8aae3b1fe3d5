"""Which videos there are, what they show, and what each is for: verified once, and split."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, Literal

import numpy as np
from lightning import LightningDataModule
from numpy.typing import NDArray

from gcvideo.data.annotations import Annotations
from gcvideo.data.balance import check_balance, class_quotas
from gcvideo.data.checks import check_same_classes
from gcvideo.data.holdout import check_holdout, hold_out
from gcvideo.data.indexing.index import index_videos
from gcvideo.data.manifest import Manifest, read_manifest
from gcvideo.data.progress import counted_progress
from gcvideo.records import VideoRecord

log = logging.getLogger(__name__)


class LabelledVideos(LightningDataModule, ABC):
    """The verified list of a source, and its splits.

    A subclass says where the labels come from (``annotations``) and where the verified list is kept
    (``manifest_path``).

    Args:
        manifest: a manifest that ``gcvideo index`` wrote; without it the source is indexed.
        holdout: share of the training videos that is held out to choose the best checkpoint on.
        group: a regular expression; training files with the same match are held out together.
        balance: how far the classes come equally often in training, 0 to 1.
    """

    def __init__(self, manifest: str | None, holdout: float, group: str | None, balance: float) -> None:
        super().__init__()
        self.manifest_file, self.holdout, self.group, self.balance = manifest or None, holdout, group, balance
        check_holdout(holdout, group)
        check_balance(balance)
        self._manifest: Manifest | None = None
        self._notes_said = False

    @abstractmethod
    def annotations(self) -> Annotations:
        """Which files, with label and split; opens no video."""

    @abstractmethod
    def manifest_path(self) -> Path:
        """Where the verified list is written when ``manifest`` is not given."""

    @property
    def source(self) -> Path:
        """What the user named: the manifest, or where the videos are."""
        return Path(self.manifest_file) if self.manifest_file else self.manifest_path()

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names; the position is the label. Known before the videos are indexed."""
        if self._manifest is not None:
            return self._manifest.classes
        return self.annotations().classes if self.manifest_file is None else self.manifest().classes

    @property
    def classes_are_given(self) -> bool:
        """Whether the user says which classes there are, with or without videos."""
        return self.manifest_file is not None

    @property
    def num_classes(self) -> int:
        """Number of classes."""
        return len(self.classes)

    @property
    def class_counts(self) -> NDArray[np.int64]:
        """(K,), training videos of each class."""
        return np.bincount([record.label for record in self.train_records()], minlength=self.num_classes)

    @property
    def class_draws(self) -> NDArray[np.float64]:
        """(K,), videos of each class that an epoch draws, on average over the epochs."""
        return class_quotas(self.class_counts, self.balance)

    def prepare_data(self) -> None:
        """Indexes the source, on one process of each machine; a second time only what has changed."""
        if self.manifest_file is not None or self._manifest is not None:
            return
        annotations, path = self.annotations(), self.manifest_path()
        for note in annotations.notes if not self._notes_said else ():
            log.warning(note)
        self._notes_said = True
        with counted_progress("indexing videos") as (on_start, on_video):
            manifest = index_videos(annotations, path, on_start=on_start, on_video=on_video)
        if manifest.bad:
            total = len(manifest.bad) + len(manifest.records)
            listed = path.with_name(path.stem + ".bad.csv")
            log.warning(f"{len(manifest.bad)} of {total} videos cannot be decoded and are left out; see {listed}")

    def manifest(self) -> Manifest:
        """The verified list; ``prepare_data`` has made it."""
        if self._manifest is None:
            self._manifest = read_manifest(Path(self.manifest_file) if self.manifest_file else self.manifest_path())
        return self._manifest

    def train_records(self) -> list[VideoRecord]:
        """The videos that are trained on."""
        return self._hold_out()[0] if self.holdout else self.manifest().split("train")

    def val_records(self) -> list[VideoRecord]:
        """The videos that choose the best checkpoint: held out of train, or the val split."""
        return self._hold_out()[1] if self.holdout else self.manifest().split("val")

    def test_records(self) -> list[VideoRecord]:
        """The videos that are read once at the end: the test split, else val where it chose nothing."""
        return self.manifest().split("test") or (self.manifest().split("val") if self.holdout else [])

    def undecodable(self, split: Literal["val", "test"]) -> int | None:
        """How many videos of a split could not be decoded and are not in it; None where the list does not say that.

        A manifest names such files without their split, and which of train would have been held out is not known.
        """
        if not self.manifest().bad:
            return 0
        if self.manifest_file is not None or (split == "val" and self.holdout):
            return None
        name = "val" if split == "val" or not self.manifest().split("test") else "test"
        labelled = sum(entry.split == name for entry in self.annotations().entries)
        return max(0, labelled - len(self.manifest().split(name)))

    def _hold_out(self) -> tuple[list[VideoRecord], list[VideoRecord]]:
        return hold_out(self.manifest().split("train"), fraction=self.holdout, group=self.group)

    def state_dict(self) -> dict[str, Any]:
        """Kept in every checkpoint: what the labels mean."""
        return {"classes": list(self.classes)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Refuses a checkpoint whose labels mean something else.

        Raises:
            InputError: naming the first class that differs.
        """
        check_same_classes(tuple(state_dict["classes"]), self.classes)
