"""What a run would cost: a few real steps and a few batches of the validation, measured on the device at hand."""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass, replace
from itertools import islice, pairwise
from types import SimpleNamespace
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from gcvideo.commands.benchmarking.step import StepCost, measure_steps, short_trainer
from gcvideo.commands.running.devices import Devices
from gcvideo.commands.running.errors import explained_checks
from gcvideo.data.datamodule import VideoDataModule
from gcvideo.models.counting import Clip, activation_bytes
from gcvideo.tracking.memory import free_bytes
from gcvideo.training.task import ActionRecognition

_STEPS, _LIMIT_S = 20, 120.0
_VAL_BATCHES = 6
_WORKSPACE = 1.5  # times what is kept for the backward pass: more is held for a moment
_STATES = 4  # numbers for each weight: itself, its gradient, and up to two of the optimizer


@dataclass(frozen=True)
class Measured:
    """What was measured of a run on one device.

    Attributes:
        kept_gb: gigabytes (10^9 bytes) that a step of the config's batch keeps for its backward pass, and the weights
            with their gradients and the optimizer's numbers; counted.
        num_workers: of the loader.
        videos: in a batch that was measured; fewer than the config's where these would not fit into the memory.
        share: of the config's batch that this is, 0 to 1.
        step: of such a batch; None where not even one video fits.
        loader_s: seconds that the loader takes for a batch while nothing trains; None where an epoch is too short.
        val_s: seconds of a batch of the validation, reading and all.
    """

    kept_gb: float
    num_workers: int
    videos: int = 0
    share: float = 1.0
    step: StepCost | None = None
    loader_s: float | None = None
    val_s: float = 0.0

    @property
    def batch_s(self) -> float:
        """Seconds from one batch to the next in training: computed and waited for, or all that the loader can do."""
        assert self.step is not None
        return max(self.step.step_s + self.step.wait_s, self.loader_s or 0.0)


def measure_run(task: ActionRecognition, data: VideoDataModule, options: Any, devices: Devices) -> Measured:
    """Validates, loads and trains a little.

    Args:
        task: is changed by the steps.
        data: is set up; its loader workers are used.
        options: ``trainer`` of the config.
        devices: with what there is instead of the config's devices.

    Raises:
        InputError: if the trainer refuses something of them.
    """
    options = SimpleNamespace(**{**vars(options), **devices.at_hand})
    kept, wanted = _kept_bytes(task, data, options.precision), data.batch_size
    nothing = Measured(kept / 1e9, data.num_workers)
    if short_trainer(options).strategy.root_device.type == "cpu":
        data.batch_size = _videos_that_fit(kept, wanted)
    try:
        return _measure(task, data, options, nothing, wanted) if data.batch_size else nothing
    except torch.OutOfMemoryError:
        return nothing
    finally:
        data.batch_size = wanted


def _measure(task: ActionRecognition, data: VideoDataModule, options: Any, nothing: Measured, wanted: int) -> Measured:
    val_s = _validation_seconds(task, data, options)  # first: its scores must be finite
    loader_s = _loader_seconds(data)
    step = measure_steps(task, data, options, steps=_STEPS, limit_s=_LIMIT_S)
    videos = data.batch_size
    return replace(nothing, videos=videos, share=videos / wanted, step=step, loader_s=loader_s, val_s=val_s)


def _kept_bytes(task: ActionRecognition, data: VideoDataModule, precision: Any) -> int:
    clip = Clip(data.num_frames, data.crop_px, data.crop_px)
    clips = data.batch_size * data.clips_per_video
    kept = activation_bytes(task.network, clip, clips, bf16="16" in str(precision))
    return sum(kept.values()) + _STATES * sum(p.numel() * p.element_size() for p in task.network.parameters())


def _videos_that_fit(needed: int, batch_size: int) -> int:
    """On a processor the system ends a process that takes too much; a GPU says so by itself."""
    free = free_bytes()
    if free is None or needed * _WORKSPACE <= free:
        return batch_size
    return int(batch_size * free / (needed * _WORKSPACE))


class _ValidationTimes(Callback):
    """When the first batch had arrived, and when each was done."""

    def __init__(self) -> None:
        self.moments: list[float] = []

    def on_validation_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """The workers have started."""
        if not self.moments:
            self.moments.append(time.perf_counter())

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Its scores are computed."""
        if pl_module.device.type == "cuda":
            torch.cuda.synchronize(pl_module.device)
        self.moments.append(time.perf_counter())


def _validation_seconds(task: ActionRecognition, data: VideoDataModule, options: Any) -> float:
    times = _ValidationTimes()
    trainer = short_trainer(options, limit_val_batches=_VAL_BATCHES, callbacks=[times])
    with explained_checks():
        trainer.validate(task, datamodule=data, verbose=False)
    lengths = [after - before for before, after in pairwise(times.moments)]
    return statistics.mean(lengths[1:] or lengths)  # the first one also warms up


def _loader_seconds(data: VideoDataModule) -> float | None:
    """A batch of each worker is left aside, as they start; then come whole rounds of them."""
    loader = data.train_dataloader()
    group = max(1, data.num_workers)
    rounds = min(2, len(loader) // group - 1)
    if rounds < 1:
        return None
    batches = iter(loader)
    for _ in islice(batches, group):
        pass
    began = time.perf_counter()
    for _ in islice(batches, rounds * group):
        pass
    return (time.perf_counter() - began) / (rounds * group)
