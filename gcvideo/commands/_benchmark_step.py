"""Measures a training step of a config on the device at hand; waiting for data is not counted."""

from __future__ import annotations

import statistics
import time
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from gcvideo.commands._errors import explained_building, explained_checks
from gcvideo.data.datamodule import VideoDataModule
from gcvideo.errors import InputError
from gcvideo.training.task import ActionRecognition

_WARM_UP, _COUNTED = 3, 7


class StepTimes(Callback):
    """Seconds from the arrival of a batch on the device to the end of its step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._began = 0.0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """The batch is there."""
        _wait(pl_module.device)
        self._began = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The weights are changed."""
        _wait(pl_module.device)
        self.seconds.append(time.perf_counter() - self._began)


def measure_step(task: ActionRecognition, data: VideoDataModule, options: Any) -> float:
    """Milliseconds from batch to batch of a training run that never waits; the median after a few to warm up.

    Args:
        task: is trained by these steps, from weights that are not loaded.
        data: gives the batches, read in this process.
        options: ``trainer`` of the config; accelerator and precision are taken from it.

    Raises:
        InputError: if the trainer refuses them, or the step needs more memory than there is.
    """
    task.pretrained = None  # a step takes as long from any weights
    times = StepTimes()
    with explained_building():
        trainer = Trainer(
            accelerator=options.accelerator,
            devices=1,
            precision=options.precision,
            gradient_clip_val=options.gradient_clip_val,
            max_epochs=-1,
            max_steps=_WARM_UP + _COUNTED,
            limit_val_batches=0,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[times],
        )
    try:
        with explained_checks():
            trainer.fit(task, datamodule=data)
    except torch.OutOfMemoryError as error:
        raise InputError(
            f"a step of {data.batch_size} videos does not fit into the memory of {task.device}; "
            "lower --data.batch_size, or name the length of a step with --step_ms"
        ) from error
    return 1000 * statistics.median(times.seconds[_WARM_UP:])


def _wait(device: torch.device) -> None:
    """A GPU works on after it was told what to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
