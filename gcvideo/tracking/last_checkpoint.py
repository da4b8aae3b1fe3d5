"""``last.ckpt``: after every epoch, within one every so many minutes or steps, and when the run is told to stop."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from gcvideo.tracking.agreement import Agreement
from gcvideo.tracking.preemption import Preempted, StopSignals

_BEFORE_VALIDATION_S = 30  # a checkpoint older than this is renewed before the last step of an epoch


class LastCheckpoint(ModelCheckpoint):
    """Saves what a run needs to go on with the very next batch, and ends it when a signal came.

    It saves after the first step, so that there is something to go on from, and the disk is known to hold it. Within an
    epoch it saves before a batch, when all of the step before it is done and logged. During a validation
    nothing is saved: the run goes on from where it was last saved, at most half a minute and a step before the end of
    the epoch, and validates then.

    Args:
        every_minutes: saves within an epoch when so long has passed since the last time; 0 does not.
        every_steps: saves within an epoch after so many optimizer steps; 0 does not.

    Attributes:
        saved_step: optimizer steps in ``last.ckpt``; none before it is written.
    """

    def __init__(self, every_minutes: float = 0.0, every_steps: int = 0) -> None:
        super().__init__(filename="last", enable_version_counter=False, save_on_train_epoch_end=True)
        self.every_minutes, self.every_steps = every_minutes, every_steps
        self.signals, self._agreement = StopSignals(), Agreement()
        self.saved_step: int | None = None
        self._saved_at, self._is_within_epoch = 0.0, False

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing: it compares nothing, so there is nothing to take up again."""

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lightning's handlers are set by now."""
        super().on_train_start(trainer, pl_module)
        self._saved_at = time.monotonic()
        if trainer.ckpt_path and (Path(str(self.dirpath)) / "last.ckpt").exists():
            self.saved_step = trainer.global_step
        self.signals.listen()
        self._agreement = Agreement()
        _begin_the_next_epoch(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """All of the step before is done."""
        if not _begins_a_step(trainer, batch_idx):
            return
        is_last = _is_last_step(trainer, batch_idx)
        wishes = [self.signals.number, self._is_time(is_last)]
        told, is_time = self._agreement.largest(trainer, wishes, now=is_last)
        is_step = bool(self.every_steps) and trainer.global_step % self.every_steps == 0
        if told or is_time or is_step:
            self._save_within_epoch(trainer)
        if told:
            raise Preempted(told, self.saved_step)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Its batches take another time than steps, as do those of precise norms before them; the first one asks."""
        super().on_validation_start(trainer, pl_module)
        self.signals.listen()  # after a fit Lightning has set its own handlers again
        self._agreement = Agreement()

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """After the batches of precise norms."""
        super().on_validation_epoch_start(trainer, pl_module)
        self._agreement = Agreement()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The next step asks."""
        super().on_validation_end(trainer, pl_module)
        self._agreement = Agreement()

    def on_validation_batch_start(self, trainer: Trainer, pl_module: LightningModule, *batch: Any) -> None:
        """A validation may take long."""
        self.stop_if_told(trainer)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The test after a fit."""
        self.signals.listen()
        self._agreement = Agreement()

    def on_test_batch_start(self, trainer: Trainer, pl_module: LightningModule, *batch: Any) -> None:
        """A test may take longer."""
        self.stop_if_told(trainer)

    def stop_if_told(self, trainer: Trainer) -> None:
        """Ends the run where a signal came to any rank; all ranks must come here equally often.

        Raises:
            Preempted: if one came.
        """
        (told,) = self._agreement.largest(trainer, [self.signals.number])
        if told:
            raise Preempted(told, self.saved_step)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """A batch that has come but was not trained on has not begun; an epoch that was cut short is not done."""
        loop = checkpoint["loops"]["fit_loop"]
        batches, epochs = loop["epoch_loop.batch_progress"], loop["epoch_progress"]
        is_cut = not self._is_within_epoch and batches["current"]["processed"] < trainer.num_training_batches
        if self._is_within_epoch or is_cut:
            for counts in (batches["total"], batches["current"]):
                counts["ready"] = counts["started"] = counts["processed"] = counts["completed"]
            batches["is_last_batch"] = False
        if is_cut:  # by max_steps or max_time; Lightning would leave the rest of it out
            for counts in (epochs["total"], epochs["current"]):
                counts["processed"] = counts["completed"]

    def _is_time(self, is_last_step: bool) -> bool:
        age_s = time.monotonic() - self._saved_at
        if self.saved_step is None or (is_last_step and age_s >= _BEFORE_VALIDATION_S):
            return True
        return bool(self.every_minutes) and age_s >= 60 * self.every_minutes

    def _save_within_epoch(self, trainer: Trainer) -> None:
        self._is_within_epoch = True
        try:
            trainer.save_checkpoint(Path(str(self.dirpath)) / "last.ckpt")
        finally:
            self._is_within_epoch = False
        self._note_saved(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Saves after the epoch and its validation; an epoch may be a single step."""
        super().on_train_epoch_end(trainer, pl_module)
        self._note_saved(trainer)
        (told,) = self._agreement.largest(trainer, [self.signals.number], now=True)
        if told:
            raise Preempted(told, self.saved_step)

    def _note_saved(self, trainer: Trainer) -> None:
        self.saved_step, self._saved_at = trainer.global_step, time.monotonic()


def _begin_the_next_epoch(trainer: Trainer) -> None:
    """Where ``max_steps`` is set, Lightning takes up an epoch that was done, and counts it a second time."""
    loop = trainer.fit_loop
    if loop.restarting and loop.restarted_on_epoch_end:
        loop.epoch_progress.increment_completed()
        loop._restarting = loop.epoch_loop.restarting = False
        loop.reset_restart_stage()


def _begins_a_step(trainer: Trainer, batch_idx: int) -> bool:
    """Whether a batch is the first of an optimizer step, within an epoch, with no validation just before it.

    (Lightning, when it goes on from just after a validation, counts the step before it twice.)
    """
    total = trainer.fit_loop.epoch_loop.total_batch_idx if trainer.check_val_every_n_epoch is None else batch_idx
    validated = trainer.val_check_batch not in (None, float("inf")) and total % int(trainer.val_check_batch or 1) == 0
    return batch_idx > 0 and batch_idx % trainer.accumulate_grad_batches == 0 and not validated


def _is_last_step(trainer: Trainer, batch_idx: int) -> bool:
    return batch_idx + trainer.accumulate_grad_batches >= trainer.num_training_batches
