"""Real processes, gloo: several ranks train what one does, on one machine or two."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import pytest

from gcvideo.cli import run
from tests.training.exact_runs import (
    MEANT_FOR,
    NUM_EPOCHS,
    NUM_STEPS,
    NUM_VIDEOS,
    RATE,
    SHORT,
    assert_same_losses,
    exact_options,
    global_batches,
    logged,
    write_videos,
)
from tests.training.rank_runs import TORCHRUN, fit_command, run_to_the_end, running


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With one video to choose by, which the second of two ranks does not have."""
    return write_videos(tmp_path_factory.mktemp("videos"), {"train": NUM_VIDEOS, "val": 1})


@pytest.fixture(scope="module")
def alone(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One process, batches of four."""
    folder = tmp_path_factory.mktemp("alone")
    assert run(["fit", *exact_options(manifest, folder, batch_size=4), *SHORT]) == 0
    return folder


@pytest.fixture(scope="module")
def two(manifest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two processes, batches of two on each, started by our script."""
    folder = tmp_path_factory.mktemp("two")
    command = [str(TORCHRUN), *exact_options(manifest, folder, batch_size=2), *SHORT]
    assert run_to_the_end(command, folder / "log", GPUS="2") == 0
    return folder


def test_two_ranks_have_the_losses_of_one(alone: Path, two: Path) -> None:
    assert_same_losses(two, alone)


def test_two_ranks_train_on_the_same_videos_in_each_step(alone: Path, two: Path) -> None:
    expected = global_batches(alone, 1)
    assert len(expected) == NUM_STEPS
    assert global_batches(two, 2) == expected
    for epoch in range(NUM_EPOCHS):
        seen = list(chain.from_iterable(videos for number, videos in expected if number == epoch))
        assert len(seen) == len(set(seen)) == NUM_VIDEOS - 1


def test_rate_is_that_of_the_global_batch(alone: Path, two: Path) -> None:
    rates = [logged(folder, "lr-SGD/pg1") for folder in (alone, two)]
    assert rates[0] == rates[1] == [pytest.approx(RATE * 4 / MEANT_FOR)] * NUM_STEPS


def test_one_validation_video_on_two_ranks_is_scored_once(alone: Path, two: Path) -> None:
    numbers = [json.loads((folder / "run" / "metrics.json").read_text())["val"] for folder in (alone, two)]
    assert [number["videos"] for number in numbers] == [1, 1]
    assert logged(two, "val/loss") == pytest.approx(logged(alone, "val/loss"), rel=1e-4)


@pytest.mark.long
def test_four_ranks_of_lightning_have_the_losses_of_one(manifest: Path, alone: Path, tmp_path: Path) -> None:
    """And end where there is nothing to validate."""
    command = fit_command(*exact_options(manifest, tmp_path, batch_size=1), *SHORT, "--trainer.devices=4")
    assert run_to_the_end([*command, "--trainer.limit_val_batches=0"], tmp_path / "log") == 0
    assert_same_losses(tmp_path, alone)
    assert global_batches(tmp_path, 4) == global_batches(alone, 1)
    assert "no validation was run" in (tmp_path / "log").read_text()


# Starts two tasks as srun does; SLURM itself is not here.
_SRUN = """#!/usr/bin/env bash
shift
export SLURM_NTASKS=2 SLURM_NODEID=0
for task in 0 1; do SLURM_PROCID=$task SLURM_LOCALID=$task "$@" & tasks+=($!); done
for task in "${tasks[@]}"; do wait "$task" || exit $?; done
"""


@pytest.mark.long
def test_two_tasks_of_slurm_have_the_losses_of_one_process(manifest: Path, alone: Path, tmp_path: Path) -> None:
    for name, text in {"srun": _SRUN, "scontrol": "#!/bin/sh\necho 127.0.0.1\n"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "here", "SLURM_NNODES": "1", "SLURM_NTASKS_PER_NODE": "2"}
    path = f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = [str(TORCHRUN.with_name("slurm.sbatch")), *exact_options(manifest, tmp_path, batch_size=2), *SHORT]
    assert run_to_the_end(command, tmp_path / "log", PATH=path, RUN_DIR=str(tmp_path / "run"), **job) == 0
    assert_same_losses(tmp_path, alone)
    assert global_batches(tmp_path, 2) == global_batches(alone, 1)


@pytest.fixture
def nodes() -> Iterator[list[str]]:
    """Two network namespaces with a cable between them: 10.77.0.1 and 10.77.0.2."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2")
    names = [f"gcvideo{os.getpid()}n{number}" for number in range(2)]
    try:
        for name in names:
            if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
                pytest.skip("network namespaces cannot be made here")
        _connect(names)
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "del", name], capture_output=True, check=False)


def _connect(names: list[str]) -> None:
    peer = ["type", "veth", "peer", "name", "cable", "netns", names[1]]
    subprocess.run(["ip", "link", "add", "cable", "netns", names[0], *peer], check=True)
    for number, name in enumerate(names, start=1):
        inside = ["ip", "-n", name]
        subprocess.run([*inside, "addr", "add", f"10.77.0.{number}/24", "dev", "cable"], check=True)
        for link in ("lo", "cable"):
            subprocess.run([*inside, "link", "set", link, "up"], check=True)


@pytest.mark.long
def test_two_nodes_have_the_losses_of_one_process(
    nodes: list[str], manifest: Path, alone: Path, tmp_path: Path
) -> None:
    """Each is in a network of its own, with its own copy of our script."""
    command = [str(TORCHRUN), *exact_options(manifest, tmp_path, batch_size=2), *SHORT]
    shared = {"NODES": "2", "GPUS": "1", "MASTER_ADDR": "10.77.0.1", "GLOO_SOCKET_IFNAME": "cable"}
    first, second = (["ip", "netns", "exec", name, *command] for name in nodes)
    with running(second, tmp_path / "log1", NODE_RANK="1", **shared) as process:
        assert run_to_the_end(first, tmp_path / "log0", NODE_RANK="0", **shared) == 0
        assert process.wait(30) == 0
    assert_same_losses(tmp_path, alone)
    assert global_batches(tmp_path, 2) == global_batches(alone, 1)
