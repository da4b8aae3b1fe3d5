"""How long a run would take by what was measured of it, and what holds it up."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lightning import Trainer

from gcvideo.commands.benchmarking.step import PROCESSOR
from gcvideo.commands.planning.cost import Measured
from gcvideo.commands.planning.steps import Learning
from gcvideo.commands.running.devices import Devices
from gcvideo.tracking.memory import num_processors

_MOST_WAITING = 0.1  # share of the time; more, and the loader is the bottleneck


@dataclass(frozen=True)
class Hours:
    """Seconds that a run takes.

    Attributes:
        epoch: of training.
        validation: each, with what the norms look at before it.
        num_validations: in the run.
        whole: all of these.
    """

    epoch: float
    validation: float
    num_validations: int
    whole: float


def planned_hours(learning: Learning, measured: Measured, trainer: Trainer) -> Hours:
    """Seconds of the parts of a run, each device taking as long for its batches as the one that was measured.

    Args:
        learning: with the length of the run.
        measured: the batch's length, on one device.
        trainer: with the options of the run: how often it validates, and how much.
    """
    length = learning.length
    epoch = length.batches_per_epoch * measured.batch_s / measured.share
    limit = trainer.limit_val_batches
    batches = min(learning.val_batches, limit) if isinstance(limit, int) else int(learning.val_batches * limit)
    times = _validations(learning, trainer) if batches else 0
    validation = (batches + learning.norm_batches) * measured.val_s / measured.share if times else 0.0
    return Hours(epoch, validation, times, learning.epochs * epoch + times * validation)


def describe_cost(learning: Learning, measured: Measured, devices: Devices, trainer: Trainer) -> list[list[str]]:
    """Rows of a table: what, and how much it is.

    Args:
        learning: with the length of the run.
        measured: on one device.
        devices: that the run is planned for.
        trainer: with the options of the run.
    """
    rows = [["note", note] for note in devices.notes]
    kept = f"{measured.kept_gb:.2f} GB for what a whole batch keeps and the weights (counted)"
    if measured.step is None:
        return [*rows, ["memory", f"{kept}: not as much is free, nothing was measured; lower --data.batch_size"]]
    hours, step = planned_hours(learning, measured, trainer), measured.step
    part = f" of {measured.videos} of the {learning.length.videos} videos (no more fit)" if measured.share < 1 else ""
    peak = (
        "more than before at the peak, in this process alone" if step.device == PROCESSOR else "allocated at the peak"
    )
    return [
        *rows,
        ["measured on", f"1 {step.device}: {step.num_steps} steps{part}"],
        ["a batch", f"{step.step_s:.3f} s of computing, {step.wait_s:.3f} s of waiting for data before it"],
        ["the loader alone", _loader(measured)],
        ["bottleneck", _bottleneck(measured)],
        ["memory", f"{step.memory_gb:.2f} GB {peak}; {kept}"],
        ["an epoch", f"{_time(hours.epoch)} of training"],
        [
            "a validation",
            f"{_time(hours.validation)}{_norms(learning)}, {hours.num_validations} in the run"
            if hours.validation
            else "none",
        ],
        ["the whole run", f"{_time(hours.whole)} on {_on(devices, step.device)}; without the test at its end"],
    ]


def _validations(learning: Learning, trainer: Trainer) -> int:
    every, interval = trainer.check_val_every_n_epoch, trainer.val_check_interval
    epochs = math.ceil(learning.epochs)
    if isinstance(interval, float):
        return epochs // (every or 1) * round(1 / interval) + (epochs % (every or 1) > 0)  # the last one always is
    if every is None and isinstance(interval, int):
        return int(learning.epochs * learning.length.batches_per_epoch // interval)
    return epochs // (every or 1)


def _norms(learning: Learning) -> str:
    number = learning.norm_batches
    return f" with {number} training batch{'es' * (number > 1)} a device for the norms" if number else ""


def _on(devices: Devices, device: str) -> str:
    if devices.count == 1:
        return f"this {device}"
    return f"{devices.count} x {device}, each as fast as the one measured (linear scaling is assumed)"


def _loader(measured: Measured) -> str:
    cores = f" on {num_processors()} processor cores" if measured.num_workers > num_processors() else ""
    workers = f"{measured.num_workers} worker{'s' * (measured.num_workers != 1)}{cores}"
    if measured.loader_s is None:
        return f"not measured: an epoch has too few batches for {workers}"
    return f"{measured.loader_s:.3f} s a batch with {workers} while nothing trains"


def _bottleneck(measured: Measured) -> str:
    assert measured.step is not None
    waiting = 1 - measured.step.step_s / measured.batch_s
    if waiting <= _MOST_WAITING:
        return "computing"
    return f"the loader: {waiting:.0%} of the time is waiting; gcvideo benchmark data says what would help"


def _time(seconds: float) -> str:
    """``4.2 s``, ``12 min``, ``3.4 h``, ``2.1 days``."""
    for unit, length, most in (("s", 1, 120), ("min", 60, 120 * 60), ("h", 3600, 100 * 3600)):
        if seconds < most:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds / 86400:.3g} days"
