from __future__ import annotations

import time

import pytest
import torch

from gcvideo.tracking.throughput import _IdleGpu


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_gpu_that_is_still_busy_has_not_waited() -> None:
    idle, work = _IdleGpu(), torch.randn(4096, 4096, device="cuda")
    idle.ends()
    time.sleep(0.2)
    idle.begins()
    torch.cuda.synchronize()
    assert idle.seconds() == pytest.approx(0.2, rel=0.2)
    for _ in range(200):
        work = work @ work / 4096
    idle.ends()
    idle.begins()
    assert idle.seconds() < 0.01
