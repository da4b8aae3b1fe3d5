"""Measures training steps of a config on the device at hand: seconds, waiting for data, and memory."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch.optim import Optimizer

from gcvideo.commands.running.errors import explained_building, explained_checks
from gcvideo.data.datamodule import VideoDataModule
from gcvideo.errors import InputError
from gcvideo.tracking.memory import forget_peak, peak_resident_bytes, resident_bytes
from gcvideo.training.task import ActionRecognition

_WARM_UP, _COUNTED = 3, 7
_FEWEST = 3  # steps that count, however long they take
PROCESSOR = "processor"


@dataclass(frozen=True)
class StepCost:
    """What a training step of one batch costs.

    Attributes:
        device: in words, such as ``processor`` or the name of the GPU.
        num_steps: that were measured, after those to warm up.
        step_s: seconds from the arrival of a batch on the device to the end of its step; the median.
        wait_s: seconds from the end of a step to the arrival of the next batch; the mean, as they come in bursts.
        memory_gb: gigabytes (10^9 bytes); of a GPU the most that was allocated at once, on a processor what this
            process (without its loader workers) has grown by at its peak.
    """

    device: str
    num_steps: int
    step_s: float
    wait_s: float
    memory_gb: float


class StepTimes(Callback):
    """Seconds from the arrival of a batch on the device to the end of its step, and from there to the next batch.

    Args:
        limit_s: after so many seconds the training ends, once the fewest steps are done.
    """

    def __init__(self, limit_s: float = float("inf")) -> None:
        self.seconds, self.waits = list[float](), list[float]()
        self.limit_s, self._first = limit_s, time.perf_counter()
        self._began = self._ended = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The workers begin anew."""
        self._ended = 0.0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """The batch is there."""
        _wait(pl_module.device)
        self._began = time.perf_counter()
        if self._ended and len(self.seconds) >= _WARM_UP:
            self.waits.append(self._began - self._ended)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """The weights are changed."""
        _wait(pl_module.device)
        self._ended = time.perf_counter()
        self.seconds.append(self._ended - self._began)
        if self._ended - self._first > self.limit_s and len(self.seconds) >= _WARM_UP + _FEWEST:
            trainer.should_stop = True


class _NoRate(Callback):
    """Steps that are computed as any other and move no weight."""

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """After the schedule has set the rate of this step."""
        for group in optimizer.param_groups:
            group["lr"] = 0.0


def measure_step(task: ActionRecognition, data: VideoDataModule, options: Any) -> float:
    """Milliseconds from batch to batch of a training run that never waits; see ``measure_steps``.

    Raises:
        InputError: if the trainer refuses the device or the precision, or the step needs more memory than there is.
    """
    try:
        return 1000 * measure_steps(task, data, options).step_s
    except torch.OutOfMemoryError as error:
        raise InputError(
            f"a step of {data.batch_size} videos does not fit into the memory of {task.device}; "
            "lower --data.batch_size, or name the length of a step with --step_ms"
        ) from error


def measure_steps(
    task: ActionRecognition,
    data: VideoDataModule,
    options: Any,
    *,
    steps: int = _COUNTED,
    limit_s: float = float("inf"),
) -> StepCost:
    """Does a few training steps and measures them, after a few to warm up; the rate is 0, so the weights stay.

    (Steps at the config's rate, from weights that are not the ones it is meant for, may diverge, which says nothing of
    the run.)

    Args:
        task: as it is; its pretrained weights are not loaded for this.
        data: gives the batches.
        options: ``trainer`` of the config; accelerator, precision and clipping are taken from it.
        steps: that count.
        limit_s: seconds after which fewer are enough, but at least three.

    Raises:
        InputError: if the trainer refuses the device or the precision.
        torch.OutOfMemoryError: if the step needs more memory than a GPU has.
    """
    task.pretrained, task.unfreeze_at = None, {}  # a step takes as long from any weights, and at any epoch
    task.finite_steps.max_in_a_row = _WARM_UP + steps + 1  # with other weights than the run's, nobody is to blame
    times = StepTimes(limit_s)
    trainer = short_trainer(options, max_steps=_WARM_UP + steps, limit_val_batches=0, callbacks=[times, _NoRate()])
    device = trainer.strategy.root_device
    before = _memory_begins(device)
    with explained_checks():
        trainer.fit(task, datamodule=data)
    counted = times.seconds[_WARM_UP:]
    wait = statistics.mean(times.waits) if times.waits else 0.0
    grown = (_memory_peak(device) - before) / 1e9
    return StepCost(name_of(device), len(counted), statistics.median(counted), wait, grown)


def short_trainer(options: Any, **limits: Any) -> Trainer:
    """A trainer that leaves nothing behind, of one device.

    Args:
        options: ``trainer`` of a config; accelerator, precision and clipping are taken from it.
        limits: how far it goes.

    Raises:
        InputError: if the device or the precision is refused.
    """
    with explained_building():
        return Trainer(
            accelerator=options.accelerator,
            devices=1,
            precision=options.precision,
            gradient_clip_val=options.gradient_clip_val,
            max_epochs=-1,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            **limits,
        )


def name_of(device: torch.device) -> str:
    """A device in words."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else PROCESSOR


def _memory_begins(device: torch.device) -> int:
    """Lets the peak begin anew; gives the bytes that do not count."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return 0
    forget_peak()
    return resident_bytes()


def _memory_peak(device: torch.device) -> int:
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else peak_resident_bytes()


def _wait(device: torch.device) -> None:
    """A GPU works on after it was told what to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
