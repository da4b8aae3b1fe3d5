"""Videos that cannot be read while a run goes on: said once, counted, listed, and too many of them end the run."""

from __future__ import annotations

import csv
import logging
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

from gcvideo.errors import InputError, plain
from gcvideo.records import Batch
from gcvideo.tracking.run import RunTracker

log = logging.getLogger(__name__)

FAILED_CSV = "failed.csv"
_SHOWN = 5


class FailedVideos(Callback):
    """Logs ``data/failed`` and ``data/fallbacks`` (clips of an epoch) and writes ``failed.csv`` into the run folder.

    Args:
        tracker: knows the run folder.
        max_failed: share of the training videos, 0 to 1; when more of them have failed (and more than one), the run
            stops.
    """

    def __init__(self, tracker: RunTracker, max_failed: float) -> None:
        self.tracker, self.max_failed = tracker, max_failed
        self._num_videos = 0
        self._failed: dict[str, None] = {}  # in the order of their failing
        self._fallbacks: set[str] = set()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Counts the videos of the training."""
        loader: Any = trainer.train_dataloader
        self._num_videos = len(loader.dataset)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Counts, reports, and stops the run where too many fail."""
        for name, lines in {"data/failed": batch.failures, "data/fallbacks": batch.fallbacks}.items():
            pl_module.log(
                name, float(len(lines)), on_step=False, on_epoch=True, reduce_fx="sum", sync_dist=True, batch_size=1
            )
        self._report(batch)
        if len(self._failed) > max(1.0, self.max_failed * self._num_videos):
            raise InputError(self._too_many())

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Reports."""
        self._report(batch)

    on_test_batch_end = on_validation_batch_end

    def _report(self, batch: Batch) -> None:
        for line in batch.fallbacks:
            if line not in self._fallbacks:
                self._fallbacks.add(line)
                log.warning(plain(f"another decoder stands in: {line}"))
        for line in batch.failures:
            if line not in self._failed:
                self._failed[line] = None
                log.warning(plain(f"cannot be read: {line}"))
                _append(self.tracker.folder / FAILED_CSV, line)

    def _too_many(self) -> str:
        names = "; ".join(list(self._failed)[:_SHOWN])
        return (
            f"{len(self._failed)} of {self._num_videos} training videos cannot be read, more than the share of "
            f"{self.max_failed:g} that is allowed (--data.reading.max_failed): {names}; all of them are in "
            f"{self.tracker.folder / FAILED_CSV}"
        )


def _append(path: Path, line: str) -> None:
    """One row at once, so that a kill loses none and several processes may write."""
    is_new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(["failure"])
        writer.writerow([line])
