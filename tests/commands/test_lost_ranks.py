"""Real processes, gloo: when one of several ranks is lost, all end, and it is said why."""

from __future__ import annotations

import os
import re
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gcvideo.data.checks import check_training
from gcvideo.errors import InputError
from tests.conftest import video_record
from tests.training.batch_record import read_batches
from tests.training.exact_runs import ENDLESS, exact_options, logged, write_videos
from tests.training.rank_runs import (
    TORCHRUN,
    descendants,
    fit_command,
    run_to_the_end,
    running,
    seconds_until_gone,
    until,
)


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_videos(tmp_path_factory.mktemp("videos"), {"train": 8, "val": 2})


@dataclass(frozen=True)
class Ended:
    """A run that has lost a process.

    Attributes:
        ranks: their processes.
        told: the process that got the signal.
        exit_code: of the command.
        left: processes that it had started and that had not ended some time later.
        said: all that came to the terminal.
    """

    ranks: list[int]
    told: int
    exit_code: int
    left: set[int]
    said: str


def _lose(
    victim: int,
    number: signal.Signals,
    command: list[str],
    folder: Path,
    within_s: float = 60,
    *,
    only_its_loader: bool = False,
) -> Ended:
    """Sends a signal to a rank of two that have saved an epoch, or to its loader process, and waits for the end."""
    with running([*command, *ENDLESS], folder / "log", GPUS="2") as process:
        until(lambda: (folder / "run" / "last.ckpt").exists() and len(logged(folder, "train/loss")) > 4, process)
        ranks = [read_batches(folder / "batches", rank)[0]["process"] for rank in range(2)]
        others = descendants(process.pid)
        assert len(others) >= 3, "a rank, and a loader process of each"
        told = descendants(ranks[victim])[0] if only_its_loader else ranks[victim]
        os.kill(told, number)
        exit_code = process.wait(within_s)
        left = set(others) - set(seconds_until_gone(others, 30))
        return Ended(ranks, told, exit_code, left, (folder / "log").read_text())


def _by_lightning(manifest: Path, folder: Path, *options: str) -> list[str]:
    return fit_command(*exact_options(manifest, folder, batch_size=2), "--trainer.devices=2", *options)


def test_killed_rank_ends_all_within_a_minute_and_the_reason_is_said(manifest: Path, tmp_path: Path) -> None:
    end = _lose(1, signal.SIGKILL, _by_lightning(manifest, tmp_path), tmp_path)
    assert (end.exit_code, end.left) == (1, set())
    (line,) = [line for line in end.said.splitlines() if "error" in line]
    assert line.startswith(f"gcvideo: error: rank 1 (process {end.ranks[1]}) was ended by SIGKILL")
    assert line.endswith(f"continue with: gcvideo fit --config {tmp_path}/run/config.yaml --run_dir {tmp_path}/run "
                         "--ckpt_path last")  # fmt: skip
    assert "Traceback" not in end.said


@pytest.mark.long
def test_killed_rank_ends_all_under_torchrun(manifest: Path, tmp_path: Path) -> None:
    command = [str(TORCHRUN), *exact_options(manifest, tmp_path, batch_size=2)]
    end = _lose(1, signal.SIGKILL, command, tmp_path)
    assert (end.exit_code, end.left) == (128 + signal.SIGKILL, set())
    assert f"torchrun: rank 1 (process {end.ranks[1]}) was ended by SIGKILL, and the job with it" in end.said
    assert "Traceback" not in end.said


@pytest.mark.long
@pytest.mark.parametrize("by", ["lightning", "torchrun"])
def test_killed_loader_process_of_the_second_rank_is_named_and_ends_all(
    by: str, manifest: Path, tmp_path: Path
) -> None:
    if by == "lightning":
        command = _by_lightning(manifest, tmp_path)
    else:
        command = [str(TORCHRUN), *exact_options(manifest, tmp_path, batch_size=2)]
    end = _lose(1, signal.SIGKILL, command, tmp_path, only_its_loader=True)
    assert (end.exit_code, end.left) == (1, set())
    (line,) = [line for line in end.said.splitlines() if "a loader process ended" in line]
    assert re.match(rf"gcvideo: error on rank 1: .* DataLoader worker \(pid\S* {end.told}\)", line), line
    assert line.endswith(f"--run_dir {tmp_path}/run --ckpt_path last")
    assert "Traceback" not in end.said


