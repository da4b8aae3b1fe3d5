"""How fast a run is: clips a second, and the share of the time it waits for data."""

from __future__ import annotations

import time
from typing import Any

from lightning import Callback, LightningModule, Trainer

from gcvideo.records import Batch


class Throughput(Callback):
    """Logs ``perf/clips_per_s`` (all devices together) and ``perf/data_wait`` (share of the step, 0 to 1)."""

    def __init__(self) -> None:
        self._batch_began = self._batch_ended = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A new epoch starts its workers: its first batch is not measured."""
        self._batch_ended = 0.0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """The batch has arrived."""
        self._batch_began = time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        """The step is done."""
        before, self._batch_ended = self._batch_ended, time.monotonic()
        if not before:
            return
        seconds = self._batch_ended - before
        clips = batch.view_indices.numel() * trainer.world_size
        pl_module.log("perf/clips_per_s", clips / seconds, prog_bar=True, batch_size=1)
        pl_module.log("perf/data_wait", (self._batch_began - before) / seconds, batch_size=1)
