"""A run that is killed at any moment and continued is, bit for bit, the run that nothing happened to."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gcvideo.tracking.metrics_log import read_metrics
from tests.commands.whole_runs import STEPS, WAYS, Job, Whole, equal
from tests.training.rank_runs import descendants


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


@pytest.mark.long
def test_killed_loader_process_is_named_and_the_run_goes_on_exactly(whole: Whole, tmp_path: Path) -> None:
    like, expected = whole(2, 1, "32")
    job = Job(tmp_path / "run", like.options)
    process = job.start()
    job.wait_for_rows(process, 9)
    worker = descendants(process.pid)[0]  # it has started no other processes
    os.kill(worker, signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    said = errors.decode()
    assert (process.returncode, "Traceback" in said) == (1, False), said
    (line,) = [line for line in said.splitlines() if "gcvideo: error" in line]
    assert "a loader process ended: DataLoader worker (pid" in line
    assert str(worker) in line
    assert line.endswith(f"--run_dir {job.folder} --ckpt_path last")
    job.finish()
    assert equal(list(job.end()), list(expected))


def _history(folder: Path) -> list[dict[str, Any]]:
    """The rows in W&B's files of a run, in the order in which they were begun."""
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json"]
    texts = [
        subprocess.run([*command, str(path)], capture_output=True, text=True, check=True).stdout
        for path in sorted((folder / "wandb").glob("offline-run-*"))
    ]
    records = [json.loads(line) for text in texts for line in text.splitlines()]
    return [record["history"]["item"] for record in records if record["type"] == "history"]


@pytest.mark.long
def test_three_kills_leave_one_wandb_run_with_every_step(whole: Whole, tmp_path: Path) -> None:
    """W&B's files lack what they had not written when they were killed; the rows come from metrics.jsonl."""
    like, expected = whole(0, 1, "32")
    job = Job(tmp_path / "run", [option for option in like.options if option != "--trainer.logger=false"])
    for rows in (6, 13, 20):
        process = job.start(*(["--ckpt_path=last"] if (job.folder / "last.ckpt").exists() else []))
        job.wait_for_rows(process, rows)
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    job.finish()
    assert job.end()[1] == expected[1]
    started = list((job.folder / "wandb").glob("offline-run-*"))
    assert (len(started), len({path.name.rpartition("-")[2] for path in started})) == (4, 1)
    losses: dict[int, set[float]] = {}
    for row in _history(job.folder):
        if "train/loss" in row:
            losses.setdefault(int(row["trainer/global_step"]), set()).add(row["train/loss"])
    assert losses == {row["step"]: {row["train/loss"]} for row in expected[1] if "train/loss" in row}


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
