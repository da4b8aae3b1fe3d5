"""The last weights of a run are validated, too."""

from __future__ import annotations

from typing import Any

from lightning import Callback, Trainer


class LastValidation(Callback):
    """Validates after the last step of a run, also where the interval between validations would leave it out.

    That step ends the last epoch, or is the last of ``max_steps``, mostly within an epoch.
    """

    def on_train_batch_end(self, trainer: Trainer, *args: Any, **kwargs: Any) -> None:
        """Lightning validates at once where a stop is asked for; the run ends here anyway."""
        ends_last_epoch = trainer.is_last_batch and trainer.current_epoch + 1 == trainer.max_epochs
        if ends_last_epoch or trainer.global_step == trainer.max_steps:
            trainer.should_stop = True
            trainer.check_val_every_n_epoch = trainer.check_val_every_n_epoch and 1
