"""torchrun with ranks that are a line of shell: which exit code it ends with, and what it says."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

from scripts.launch import agent


@pytest.mark.parametrize(
    ("rank_0", "rank_1", "code", "said"),
    [
        ("exit 0", "exit 0", 0, ""),
        ("exit 143", "exit 143", 143, "ended with exit code 143, and the job with it"),
        ("sleep 60", "exit 2", 2, r"rank 1 \(process \d+\) ended with exit code 2"),
        ("sleep 60", "sh -c 'kill -9 $PPID'", 137, r"rank 1 \(process \d+\) was ended by SIGKILL"),
    ],
)
def test_torchrun_ends_with_the_code_of_the_rank_that_failed(
    rank_0: str, rank_1: str, code: int, said: str, capfd: pytest.CaptureFixture[str]
) -> None:
    ranks = f'if [ "$RANK" = 0 ]; then {rank_0}; else {rank_1}; fi'
    two = ["--standalone", "--nproc-per-node", "2", "--max-restarts", "0", "--no-python"]
    assert agent.run([*two, "sh", "-c", ranks]) == code
    assert re.search(said, capfd.readouterr().err)


@pytest.mark.parametrize(("codes", "first"), [((1, -9), 1), ((-15, -9), 1), ((-15, 143), 1), ((2, -15), 0)])
def test_rank_that_failed_because_of_another_is_not_blamed(codes: tuple[int, int], first: int) -> None:
    """A rank ends with 1 where it loses another, and torchrun sends SIGTERM to those that are left."""
    failures = {rank: ProcessFailure(rank, 100 + rank, code, "no such file") for rank, code in enumerate(codes)}
    assert agent.first_to_fail(failures)[0] == first


def test_torchrun_that_is_told_to_end_says_so(tmp_path: Path) -> None:
    """Its ranks, too: they get the signal from it."""
    command = [sys.executable, agent.__file__, "--standalone", "--nproc-per-node", "1", "--no-python"]
    rank = "trap 'echo told >ended; exit 143' TERM; echo >begun; while :; do sleep 0.1; done"
    with subprocess.Popen([*command, "sh", "-c", rank], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        while not (tmp_path / "begun").exists():
            assert process.poll() is None
            time.sleep(0.05)
        time.sleep(1)  # torchrun must have noted that it has started the rank
        process.terminate()
        assert "torchrun: ended by SIGTERM, and the job with it" in process.communicate(timeout=60)[1]
    assert process.returncode == 143
    assert (tmp_path / "ended").read_text() == "told\n"
