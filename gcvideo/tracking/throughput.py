"""How fast a run is: clips and seconds a batch, the share of the time it waits for data, and the memory it holds."""

from __future__ import annotations

import logging
import time
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from gcvideo.records import Batch
from gcvideo.tracking.advice import AdviceOnData, Speed
from gcvideo.tracking.memory import memory_gb, num_processors
from gcvideo.tracking.run import RunTracker

log = logging.getLogger(__name__)


class Throughput(Callback):
    """Logs how fast each batch went, and says what to do where the loader is too slow (see ``AdviceOnData``).

    The numbers, of one batch on each device (with accumulation several make an optimizer step):

    * ``perf/clips_per_s``: clips a second, all devices together.
    * ``perf/step_s``: seconds from the end of the batch before to its own end, waiting included.
    * ``perf/data_wait``: the share of these seconds in which the device stood still for want of data, 0 to 1. On a GPU,
      which works on while the next batch is fetched, that is the time its queue was empty.
    * ``perf/memory_gb``: gigabytes (10^9 bytes); of a GPU the most that was allocated at once since the run began, on a
      processor what this process holds (without the loader workers).

    The first batch of an epoch starts the workers, and the first one after a validation stands behind it: neither
    counts.

    Args:
        tracker: knows the run folder, whose config the advised command is given.
    """

    def __init__(self, tracker: RunTracker) -> None:
        self.tracker, self.epoch = tracker, Speed()
        self._advice = AdviceOnData()
        self._began = self._ended = 0.0
        self._idle = _IdleGpu()

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A new epoch starts its workers: its first batch is not measured."""
        self.epoch, self._ended = Speed(), 0.0

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The time since the last batch was not spent on waiting."""
        self._ended = 0.0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """The batch has arrived."""
        self._began = time.monotonic()
        if pl_module.device.type == "cuda":
            self._idle.begins()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """The step is done (a GPU may still be at it: it is not waited for)."""
        before, self._ended = self._ended, time.monotonic()
        waited = self._began - before
        if pl_module.device.type == "cuda":
            waited = min(waited, self._idle.seconds())
            self._idle.ends()
        if before:
            clips = batch.view_indices.numel() * trainer.world_size
            batch_speed = Speed(1, clips, self._ended - before, waited)
            self._note(batch_speed, pl_module)
            if self._advice.add(batch_speed, trainer.current_epoch + 1):
                self._advise(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Says what to do where the loader is the bottleneck."""
        self._advise(trainer)

    def _advise(self, trainer: Trainer) -> None:
        """On the first process only."""
        if trainer.is_global_zero:
            loader: Any = trainer.train_dataloader
            line = self._advice.look(
                epoch=trainer.current_epoch + 1,
                num_workers=loader.num_workers,
                cores=max(1, num_processors() // trainer.num_devices),
                config=self.tracker.folder / "config.yaml",
            )
            if line:
                log.warning(line)

    def _note(self, batch: Speed, pl_module: LightningModule) -> None:
        self.epoch += batch
        pl_module.log("perf/clips_per_s", batch.clips_per_s, prog_bar=True, batch_size=1)
        pl_module.log("perf/step_s", batch.seconds, batch_size=1)
        pl_module.log("perf/data_wait", batch.data_wait, batch_size=1)
        pl_module.log("perf/memory_gb", memory_gb(pl_module.device), batch_size=1)


class _IdleGpu:
    """How long the queue of a GPU was empty between two batches, by marks in the queue that nothing waits for."""

    def __init__(self) -> None:
        self._end: Any = None
        self._begin: Any = None

    def ends(self) -> None:
        """All work of a batch is in the queue."""
        self._end = _mark()

    def begins(self) -> None:
        """The next batch is on the device."""
        self._begin = _mark()

    def seconds(self) -> float:
        """From the end of the last batch to the begin of this one; 0 where the GPU is still behind both marks."""
        if self._end is None or self._begin is None or not self._begin.query():
            return 0.0
        return float(self._end.elapsed_time(self._begin)) / 1000


def _mark() -> Any:
    """A mark at the end of the queue, with the time at which the GPU comes to it."""
    mark = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
    mark.record()
    return mark