@pytest.mark.long
def test_preempted_job_ends_with_143_under_torchrun(manifest: Path, tmp_path: Path) -> None:
    """Where one rank is told to end, all save and do; torchrun itself would end with 1."""
    command = [str(TORCHRUN), *exact_options(manifest, tmp_path, batch_size=2)]
    end = _lose(1, signal.SIGTERM, command, tmp_path)
    assert (end.exit_code, end.left) == (128 + signal.SIGTERM, set())
    assert f"(saved); start the same job again with --run_dir {tmp_path}/run --ckpt_path last" in end.said


@pytest.mark.long
def test_ranks_end_with_the_one_that_started_them(manifest: Path, tmp_path: Path) -> None:
    end = _lose(0, signal.SIGKILL, _by_lightning(manifest, tmp_path), tmp_path)
    assert (end.exit_code, end.left) == (-signal.SIGKILL, set())
    assert "gcvideo: error on rank 1: another rank is gone" in end.said


@pytest.mark.long
def test_rank_that_hangs_is_waited_for_no_longer_than_said(manifest: Path, tmp_path: Path) -> None:
    patience = ["--trainer.strategy=DDPStrategy", "--trainer.strategy.timeout=0:00:40"]
    end = _lose(1, signal.SIGSTOP, _by_lightning(manifest, tmp_path, *patience), tmp_path, within_s=100)
    assert (end.exit_code, end.left) == (1, set())
    assert "gcvideo: error: another rank did not come within the time" in end.said


_HUNG = """
import os, subprocess, sys, threading
from types import SimpleNamespace
if sys.argv[1] == "first":
    os.environ["GCVIDEO_LAUNCHER"] = str(os.getpid())
    subprocess.Popen([sys.executable, __file__, "second"]).wait()
from gcvideo.commands.running.ranks import together
trainer = SimpleNamespace(world_size=2, global_rank=1, interrupted=False, strategy=SimpleNamespace(launcher=None))
with together(trainer, None):
    print("waiting", flush=True)
    threading.Event().wait()
"""


@pytest.mark.long
def test_rank_that_would_wait_for_ever_ends_when_the_first_is_gone(tmp_path: Path) -> None:
    """As in an exchange between GPUs, which does not notice."""
    (tmp_path / "hung.py").write_text(_HUNG)
    with running([sys.executable, str(tmp_path / "hung.py"), "first"], tmp_path / "log") as process:
        until(lambda: "waiting" in (tmp_path / "log").read_text(), process)
        children = descendants(process.pid)
        assert len(children) == 1
        process.kill()
        assert set(seconds_until_gone(children, 40)) == set(children)
    assert f"rank 1 ends: process {process.pid}, which started it, is gone" in (tmp_path / "log").read_text()


def test_fewer_training_videos_than_ranks_are_refused() -> None:
    trainer: Any = SimpleNamespace(world_size=4)
    with pytest.raises(
        InputError, match=r"3 training videos do not fill one batch of 1 on 4 device\(s\); take at most 3"
    ):
        check_training(("a", "b"), [video_record("a.mp4")] * 3, 0, 1, trainer)


@pytest.mark.long
def test_fewer_training_videos_than_ranks_end_all_ranks(tmp_path: Path) -> None:
    manifest = write_videos(tmp_path, {"train": 1, "val": 1})
    command = fit_command(*exact_options(manifest, tmp_path, batch_size=1), "--trainer.devices=2")
    assert run_to_the_end(command, tmp_path / "log") == 1
    said = (tmp_path / "log").read_text()
    assert "1 training videos do not fill one batch of 1 on 2 device(s); take at most 1 of them" in said
    assert "Traceback" not in said
