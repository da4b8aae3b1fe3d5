from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch._dynamo.utils import clear_compilation_metrics, counters, get_compilation_metrics

from gcvideo.tracking.metrics_log import read_metrics

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(1800),  # on two busy cores
    pytest.mark.filterwarnings("default"),  # torch.compile warns of itself, and takes errors for its own
    pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a processor"),
]


def _losses(folder: Path) -> list[float]:
    return [row["train/loss"] for row in read_metrics(folder) if "train/loss" in row]


def _assert_compiled_as_a_whole() -> None:
    """Each time all of the network: for steps, for validations, for another number of clips."""
    compiled = get_compilation_metrics()
    assert [frame.fail_reason for frame in compiled if frame.fail_type] == []
    assert {(Path(str(frame.co_filename)).name, frame.co_name) for frame in compiled} == {("network.py", "forward")}
    assert 2 <= len(compiled) <= 6
    assert counters["graph_break"] == {}


def test_compiled_network_learns_as_the_plain_one_and_is_saved_under_the_same_names(fit: Callable[..., Path]) -> None:
    """Also continued by a run that does not compile: a checkpoint does not tell."""
    options = ["--trainer.precision=32", "--model.dropout=0"]
    options += ["--model.schedule.kind=constant", "--model.schedule.warmup=0"]  # the same for any number of epochs
    plain = fit("plain", *options)
    torch._dynamo.reset()
    clear_compilation_metrics()
    counters.clear()
    compiled = fit("compiled", *options, "--model.compile=true", "--trainer.max_epochs=1")
    _assert_compiled_as_a_whole()
    assert _losses(compiled) == pytest.approx(_losses(plain)[:3], rel=1e-3)
    fit("compiled", *options, "--ckpt_path=last")
    assert _losses(compiled) == pytest.approx(_losses(plain), rel=0.03)  # Adam makes much of little
