"""The last weights of a run are validated, too."""

from __future__ import annotations

from typing import Any

from lightning import Callback, Trainer


class LastValidation(Callback):
    """Validates where ``max_steps`` ends the run, mostly within an epoch, so that the last weights are compared."""

    def on_train_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        """Lightning validates within an epoch where a stop is asked for; the steps end the run here anyway."""
        if trainer.global_step == trainer.max_steps:
            trainer.should_stop = True
            trainer.check_val_every_n_epoch = trainer.check_val_every_n_epoch and 1
