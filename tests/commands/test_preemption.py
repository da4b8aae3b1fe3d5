"""A run that is told to stop saves, ends with 143, and goes on with the very next batch."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from gcvideo.tracking.metrics_log import read_metrics
from tests.commands.whole_runs import STEPS, Job, Whole, equal

TOLD = ("all", "first", "second")


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _is_rank(pid: int) -> bool:
    return b"gcvideo" in Path(f"/proc/{pid}/cmdline").read_bytes() and b"LOCAL_RANK" in _environment(pid)


def _environment(pid: int) -> bytes:
    return Path(f"/proc/{pid}/environ").read_bytes()


def _tell(process: subprocess.Popen[bytes], whom: str, number: signal.Signals) -> None:
    if whom == "all":
        os.killpg(process.pid, number)
    elif whom == "first":
        process.send_signal(number)
    else:
        (rank,) = [child for child in _children(process.pid) if _is_rank(child)]
        os.kill(rank, number)


def _stop_and_go_on(job: Job, whom: str, number: signal.Signals, seed: int) -> str:
    """Stops a run at a random moment of its training, and lets it end; gives what it said."""
    moment = random.Random(seed)
    process = job.start()
    job.wait_for_rows(process, moment.randrange(2, 20))
    time.sleep(moment.random() * 0.05)
    _tell(process, whom, number)
    told_at = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - told_at < 20  # 10 s, and the machine may be busy
    if process.returncode == 0:
        pytest.skip("the run was over before its ranks next talked to each other")
    assert process.returncode == 143, errors.decode()
    job.finish()
    return errors.decode()


@pytest.mark.sampled
@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("ranks", "whom"), [(1, "first"), (2, "all"), (2, "first"), (2, "second")])
def test_stopped_run_ends_as_the_whole_one(seed: int, ranks: int, whom: str, whole: Whole, tmp_path: Path) -> None:
    (like, expected), number = whole(0, ranks, "32"), signal.SIGUSR1 if seed % 2 else signal.SIGTERM
    job = Job(tmp_path / "run", [o for o in like.options if o != "--save_every_steps=1"])
    said = _stop_and_go_on(job, whom, number, seed)
    checkpoint, rows = job.end()
    for name, value in expected[0].items():
        assert equal(checkpoint[name], value), name
    assert rows == expected[1]
    (line,) = [line for line in said.splitlines() if "gcvideo: error" in line]
    assert f"{number.name} came in epoch" in line
    assert f"continue with: gcvideo fit --config {job.folder}/config.yaml" in line


@pytest.mark.long
def test_signal_during_a_validation_ends_it_and_it_is_done_anew(whole: Whole, tmp_path: Path) -> None:
    like, expected = whole(0, 1, "32")
    slow = "--data.short_side_px=2000"  # a validation of a second or two
    job = Job(tmp_path / "run", [*like.options, slow])
    process = job.start()
    job.wait_for_rows(process, 7)  # all steps of the first epoch
    time.sleep(0.5)
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143, errors.decode()
    job.finish()
    rows = read_metrics(job.folder)
    assert [row["step"] for row in rows if "train/loss" in row] == list(range(STEPS))
    assert len([row for row in rows if "val/top1" in row]) == 3
    assert [r["train/loss"] for r in rows if "train/loss" in r] == [
        r["train/loss"] for r in expected[1] if "train/loss" in r
    ]
