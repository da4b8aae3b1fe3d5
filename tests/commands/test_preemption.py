"""A run that is told to stop saves, ends with 143, and goes on with the very next batch."""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from gcvideo.tracking.checkpoint_io import is_whole
from tests.commands.small import SMALL
from tests.commands.whole_runs import RECIPE, Job, Whole, equal
from tests.conftest import write_class_folders
from tests.training.rank_runs import TORCHRUN, descendants, has_stopped, until

# Two rows a step, two a validation, seven steps an epoch: after so many rows the next checkpoint is that of ...
AFTER_ROWS = {"first step": 1, "within": 20, "end of epoch": 14, "end of run": 46}
WHOM = [(1, "first"), (2, "all"), (2, "first"), (2, "second"), (2, "torchrun")]


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_rank(pid: int) -> bool:
    return b"gcvideo" in Path(f"/proc/{pid}/cmdline").read_bytes() and b"LOCAL_RANK" in _environment(pid)


def _environment(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes()
    except (FileNotFoundError, ProcessLookupError):  # it has ended
        return b""


def _first_rank(process: subprocess.Popen[bytes]) -> int:
    """It starts the others, or torchrun starts it."""
    ranks = [child for child in descendants(process.pid) if b"LOCAL_RANK=0" in _environment(child).split(b"\0")]
    return ranks[0] if ranks else process.pid


def _tell(process: subprocess.Popen[bytes], whom: str, number: signal.Signals) -> None:
    if whom == "all":
        os.killpg(process.pid, number)
    elif whom in ("first", "torchrun"):
        process.send_signal(number)
    else:
        (rank,) = [child for child in _children(process.pid) if _is_rank(child)]
        os.kill(rank, number)


def _end(process: subprocess.Popen[bytes]) -> str:
    """Waits for the end of a run that was told to stop; gives what it said."""
    told_at = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - told_at < 20  # 10 s, and the machine may be busy
    assert process.returncode == 143, errors.decode()
    return errors.decode()


def _assert_ends_as(expected: Any, job: Job) -> None:
    """A run that is gone on with is the whole one, bit for bit."""
    job.finish()
    checkpoint, rows = job.end()
    for name, value in expected[0].items():
        assert equal(checkpoint[name], value), name
    assert rows == expected[1]


@pytest.mark.sampled
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("ranks", "whom"), WHOM)
def test_stopped_run_ends_as_the_whole_one(seed: int, ranks: int, whom: str, whole: Whole, tmp_path: Path) -> None:
    """At a random moment of its training."""
    workers, number = (0, 2)[seed // 2 % 2], signal.SIGUSR1 if seed % 2 else signal.SIGTERM
    like, expected = whole(workers, ranks, "32")
    job = Job(tmp_path / "run", [o for o in like.options if o != "--save_every_steps=1"])
    moment = random.Random(seed)
    process = job.start(by=TORCHRUN if whom == "torchrun" else None)
    job.wait_for_rows(process, moment.randrange(2, 20))
    time.sleep(moment.random() * 0.05)
    _tell(process, whom, number)
    said = _end(process)
    _assert_ends_as(expected, job)
    (line,) = [line for line in said.splitlines() if "gcvideo: error" in line]
    assert f"{number.name} came in epoch" in line
    again = "start the same job again with" if whom == "torchrun" else "continue with: gcvideo fit --config"
    assert re.search(rf"\((saved|last\.ckpt is of step \d+)\); {again}", line), line
    assert f"--run_dir {job.folder} --ckpt_path last" in line


@contextmanager
def _held_in_a_save(process: subprocess.Popen[bytes], first: int, folder: Path) -> Iterator[None]:
    """Stops the first rank, which writes, before the new ``last.ckpt`` takes its place; lets it go afterwards."""
    while process.poll() is None:
        if _is_saving(folder):
            os.kill(first, signal.SIGSTOP)
            until(lambda: has_stopped(first), process)
            if _is_saving(folder):
                break
            os.kill(first, signal.SIGCONT)
        time.sleep(0.0005)
    assert process.poll() is None, f"ended before it was seen to save: {process.communicate()[1].decode()}"
    try:
        yield
    finally:
        os.kill(first, signal.SIGCONT)


def _is_saving(folder: Path) -> bool:
    return any(folder.glob(".last.ckpt.*.tmp"))


@pytest.mark.sampled
@pytest.mark.parametrize("after_rows", AFTER_ROWS.values(), ids=AFTER_ROWS)
@pytest.mark.parametrize(("ranks", "whom"), WHOM)
def test_run_that_is_stopped_while_it_saves_ends_as_the_whole_one(
    after_rows: int, ranks: int, whom: str, whole: Whole, tmp_path: Path
) -> None:
    """It finishes the checkpoint; what it leaves is whole, and is what it says it is."""
    number = signal.SIGUSR1 if after_rows // 2 % 2 else signal.SIGTERM
    like, expected = whole(0, ranks, "32")
    job = Job(tmp_path / "run", like.options)
    process = job.start(by=TORCHRUN if whom == "torchrun" else None)
    job.wait_for_rows(process, after_rows)
    with _held_in_a_save(process, _first_rank(process), job.folder):
        _tell(process, whom, number)
    said = _end(process)
    assert is_whole(job.folder / "last.ckpt")
    (named,) = re.findall(rf"{number.name} came in epoch \d+, after step (\d+) \(saved\)", said)
    assert torch.load(job.folder / "last.ckpt", weights_only=True)["global_step"] == int(named)
    assert not _is_saving(job.folder)
    _assert_ends_as(expected, job)


@pytest.mark.long
def test_signal_during_a_validation_ends_it_and_it_is_done_anew(tmp_path: Path) -> None:
    """Eight steps an epoch, and a validation of four batches that take half a second each."""
    videos = write_class_folders(tmp_path, {"train/jump": 8, "train/run": 8, "val/jump": 4, "val/run": 4})
    often = "--save_every_steps=1"
    options = [*SMALL, *RECIPE, "--data.root", str(videos), "--data.holdout=0", "--data.short_side_px=2000"]
    whole, job = Job(tmp_path / "whole", options), Job(tmp_path / "cut", [o for o in options if o != often])
    whole.finish()
    process = job.start()
    job.wait_for_rows(process, 8)  # all steps of the first epoch
    time.sleep(0.5)
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143, errors.decode()
    assert "came in epoch 1, after step 8 (last.ckpt is of step 1); continue with: " in errors.decode()
    job.finish()
    assert equal(list(whole.end()), list(job.end()))
