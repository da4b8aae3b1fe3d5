"""A run that is killed at any moment and continued is, bit for bit, the run that nothing happened to."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from gcvideo.tracking.metrics_log import read_metrics
from tests.commands.whole_runs import STEPS, WAYS, Job, Whole, equal


def _kill_at_random(job: Job, seed: int) -> None:
    """SIGKILL to all processes of a run at a moment between its first row and its last."""
    random_moment = random.Random(seed)
    rows, more_s = random_moment.randrange(1, 40), random_moment.random() * 0.3
    process = job.start()
    job.wait_for_rows(process, rows)
    time.sleep(more_s)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.sampled
@pytest.mark.parametrize("seed", range(20))
def test_killed_run_ends_as_the_whole_one(seed: int, whole: Whole, tmp_path: Path) -> None:
    _, expected = whole(*(way := WAYS[seed % len(WAYS)]))
    job = Job(tmp_path / "run", whole(*way)[0].options)
    _kill_at_random(job, seed)
    job.finish()
    checkpoint, rows = job.end()
    for name, value in expected[0].items():
        assert equal(checkpoint[name], value), name
    assert rows == expected[1]
    assert [row["step"] for row in rows if "train/loss" in row] == list(range(STEPS))


def test_run_goes_on_again_and_again_by_steps(fit: Callable[..., Path]) -> None:
    """Also from within an epoch of three steps."""
    steps = ["--trainer.max_epochs=-1", "--model.schedule.kind=constant", "--model.schedule.warmup=0"]
    whole = fit("whole", *steps, "--trainer.max_steps=8")
    part = fit("part", *steps, "--trainer.max_steps=2")
    for number in (4, 6, 8):
        fit("part", *steps, f"--trainer.max_steps={number}", "--ckpt_path=last")
        assert torch.load(part / "last.ckpt", weights_only=True)["global_step"] == number
    losses = [[row["train/loss"] for row in read_metrics(f) if "train/loss" in row] for f in (whole, part)]
    assert losses[0] == losses[1]


def test_run_goes_on_with_another_number_of_processes_in_the_same_order(
    fit: Callable[..., Path], caplog: pytest.LogCaptureFixture
) -> None:
    """As two processes would have left it: batches of half the size, two to a step; the norms are frozen."""
    still = [
        "--trainer.precision=32",
        "--model.backbone.norm=frozen",
        "--model.schedule.kind=constant",
        "--model.schedule.warmup=0",
    ]
    whole = fit("whole", *still)
    halves = ["--data.batch_size=2", "--trainer.accumulate_grad_batches=2", "--trainer.max_steps=2"]
    part = fit("part", *still, *halves)
    caplog.clear()
    fit("part", *still, "--ckpt_path=last", "--trainer.max_steps=6")
    assert "every step sees the same videos; sums, and norms by their batch, may differ" in caplog.text
    rows = {folder: [row for row in read_metrics(folder) if "train/loss" in row] for folder in (whole, part)}
    assert [row["step"] for row in rows[part]][-4:] == [2, 3, 4, 5]
    late = [[row["train/loss"] for row in rows[folder]][-4:] for folder in (whole, part)]
    assert late[0] == pytest.approx(late[1], rel=1e-3)
