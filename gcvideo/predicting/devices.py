"""The devices and the precision that a network predicts with: those of its training, as far as they are here."""

from __future__ import annotations

import logging
from typing import Any

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException

from gcvideo.errors import InputError

log = logging.getLogger(__name__)

_OF_A_PROCESSOR = {"16-mixed": "bf16-mixed", "16": "bf16-mixed"}  # it has no other half
_PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
_SHORT = {"32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed"}


def make_fabric(accelerator: str, devices: int | list[int], precision: str) -> Fabric:
    """One device in this process, or several in processes of their own.

    Args:
        accelerator: auto, cpu, gpu, cuda or mps.
        devices: how many, or the numbers of some.
        precision: 32-true, bf16-mixed or 16-mixed, see ``precision_here``.

    Raises:
        InputError: if there is no such device, or no such precision.
    """
    if not isinstance(devices, list) and devices < 1:
        raise InputError(f"devices is {devices}; expected at least 1", exit_code=2)
    precision = _SHORT.get(precision, precision)
    if precision not in _PRECISIONS:
        raise InputError(f"precision is {precision!r}; expected {', '.join(_PRECISIONS)}", exit_code=2)
    hush_lightning()
    is_single = devices == 1 or isinstance(devices, list)
    options: dict[str, Any] = {
        "strategy": "auto" if is_single else "ddp_spawn",
        "plugins": [] if is_single else [LightningEnvironment()],  # not SLURM's: the processes are started here
    }
    here = precision_here(precision, accelerator)
    try:
        return Fabric(accelerator=accelerator, devices=devices, precision=here, **options)  # type: ignore[arg-type]
    except (ValueError, MisconfigurationException, RuntimeError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise InputError(
            f"cannot predict on {accelerator}, {devices} devices, precision {precision}: {lines[0]}; "
            "gcvideo doctor tells what is at hand",
            exit_code=2,
        ) from error


def precision_here(precision: str, accelerator: str) -> str:
    """That of a training, or what comes next to it where a processor has no such half precision; then a line says so.

    Args:
        precision: in Lightning's words.
        accelerator: auto, cpu, gpu, cuda or mps.
    """
    instead = _OF_A_PROCESSOR.get(precision)
    if instead is None or not _is_processor(accelerator):
        return precision
    log.warning(f"the network was trained with {precision}, which processors do not have; here it is {instead}")
    return instead


def hush_lightning() -> None:
    """What it says of devices and processes is known."""
    for name in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)


def split_device(device: str) -> tuple[str, int | list[int]]:
    """``cuda:1`` is accelerator cuda, device [1].

    Raises:
        InputError: if it is none of auto, cpu, cuda, cuda:N and mps.
    """
    kind, colon, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (colon and not (kind == "cuda" and number.isdecimal())):
        raise InputError(f"device is {device!r}; expected auto, cpu, cuda, cuda:1 or mps", exit_code=2)
    return kind, [int(number)] if colon else 1


def _is_processor(accelerator: str) -> bool:
    return accelerator == "cpu" or (
        accelerator == "auto" and not torch.cuda.is_available() and not torch.backends.mps.is_available()
    )
