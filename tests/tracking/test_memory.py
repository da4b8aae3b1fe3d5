from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from gcvideo.tracking.memory import (
    forget_peak,
    free_bytes,
    memory_gb,
    num_processors,
    peak_resident_bytes,
    resident_bytes,
)

_MIB = 2**20


def test_what_is_allocated_is_seen_while_it_is_held_and_its_peak_until_it_is_forgotten() -> None:
    before = resident_bytes()
    array = np.ones(256 * _MIB, np.uint8)
    held = resident_bytes() - before
    assert 200 * _MIB < held < 400 * _MIB
    assert memory_gb(torch.device("cpu")) > held / 1e9
    del array
    assert resident_bytes() < before + 100 * _MIB
    assert peak_resident_bytes() > before + 200 * _MIB
    if sys.platform == "linux":
        forget_peak()
        assert peak_resident_bytes() < before + 100 * _MIB


@pytest.mark.skipif(not Path("/proc/meminfo").is_file(), reason="the system does not tell")
def test_free_memory_is_less_than_there_is() -> None:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    free = free_bytes()
    assert free is not None
    assert 0 < free < total


def test_processors_are_those_that_this_process_may_use() -> None:
    assert 1 <= num_processors() <= (os.cpu_count() or 1)
