from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch

from gcvideo.cli import run
from gcvideo.tracking import time_limit
from gcvideo.tracking.metrics_log import read_metrics
from gcvideo.tracking.time_limit import TimeLimit
from tests.commands.conftest import SMALL

Fit = Callable[..., Path]
_SECOND = "--max_time=00:00:00:01"


@pytest.fixture
def short_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second is over after the first step, however fast the machine is; other times are as they are."""
    seconds = time_limit._seconds
    monkeypatch.setattr(time_limit, "_seconds", lambda given: 0.0 if given == "00:00:00:01" else seconds(given))


def _last(folder: Path) -> dict[str, Any]:
    checkpoint: dict[str, Any] = torch.load(folder / "last.ckpt", weights_only=True)
    return checkpoint


def _losses(folder: Path) -> list[tuple[int, float]]:
    return [(row["step"], row["train/loss"]) for row in read_metrics(folder) if "train/loss" in row]


@pytest.mark.long
@pytest.mark.usefixtures("short_second")
def test_each_command_has_the_whole_time_and_goes_on_with_the_next_step(fit: Fit) -> None:
    options = ["--model.dropout=0.3", "--model.mixing.mixup=0.2"]
    whole = fit("whole", *options)
    cut = fit("cut", *options, _SECOND)
    for step in (1, 2, 3, 4, 5):
        assert _last(cut)["global_step"] == step
        fit("cut", *options, "--ckpt_path=last", _SECOND)
    assert _losses(cut) == _losses(whole)
    for name, value in _last(cut)["state_dict"].items():
        assert torch.equal(value, _last(whole)["state_dict"][name]), name


@pytest.mark.usefixtures("short_second")
def test_run_that_is_stopped_is_validated_and_says_how_to_continue(
    fit: Fit, capsys: pytest.CaptureFixture[str]
) -> None:
    """The folder config validates every fifth epoch, and tests at its end."""
    folder = fit("here", "--trainer.max_time=00:00:00:01", "--trainer.max_epochs=3", config="folder")
    printed = capsys.readouterr().out
    assert "val: 2 videos" in printed
    assert "the time is over (--max_time): stopped in epoch 1 of 3, after step 1; continue with:" in printed
    command = shlex.split(printed.strip().splitlines()[-1])
    rows = read_metrics(folder)
    assert [row["step"] for row in rows if "val/top1" in row] == [0]
    assert not any("test/top1" in row for row in rows)
    assert {"best.ckpt", "last.ckpt", "curves.png", "metrics.json"} <= {path.name for path in folder.iterdir()}
    assert run([*command[1:], "--trainer.logger=false", "--trainer.max_time=01:00:00:00"]) == 0
    assert _last(folder)["global_step"] == 9
    assert [row["step"] for row in read_metrics(folder) if "test/top1" in row] == [9]


@pytest.mark.long
@pytest.mark.usefixtures("short_second")
def test_only_whole_steps_are_done(fit: Fit) -> None:
    """Three batches an epoch, two of them a step."""
    options = ["--trainer.accumulate_grad_batches=2"]
    whole, cut = fit("whole", *options), fit("cut", *options, _SECOND)
    batches = _last(cut)["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]
    assert (_last(cut)["global_step"], batches["completed"]) == (1, 2)
    fit("cut", *options, "--ckpt_path=last")
    assert all(torch.equal(v, _last(cut)["state_dict"][name]) for name, v in _last(whole)["state_dict"].items())


@pytest.mark.usefixtures("short_second")
def test_run_that_was_done_in_time_says_nothing_of_it(fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    fit("last_step", _SECOND, "--trainer.max_steps=1")
    fit("in_time", "--max_time=00:01:00:00", "--trainer.max_epochs=1")
    assert "time is over" not in capsys.readouterr().out


@pytest.mark.long
def test_all_processes_stop_after_the_same_step(videos: Path, tmp_path: Path) -> None:
    command = ["fit", "--config", "demo", "--data.root", str(videos), *SMALL, "--trainer.devices=2", _SECOND]
    command += ["--trainer.strategy=ddp", "--data.batch_size=2", "--trainer.logger=false", "--run_dir=here"]
    subprocess.run([sys.executable, "-m", "gcvideo", *command], cwd=tmp_path, check=True, timeout=300)
    assert _last(tmp_path / "here")["global_step"] >= 1
    command += ["--trainer.max_epochs=2", "--max_time=00:01:00:00", "--ckpt_path=last"]
    subprocess.run([sys.executable, "-m", "gcvideo", *command], cwd=tmp_path, check=True, timeout=300)
    assert _last(tmp_path / "here")["global_step"] == 6


@pytest.mark.parametrize(
    ("max_time", "seconds"),
    [("00:00:01:30", 90), ("02:01:00:00", 49 * 3600), ({"hours": 2}, 7200), (timedelta(minutes=3), 180)],
)
def test_lengths_of_time(max_time: Any, seconds: int) -> None:
    assert TimeLimit(max_time).limit_s == seconds


@pytest.mark.parametrize("max_time", ["2h", "90", "00:00:00:00", "1:2:3:4", "", {"hour": 1}, {}])
def test_what_is_no_length_of_time_is_refused(max_time: Any) -> None:
    with pytest.raises(ValueError, match=r"max_time is .*; expected days, hours, minutes and seconds as DD:HH:MM:SS"):
        TimeLimit(max_time)
