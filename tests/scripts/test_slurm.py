"""The shipped sbatch script on a real SLURM of two nodes; where there is none these tests are left out."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gcvideo.tracking.metrics_log import read_metrics
from tests.commands.small import SMALL
from tests.commands.whole_runs import RECIPE, Job, equal
from tests.conftest import write_class_folders
from tests.scripts.slurm_cluster import Cluster, slurm_of_two_nodes, wait_until, why_no_slurm

pytestmark = [pytest.mark.long, pytest.mark.skipif(bool(why_no_slurm()), reason=why_no_slurm() or "there is SLURM")]

SBATCH = Path(__file__).parents[2] / "scripts" / "launch" / "slurm.sbatch"
LIMIT_S = 120
RUNNING = "RUNNING"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with slurm_of_two_nodes(tmp_path_factory.mktemp("slurm")) as started:
        yield started


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    counts = {"train/jump": 8, "train/run": 8, "val/jump": 1, "val/run": 1}
    root = write_class_folders(tmp_path_factory.mktemp("data"), counts)
    often = "--save_every_steps=1"
    return [
        "--config=demo",
        *SMALL,
        *(o for o in RECIPE if o != often),
        "--data.batch_size=1",
        "--data.root",
        str(root),
    ]


class Submitted(Job):
    """A run that SLURM starts, on two nodes with a rank each."""

    def submit(self, cluster: Cluster) -> str:
        """Gives the job's id."""
        size = ["--nodes=2", "--ntasks-per-node=1", "--cpus-per-task=1", "--gpus-per-node=0"]
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"  # of the command `gcvideo`
        variables = {"RUN_DIR": str(self.folder), "GLOO_SOCKET_IFNAME": "lo", "PATH": path}
        log = f"--output={self.folder.with_suffix('.out')}"
        return cluster.call("sbatch", "--parsable", *size, log, str(SBATCH), *self.options, **variables)

    def said(self) -> str:
        """All that came from script and ranks."""
        return self.folder.with_suffix(".out").read_text()

    def wait_for(self, rows: int) -> None:
        """Until so many rows are in the record."""
        wait_until(lambda: len(read_metrics(self.folder)) >= rows, LIMIT_S)


def _wait_for_end(cluster: Cluster, job: str) -> str:
    def is_over() -> bool:
        return cluster.about(job)["JobState"] not in ("PENDING", RUNNING, "COMPLETING", "CONFIGURING")

    wait_until(is_over, LIMIT_S)
    return cluster.about(job)["JobState"]


def test_warned_job_is_requeued_and_ends_as_the_whole_one(cluster: Cluster, options: list[str], tmp_path: Path) -> None:
    whole, cut = Submitted(tmp_path / "whole", options), Submitted(tmp_path / "cut", options)
    assert _wait_for_end(cluster, whole.submit(cluster)) == "COMPLETED", whole.said()
    job = cut.submit(cluster)
    cut.wait_for(rows=5)
    cluster.call("scancel", "--signal=USR1", job)
    wait_until(lambda: cluster.about(job)["Restarts"] == "1", LIMIT_S)
    assert f"job {job} is back in the queue and will continue by itself" in cut.said()
    wait_until(lambda: cluster.about(job)["JobState"] == "PENDING", LIMIT_S)
    time.sleep(3)
    cluster.call("scontrol", "update", f"JobId={job}", "StartTime=now")  # SLURM would wait for two minutes
    assert _wait_for_end(cluster, job) == "COMPLETED", cut.said()
    assert equal(list(cut.end()), list(whole.end()))


def test_cancelled_job_saves_and_stays_cancelled(cluster: Cluster, options: list[str], tmp_path: Path) -> None:
    run = Submitted(tmp_path / "run", options)
    job = run.submit(cluster)
    run.wait_for(rows=5)
    cluster.call("scancel", job)
    assert _wait_for_end(cluster, job) == "CANCELLED"
    wait_until(lambda: "SIGTERM came in epoch" in run.said(), 30)
    assert "start the same job again with --run_dir" in run.said()
    assert (run.folder / "last.ckpt").is_file()
    assert cluster.about(job)["Restarts"] == "0"


def test_killed_rank_ends_the_job_within_a_minute(cluster: Cluster, options: list[str], tmp_path: Path) -> None:
    run = Submitted(tmp_path / "run", options)
    job = run.submit(cluster)
    run.wait_for(rows=5)
    os.kill(_process_of_rank(1, run.folder), signal.SIGKILL)
    assert _wait_for_end(cluster, job) == "FAILED"
    assert "another rank is gone" in run.said() or "Killed" in run.said()


def _process_of_rank(rank: int, folder: Path) -> int:
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().split(b"\0")
            variables = (process / "environ").read_bytes().split(b"\0")
        except OSError:
            continue
        is_it = str(folder).encode() in words and f"SLURM_PROCID={rank}".encode() in variables
        if is_it and b"python" in words[0]:
            return int(process.name)
    raise AssertionError(f"no process of rank {rank}")
