"""A run that is killed at any moment and continued is, bit for bit, the run that nothing happened to."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning import Trainer

from gcvideo.tracking.last_checkpoint import LastCheckpoint
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


@pytest.mark.long
def test_two_processes_go_on_as_one_with_the_same_videos_a_step(whole: Whole, tmp_path: Path) -> None:
    """Norms are frozen, and nothing is drawn by chance: sums alone differ."""
    still = [
        "--model.backbone.norm=frozen",
        "--model.dropout=0",
        "--model.mixing.mixup=0",
        "--model.ema=0",
        "--model.precise_bn=0",
    ]
    like, _ = whole(0, 2, "32")
    alone, _ = whole(0, 1, "32")
    one, two = Job(tmp_path / "one", [*alone.options, *still]), Job(tmp_path / "run", [*like.options, *still])
    one.finish()
    process = two.start()
    two.wait_for_rows(process, 9)
    os.killpg(process.pid, signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143, errors.decode()
    Job(two.folder, one.options).finish()
    losses = [[row["train/loss"] for row in read_metrics(job.folder) if "train/loss" in row] for job in (one, two)]
    assert len(losses[1]) == STEPS
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


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


def test_run_that_was_killed_before_its_first_checkpoint_begins_anew(fit: Callable[..., Path], tmp_path: Path) -> None:
    """The row of the first step is all that it can have left."""
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "metrics.jsonl").write_text('{"step": 0, "train/loss": 7.0}\n')
    folder = fit("here", "--trainer.max_epochs=1")
    assert [row["step"] for row in read_metrics(folder) if "train/loss" in row] == [0, 1, 2]


def test_first_step_is_saved(fit: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []

    def save(own: LastCheckpoint, trainer: Trainer) -> None:
        saved.append(trainer.global_step)
        own._note_saved(trainer)

    monkeypatch.setattr(LastCheckpoint, "_save_within_epoch", save)
    fit("here")
    assert saved == [1]


def test_refused_continuation_leaves_the_run_as_it_was(fit: Callable[..., Path]) -> None:
    folder = fit("here", "--trainer.max_steps=4")
    before = {name: (folder / name).read_bytes() for name in ("config.yaml", "metrics.jsonl", "last.ckpt")}
    fit("here", "--ckpt_path=last", "--model.backbone.width=16", code=1)
    assert {name: (folder / name).read_bytes() for name in before} == before


def test_other_seed_and_other_videos_are_told(
    fit: Callable[..., Path], videos: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fit("here", "--trainer.max_epochs=1")
    next((videos / "train" / "run").glob("*.mp4")).unlink()
    caplog.clear()
    fit("here", "--ckpt_path=last", "--seed_everything=5")
    assert "the run began with seed 0 and goes on with 5: videos of this epoch may come twice" in caplog.text
    assert re.search(
        r"the run began with \d+ training videos and goes on with \d+: of this epoch some may", caplog.text
    )


def test_learning_rate_ends_at_zero_where_steps_become_larger_or_smaller(fit: Callable[..., Path]) -> None:
    """14 videos: an epoch of seven steps, then epochs of three, and the other way round."""
    for name, first, then in (("larger", 2, 4), ("smaller", 4, 2)):
        fit(name, f"--data.batch_size={first}", "--trainer.max_epochs=1", "--model.schedule.warmup=0")
        folder = fit(name, f"--data.batch_size={then}", "--trainer.max_epochs=3", "--model.schedule.warmup=0",
                     "--ckpt_path=last")  # fmt: skip
        done = {2: 7, 4: 3}[first]
        rates = [row["lr-AdamW/pg1"] for row in read_metrics(folder) if "lr-AdamW/pg1" in row and row["step"] > done]
        assert rates == sorted(rates, reverse=True)
        full = read_metrics(folder)[0]["lr-AdamW/pg1"]
        assert 0.4 * full < rates[0] < 0.8 * full, "a third of the run and a step are done"
        assert rates[-1] < 0.1 * full


@pytest.mark.parametrize("workers", [0, 2])
def test_run_goes_on_again_and_again_by_steps(fit: Callable[..., Path], workers: int) -> None:
    """Also from within an epoch of three steps, the first and later ones; processes read ahead."""
    steps = ["--trainer.max_epochs=-1", "--model.schedule.kind=constant", "--model.schedule.warmup=0"]
    steps.append(f"--data.num_workers={workers}")
    whole = fit("whole", *steps, "--trainer.max_steps=8")
    part = fit("part", *steps, "--trainer.max_steps=2")
    for number in (4, 6, 8):
        fit("part", *steps, f"--trainer.max_steps={number}", "--ckpt_path=last")
        assert torch.load(part / "last.ckpt", weights_only=True)["global_step"] == number
    losses = [[row["train/loss"] for row in read_metrics(f) if "train/loss" in row] for f in (whole, part)]
    assert losses[0] == losses[1]


def test_run_goes_on_after_a_whole_epoch_though_processes_read_ahead(
    fit: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a kill leaves it: ``last.ckpt`` is of the end of the first epoch of two."""
    two = ["--data.num_workers=2"]
    whole = fit("whole", *two)
    save, kept = LastCheckpoint.on_train_epoch_end, list[str]()

    def copying(self: LastCheckpoint, trainer: Trainer, module: Any) -> None:
        save(self, trainer, module)
        kept.append(str(shutil.copy(Path(str(self.dirpath)) / "last.ckpt", f"epoch{len(kept)}.ckpt")))

    monkeypatch.setattr(LastCheckpoint, "on_train_epoch_end", copying)
    part = fit("part", *two)
    shutil.copy(kept[0], part / "last.ckpt")
    fit("part", *two, "--ckpt_path=last")
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
