"""What a person sees while a run goes: a bar on a terminal, a line an epoch in a log."""

from __future__ import annotations

import sys
import time
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar

_SHOWN = {"train/loss": "loss {:.4f}", "val/loss": "val loss {:.4f}", "val/top1": "val top-1 {:.1%}"}


def shows_bar(wanted: bool | None) -> bool:
    """Whether a moving bar is shown: on a terminal, unless it is turned off."""
    return wanted is not False and sys.stdout.isatty()


def progress_callbacks(*, bar: bool) -> list[Callback]:
    """The bar, where one is shown, and the lines in any case."""
    bars: list[Callback] = [RunProgressBar()] if bar else []
    return [*bars, EpochLines()]


class RunProgressBar(RichProgressBar):
    """Lightning's bar without the logger's version, which says nothing here."""

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """What is shown behind the bar."""
        return {name: value for name, value in super().get_metrics(trainer, pl_module).items() if name != "v_num"}


class EpochLines(Callback):
    """Prints one line an epoch: what was reached, how fast, how long."""

    def __init__(self) -> None:
        self._began = 0.0
        self._validated = False

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Starts the clock."""
        self._began = time.monotonic()
        self._validated = False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The numbers of the validation are this epoch's."""
        self._validated = True

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Prints the line, on the first process only."""
        if not trainer.is_global_zero:
            return
        numbers = {k: v for k, v in trainer.callback_metrics.items() if self._validated or not k.startswith("val/")}
        shown = [text.format(float(numbers[name])) for name, text in _SHOWN.items() if name in numbers]
        if "perf/clips_per_s" in numbers:
            shown.append(f"{float(numbers['perf/clips_per_s']):.0f} clips/s")
        epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        print(f"{epoch:>12}  {'  '.join(shown)}  {time.monotonic() - self._began:.1f} s", flush=True)
