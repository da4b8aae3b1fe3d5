from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from gcvideo.commands.running.devices import count_devices, planned_devices, slow_bf16
from gcvideo.errors import InputError


@pytest.mark.parametrize(
    ("devices", "number"), [(8, 8), ("8", 8), ([0, 2], 2), ("0,1,3", 3), ("1,", 1), ("auto", 5), (-1, 5), ("-1", 5)]
)
def test_devices_are_counted_as_lightning_counts_them(devices: Any, number: int) -> None:
    assert count_devices(devices, here=5) == number


@pytest.mark.parametrize("devices", [0, "0", [], ",", "-2", "two"])
def test_no_device_is_refused(devices: Any) -> None:
    with pytest.raises(InputError, match=r"--trainer.devices is .*; expected at least 1, auto, or the numbers of some"):
        count_devices(devices, here=5)


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true", "bf16"])
def test_gpu_that_emulates_bfloat16_is_told_of_float16(precision: str) -> None:
    line = slow_bf16(precision, has_bf16=False)
    assert f"(--trainer.precision={precision}); take --trainer.precision=16-mixed" in line
    assert slow_bf16(precision, has_bf16=True) == ""


@pytest.mark.parametrize("precision", ["16-mixed", "32-true", 32, "64-true", None])
def test_other_precisions_are_no_matter_of_bfloat16(precision: Any) -> None:
    assert slow_bf16(precision, has_bf16=False) == ""


@pytest.mark.parametrize(
    ("accelerator", "has_gpu", "has_bf16", "notes"),
    [("auto", True, False, 1), ("gpu", True, False, 1), ("auto", True, True, 0), ("cpu", True, False, 0)],
)
def test_plan_notes_a_gpu_that_emulates_bfloat16(
    monkeypatch: pytest.MonkeyPatch, accelerator: str, has_gpu: bool, has_bf16: bool, notes: int
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_gpu)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: has_bf16 or including_emulation)
    options = SimpleNamespace(accelerator=accelerator, precision="bf16-mixed", devices=1, num_nodes=1)
    found = planned_devices(options).notes
    assert len([note for note in found if "emulates it slowly" in note]) == notes
