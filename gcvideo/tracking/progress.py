"""What a person sees while a run goes: a bar on a terminal, a line an epoch in a log."""

from __future__ import annotations

import sys
import time
from typing import Any

from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import RichProgressBar

from gcvideo.tracking.advice import rate
from gcvideo.tracking.throughput import Throughput

_SHOWN = {"train/loss": "loss {:.4f}", "val/loss": "val loss {:.4f}", "val/top1": "val top-1 {:.1%}"}
NOTABLE_WAIT = 0.1  # share of the time; less is not shown


def shows_bar(wanted: bool | None) -> bool:
    """Whether a moving bar is shown: on a terminal, unless it is turned off."""
    return wanted is not False and sys.stdout.isatty()


def progress_callbacks(throughput: Throughput, *, bar: bool) -> list[Callback]:
    """The bar, where one is shown, and the lines in any case; ``throughput`` stands before them in a trainer."""
    bars: list[Callback] = [RunProgressBar(throughput)] if bar else []
    return [*bars, EpochLines(throughput)]


class RunProgressBar(RichProgressBar):
    """Lightning's bar without the logger's version, which says nothing here, and with the waiting where there is any.

    Args:
        throughput: knows how much of the epoch was waited.
    """

    def __init__(self, throughput: Throughput) -> None:
        super().__init__()
        self.throughput = throughput

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """What is shown behind the bar."""
        numbers = {name: value for name, value in super().get_metrics(trainer, pl_module).items() if name != "v_num"}
        wait = self.throughput.epoch.data_wait
        return {**numbers, "data wait": wait} if wait >= NOTABLE_WAIT else numbers


class EpochLines(Callback):
    """Prints one line an epoch: what was reached, how fast, how long, and how much of it was waited for data.

    Args:
        throughput: of the batches of the epoch.
    """

    def __init__(self, throughput: Throughput) -> None:
        self.throughput = throughput
        self._began = 0.0
        self._validated = False

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A run may go on within an epoch, which then does not start."""
        self._began = time.monotonic()

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
        speed = self.throughput.epoch
        if speed.batches:
            shown.append(f"{rate(speed.clips_per_s)} clips/s")
        if speed.data_wait >= NOTABLE_WAIT:
            shown.append(f"waits for data {speed.data_wait:.0%}")
        epoch = f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"
        print(f"{epoch:>12}  {'  '.join(shown)}  {time.monotonic() - self._began:.1f} s", flush=True)
