"""The devices that a config asks for, and the one at hand that stands for them in a plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch.accelerators import MPSAccelerator

from gcvideo.errors import InputError

_GPUS = ("gpu", "cuda")
_IN_HALVES = {"16-mixed": "bf16-mixed", "16": "bf16-mixed", "16-true": "bf16-true"}  # a processor has no other


@dataclass(frozen=True)
class Devices:
    """What a run would use, and what its plan is measured on.

    Attributes:
        count: processes that train, over all nodes.
        at_hand: options of a trainer for one device that is here.
        notes: what is not as the config says.
    """

    count: int
    at_hand: dict[str, Any]
    notes: tuple[str, ...]


def planned_devices(options: Any) -> Devices:
    """The devices of a config.

    Args:
        options: ``trainer`` of the config; ``devices`` may be a number, a list, or ``auto``: what is here.
    """
    accelerator, precision, notes = options.accelerator, options.precision, []
    has_gpu = torch.cuda.is_available() or MPSAccelerator.is_available()
    if accelerator in _GPUS and not has_gpu:
        accelerator = "cpu"
        notes.append(f"the config wants trainer.accelerator={options.accelerator}, and here is none")
    if (accelerator == "cpu" or not has_gpu) and str(precision) in _IN_HALVES:
        precision = _IN_HALVES[str(precision)]
        notes.append(f"the config wants trainer.precision={options.precision}, which a processor has not: {precision}")
    if note := note_on_bf16(options):
        notes.append(note)
    here = max(1, torch.cuda.device_count()) if accelerator != "cpu" else 1
    count = count_devices(options.devices, here=here) * int(options.num_nodes)
    at_hand = {"accelerator": accelerator, "precision": precision, "devices": 1, "num_nodes": 1, "strategy": "auto"}
    return Devices(count, at_hand, tuple(notes))


def note_on_bf16(options: Any) -> str:
    """What there is to say of the precision on the GPU at hand; nothing where none is used.

    Args:
        options: ``trainer`` of the config.
    """
    if options.accelerator not in (*_GPUS, "auto") or not torch.cuda.is_available():
        return ""
    return slow_bf16(options.precision, has_bf16=torch.cuda.is_bf16_supported(including_emulation=False))


def slow_bf16(precision: Any, *, has_bf16: bool) -> str:
    """A line where a GPU has no bfloat16 of its own, as those before NVIDIA's Ampere: torch emulates it, slowly.

    Args:
        precision: ``trainer.precision`` of the config.
        has_bf16: whether the GPU computes bfloat16 without emulation.
    """
    if has_bf16 or not str(precision).startswith("bf16"):
        return ""
    return (
        f"this GPU has no bfloat16 of its own, and emulates it slowly (--trainer.precision={precision}); take "
        "--trainer.precision=16-mixed"
    )


def count_devices(devices: Any, *, here: int) -> int:
    """How many devices of each machine ``trainer.devices`` means: ``8``, ``"8"``, ``[0, 1]``, ``"0,1"``.

    Args:
        devices: as it stands in the config.
        here: what ``auto`` and -1 mean.

    Raises:
        InputError: if it means none.
    """
    if str(devices).strip() in ("auto", "-1"):
        return here
    if isinstance(devices, Sequence) and (not isinstance(devices, str) or "," in devices):
        parts = devices.split(",") if isinstance(devices, str) else devices
        count = len([part for part in parts if str(part).strip()])
    else:
        number = str(devices).strip()
        count = int(number) if number.isdecimal() else 0
    if count:
        return count
    raise InputError(
        f"--trainer.devices is {devices}; expected at least 1, auto, or the numbers of some such as 0,1", exit_code=2
    )
