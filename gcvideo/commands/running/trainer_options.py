"""Options of the trainer that cannot work, found before Lightning stumbles over them or passes them over."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from lightning import Trainer
from lightning.pytorch.accelerators import MPSAccelerator
from torch import nn

from gcvideo.commands.running.devices import count_devices, note_on_bf16
from gcvideo.commands.running.folders import to_continue
from gcvideo.errors import InputError
from gcvideo.tracking.memory import num_processors
from gcvideo.tracking.time_limit import TimeLimit
from gcvideo.training.parameter_groups import scale_rates
from gcvideo.training.run_length import RunLength
from gcvideo.training.task import ActionRecognition

log = logging.getLogger(__name__)

# The least value of each, and another one that is allowed below it.
_LEAST: Mapping[str, tuple[int, int | None]] = {
    "max_epochs": (1, -1),
    "max_steps": (1, -1),
    "accumulate_grad_batches": (1, None),
    "check_val_every_n_epoch": (1, None),
    "log_every_n_steps": (1, None),
    "num_nodes": (1, None),
    "gradient_clip_val": (0, None),
}
# What would take the place of our loaders' samplers, or of what every run has.
_REFUSED: Mapping[str, str] = {
    "overfit_batches": "it would take the place of the order of the videos; --trainer.limit_train_batches=2 makes an "
    "epoch of two batches, and the same few videos in each epoch are a list of them (--data.manifest)",
    "use_distributed_sampler": "the loaders share the videos out over the devices by themselves; leave it out",
    "barebones": "a run has logs and checkpoints; leave it out (gcvideo fit --plan measures steps without them)",
}
_HALVES = ("16", "16-mixed")
_OTHER_WEIGHTS = {"bf16-true": "bf16-mixed", "16-true": "16-mixed", "64-true": "32-true", "64": "32-true"}
PLAN = "For fit: tells what would be trained, on what, for how long, with 20 steps to measure it, and ends."
MAX_TIME = "DD:HH:MM:SS after which the run ends, validated and saved; a continued run has the whole time again."


def check_trainer(options: Any) -> None:
    """Refuses numbers that no run has.

    Args:
        options: ``trainer`` of the config.

    Raises:
        InputError: naming the option and its value.
    """
    for name, (least, other) in _LEAST.items():
        value = getattr(options, name)
        if value is not None and value < least and value != other:
            allowed = f"at least {least}" + (f", or {other} for no bound" if other is not None else "")
            raise InputError(f"--trainer.{name} is {value}; expected {allowed}", exit_code=2)
    if options.limit_train_batches == 0:
        raise InputError("--trainer.limit_train_batches is 0, so nothing would be trained; leave it out", exit_code=2)
    for name, why in _REFUSED.items():
        if getattr(options, name):
            raise InputError(f"--trainer.{name}={getattr(options, name)}: {why}", exit_code=2)
    count_devices(options.devices, here=1)


def check_device(options: Any, network: nn.Module) -> None:
    """Refuses what the device at hand cannot do.

    Args:
        options: ``trainer`` of the config.
        network: that would be trained.

    Raises:
        InputError: naming the option and what to take instead.
    """
    accelerator, has_gpu = options.accelerator, torch.cuda.is_available() or MPSAccelerator.is_available()
    if accelerator in ("gpu", "cuda") and not has_gpu:
        raise InputError(
            f"--trainer.accelerator={accelerator}: there is no GPU that torch can use; gcvideo doctor tells what is at "
            "hand, and --trainer.accelerator=cpu trains on the processor"
        )
    check_precision(options)
    if accelerator == "cpu" or (accelerator == "auto" and not has_gpu):
        check_processor(options, network)
    elif os.environ.get("LOCAL_RANK", "0") == "0" and (note := note_on_bf16(options)):
        log.warning(note)


def check_precision(options: Any) -> None:
    """Refuses a precision that batches are not made for, or that needs a package which is not there.

    Args:
        options: ``trainer`` of the config.

    Raises:
        InputError: naming the option and what to take instead.
    """
    if instead := _OTHER_WEIGHTS.get(str(options.precision)):
        raise InputError(
            f"--trainer.precision={options.precision}: weights are kept in 32 bits here, whatever is computed with; "
            f"take {instead}"
        )
    if str(options.precision).startswith("transformer-engine") and find_spec("transformer_engine") is None:
        raise InputError(
            f"--trainer.precision={options.precision} needs the package transformer_engine, which is not installed and "
            "changes linear layers alone, of which these networks have one; take bf16-mixed"
        )


def check_optimizer(task: ActionRecognition) -> None:
    """Makes the optimizer of one weight, to find what is wrong with its options before a run folder is made.

    Raises:
        InputError: if it refuses one of them, or learns nothing.
    """
    group = {"params": [nn.Parameter(torch.zeros(1))], "rate_share": 1.0}
    try:
        optimizer = task.make_optimizer([group])
    except ValueError as error:
        raise InputError(f"--model.optimizer: {error}", exit_code=2) from error
    scale_rates(optimizer, None, RunLength(1, 1, 1, 1, 1, 1, 1))


def time_limit(max_time: str | int | None, options: Any) -> TimeLimit | None:
    """The time limit of ``--max_time``, or of ``--trainer.max_time``, which means the same and is taken out.

    Raises:
        InputError: if it is no time, or both are given.
    """
    if max_time is not None and options.max_time is not None:
        raise InputError("--max_time and --trainer.max_time are one and the same; give one of them", exit_code=2)
    wanted, options.max_time = options.max_time if max_time is None else max_time, None
    try:
        return None if wanted is None else TimeLimit(wanted)
    except ValueError as error:
        raise InputError(f"--{error}", exit_code=2) from error


def say_time_is_over(limit: TimeLimit, trainer: Trainer, folder: Path) -> None:
    """Where a run stopped by its time limit, and how it goes on; said by the first process."""
    if trainer.is_global_zero:
        where = f"in epoch {limit.stopped_in} of {trainer.max_epochs}, after step {trainer.global_step}"
        print(f"the time is over (--max_time): stopped {where}; continue with:\n  {to_continue(folder)}")


def check_processor(options: Any, network: nn.Module) -> None:
    """Refuses what processors cannot do, and says where processes get in each other's way.

    Args:
        options: ``trainer`` of the config.
        network: that would be trained.

    Raises:
        InputError: naming the option and what to take instead.
    """
    if str(options.precision) in _HALVES:
        raise InputError(
            f"--trainer.precision={options.precision} needs a GPU, and this would train on the processor; take "
            "bf16-mixed or 32-true"
        )
    processes, cores = count_devices(options.devices, here=1), num_processors()
    syncs = options.sync_batchnorm or any(isinstance(module, nn.SyncBatchNorm) for module in network.modules())
    if syncs and processes * options.num_nodes > 1:
        option = "--trainer.sync_batchnorm" if options.sync_batchnorm else "--model.backbone.norm=sync"
        raise InputError(
            f"{option} of several processes needs GPUs, and these would train on the processor; leave it out, or take "
            "--model.backbone.norm=frozen where batches are small"
        )
    if processes > cores and os.environ.get("LOCAL_RANK", "0") == "0":
        log.warning(
            f"--trainer.devices={processes} are {processes} processes on {cores} processor cores, each slower for the "
            "others; if GPUs are meant: torch finds none, see gcvideo doctor"
        )
