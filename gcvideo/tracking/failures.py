"""Videos that cannot be read while a run goes on: said once, counted, listed, and too many of them end the run."""

from __future__ import annotations

import csv
import io
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer
from torch import distributed

from gcvideo.errors import InputError, plain
from gcvideo.records import Batch
from gcvideo.tracking.run import RunTracker
from gcvideo.tracking.whole_files import naming

log = logging.getLogger(__name__)

FAILED_CSV = "failed.csv"
_SHOWN = 5
_KEY = "failed_videos"  # in a checkpoint


class FailedVideos(Callback):
    """Logs ``data/failed`` and ``data/fallbacks`` (clips of an epoch) and writes ``failed.csv`` into the run folder.

    Args:
        tracker: knows the run folder.
        max_failed: share of the training videos, 0 to 1; when more of them have failed (and more than one, except
            where the share is 0), the run stops.
    """

    def __init__(self, tracker: RunTracker, max_failed: float) -> None:
        self.tracker, self.max_failed = tracker, max_failed
        self._paths: frozenset[str] = frozenset()  # of the training videos
        self._failed: dict[str, str] = {}  # path and line of those that failed, in that order
        self._clips = {"data/failed": 0, "data/fallbacks": 0}  # of this epoch, on this rank
        self._said: set[str] = set()

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Counts the videos of the training."""
        loader: Any = trainer.train_dataloader
        self._paths = frozenset(record.path for record in loader.dataset.records)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """Counts, reports, and stops the run where too many fail."""
        self._clips["data/failed"] += len(batch.failures)
        self._clips["data/fallbacks"] += len(batch.fallbacks)
        self._report(batch)
        for line in batch.failures:
            self._failed.setdefault(_video_of(line, self._paths), line)
        self._check(self._failed)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Adds up what the ranks have met; each has seen only its share.

        The sums go to the loggers at once: Lightning writes its own after the checkpoint of the epoch, and a run that
        is killed in between would never have them.
        """
        clips, failed = self._of_all_ranks(trainer)
        for logger in trainer.loggers:
            logger.log_metrics(dict(clips), step=trainer.global_step - 1)
        self._clips = dict.fromkeys(self._clips, 0)
        self._check(failed)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """What all ranks have met, so that a run that goes on within an epoch counts on."""
        checkpoint[_KEY] = dict(zip(("clips", "failed"), self._of_all_ranks(trainer), strict=True))

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """The first rank takes it all."""
        if trainer.is_global_zero and trainer.state.fn == "fit" and _KEY in checkpoint:
            self._clips, self._failed = dict(checkpoint[_KEY]["clips"]), dict(checkpoint[_KEY]["failed"])

    def _of_all_ranks(self, trainer: Trainer) -> tuple[dict[str, int], dict[str, str]]:
        of_ranks: list[Any] = [(self._clips, self._failed)]
        if trainer.world_size > 1:
            of_ranks *= trainer.world_size
            distributed.all_gather_object(of_ranks, (self._clips, self._failed))
        clips = {name: sum(counts[name] for counts, _ in of_ranks) for name in self._clips}
        return clips, {path: line for _, failed in of_ranks for path, line in failed.items()}

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Batch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Reports; the share that is allowed is one of the training videos."""
        self._report(batch)

    on_test_batch_end = on_validation_batch_end

    def _report(self, batch: Batch) -> None:
        for line in self._new(batch.fallbacks):
            log.warning(f"another decoder stands in: {_on_one_line(line)}")
        for line in self._new(batch.failures):
            log.warning(f"cannot be read: {_on_one_line(line)}")
            _append(self.tracker.folder / FAILED_CSV, line)

    def _new(self, lines: Iterable[str]) -> list[str]:
        new = [line for line in dict.fromkeys(lines) if line not in self._said]
        self._said.update(new)
        return new

    def _check(self, failed: dict[str, str]) -> None:
        allowed = self.max_failed * len(self._paths)
        if len(failed) > (max(1.0, allowed) if allowed else 0):
            raise InputError(self._too_many(failed))

    def _too_many(self, failed: dict[str, str]) -> str:
        names = "; ".join(map(_on_one_line, list(failed.values())[:_SHOWN]))
        return (
            f"{len(failed)} of {len(self._paths)} training videos cannot be read, more than the share of "
            f"{self.max_failed:g} that is allowed (--data.reading.max_failed): {names}; all of them are in "
            f"{self.tracker.folder / FAILED_CSV}"
        )


def _on_one_line(text: str) -> str:
    """A file name may hold line breaks."""
    return plain(text).replace("\n", "\\n")


def _video_of(line: str, paths: frozenset[str]) -> str:
    """The video that a line is about; the line begins with its path, and what follows may differ from time to time."""
    ends = [place for place, character in enumerate(line) if character == ":"]
    return next((line[:end] for end in reversed(ends) if line[:end] in paths), line)


def _append(path: Path, line: str) -> None:
    """One row at once, so that a kill loses none and several processes may write."""
    row = io.StringIO(newline="")
    csv.writer(row).writerows([[line]] if path.exists() else [["failure"], [line]])
    with naming(path), path.open("a", encoding="utf-8", newline="") as file:
        file.write(row.getvalue())
