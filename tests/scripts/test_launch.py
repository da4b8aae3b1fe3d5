"""What the launch scripts start, and how they end; the runs themselves are in tests/training and tests/commands."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

LAUNCH = Path(__file__).parents[2] / "scripts" / "launch"
SCRIPTS = ["torchrun.sh", "slurm.sbatch"]

Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Runs a script in a folder of its own, with stand-ins for the programs that it starts.

    A stand-in prints its name, some variables, and its arguments, one a line.
    """
    programs = tmp_path / "bin"
    programs.mkdir()
    shown = 'for name in MASTER_ADDR MASTER_PORT OMP_NUM_THREADS; do echo "$name=${!name:-}"; done'
    for name, body in {
        "python": f'echo "python"; {shown}; printf "%s\\n" "$@"',
        "srun": f'echo "srun"; {shown}; printf "%s\\n" "$@"; exit "${{SRUN_ENDS:-0}}"',
        "scontrol": 'if [ "$1" = show ]; then printf "node7\\nnode9\\n"; else echo "scontrol $*"; fi',
    }.items():
        (programs / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (programs / name).chmod(0o755)

    def go(script: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        path = f"{programs}:{os.environ['PATH']}"
        environment = {"PATH": path, "HOME": str(tmp_path), **variables}
        command = ["bash", "-c", script, "script", *arguments]
        if (LAUNCH / script).is_file():
            command = [str(LAUNCH / script), *arguments]
        return subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)

    return go


def _arguments(output: str, program: str) -> list[str]:
    """What a stand-in was given."""
    lines = output.splitlines()
    return [line for line in lines[lines.index(program) + 1 :] if not re.match("[A-Z_]+=", line)]


@pytest.mark.parametrize("script", SCRIPTS)
def test_scripts_are_bash_and_can_be_started(script: str) -> None:
    assert os.access(LAUNCH / script, os.X_OK)
    subprocess.run(["bash", "-n", str(LAUNCH / script)], check=True)


def test_torchrun_on_one_machine_gives_its_arguments_to_fit(shell: Shell) -> None:
    done = shell("torchrun.sh", "--config", "folder", "--data.root", "MY VIDEOS", GPUS="4")
    given = _arguments(done.stdout, "python")
    assert given[1:] == [
        *["--standalone", "--nproc-per-node", "4", "--max-restarts", "0", "-m", "gcvideo", "fit"],
        *["--config", "folder", "--data.root", "MY VIDEOS", "--trainer.devices=4", "--trainer.num_nodes=1"],
    ]
    assert Path(given[0]) == LAUNCH / "agent.py"


def test_torchrun_on_several_machines_meets_at_the_first(shell: Shell) -> None:
    where = {"NODES": "2", "NODE_RANK": "1", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "4321", "GPUS": "8"}
    given = " ".join(_arguments(shell("torchrun.sh", "--config", "folder", **where).stdout, "python"))
    assert "--nnodes 2 --node-rank 1 --master-addr 10.0.0.1 --master-port 4321 --nproc-per-node 8" in given
    assert given.endswith("--config folder --trainer.devices=8 --trainer.num_nodes=2")


def test_torchrun_on_several_machines_asks_for_the_address_of_the_first(shell: Shell) -> None:
    done = shell("torchrun.sh", "--config", "folder", NODES="2", GPUS="8")
    assert done.returncode != 0
    assert "MASTER_ADDR: is not set: the address of machine 0 is needed" in done.stderr


def test_cores_are_shared_out(shell: Shell) -> None:
    threads = max(1, len(os.sched_getaffinity(0)) // 2)
    assert f"OMP_NUM_THREADS={threads}" in shell("torchrun.sh", GPUS="2").stdout.splitlines()
    assert "OMP_NUM_THREADS=1" in shell("torchrun.sh", GPUS="1000").stdout.splitlines()


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("kept", ["last.ckpt", "previous.ckpt"])
def test_run_folder_with_a_checkpoint_is_continued(shell: Shell, tmp_path: Path, script: str, kept: str) -> None:
    program = {"torchrun.sh": "python", "slurm.sbatch": "srun"}[script]
    variables = {**_IN_SLURM, "GPUS": "2", "RUN_DIR": "runs/my run"}
    first = _arguments(shell(script, "--config", "folder", **variables).stdout, program)
    assert first[first.index("--run_dir") + 1] == "runs/my run"
    assert "--ckpt_path" not in first
    (tmp_path / "runs" / "my run").mkdir(parents=True)
    (tmp_path / "runs" / "my run" / kept).touch()
    again = _arguments(shell(script, "--config", "folder", **variables).stdout, program)
    place = again.index("--run_dir")
    assert again[:place] + again[place + 4 :] == first[:place] + first[place + 2 :]
    assert again[place : place + 4] == ["--run_dir", "runs/my run", "--ckpt_path", "last"]


# What SLURM sets in a job of two nodes with eight tasks each.
_IN_SLURM = {
    "SLURM_JOB_ID": "123456",
    "SLURM_JOB_NODELIST": "node[7,9]",
    "SLURM_NNODES": "2",
    "SLURM_NTASKS_PER_NODE": "8",
    "SLURM_CPUS_PER_TASK": "12",
}


def test_slurm_starts_a_task_a_gpu_that_meet_at_the_first_node(shell: Shell) -> None:
    done = shell("slurm.sbatch", "--config", "folder", **_IN_SLURM)
    assert done.returncode == 0
    assert _arguments(done.stdout, "srun") == [
        *["--kill-on-bad-exit=1", "gcvideo", "fit", "--config", "folder", "--run_dir", "runs/slurm-123456"],
        *["--trainer.devices=8", "--trainer.num_nodes=2"],
    ]
    assert {"MASTER_ADDR=node7", "MASTER_PORT=18456"} <= set(done.stdout.splitlines())


@pytest.mark.parametrize(("ends", "is_requeued"), [(0, False), (1, False), (143, False), (138, True)])
def test_slurm_job_that_nothing_answered_the_warning_of_is_requeued(shell: Shell, ends: int, is_requeued: bool) -> None:
    """143: gcvideo was told to end; it puts the job back itself, or the user has cancelled it."""
    done = shell("slurm.sbatch", **_IN_SLURM, SRUN_ENDS=str(ends))
    assert done.returncode == ends
    assert ("scontrol requeue 123456" in done.stdout) == is_requeued


def test_slurm_options_say_what_the_ranks_rely_on() -> None:
    options = dict(re.findall(r"^#SBATCH --([a-z-]+)(?:=(\S+))?$", (LAUNCH / "slurm.sbatch").read_text(), re.M))
    assert options["ntasks-per-node"] == options["gpus-per-node"]
    assert (options["signal"], options["open-mode"], options["requeue"]) == ("USR1@120", "append", "")


def _skypilot() -> dict[str, Any]:
    task: dict[str, Any] = yaml.safe_load((LAUNCH / "skypilot.yaml").read_text())
    return task


def test_skypilot_task_has_fields_of_its_schema() -> None:
    """As documented, docs.skypilot.co/en/latest/reference/yaml-spec.html."""
    task = _skypilot()
    assert set(task) == {"name", "num_nodes", "resources", "workdir", "envs", "file_mounts", "setup", "run"}
    assert set(task["resources"]) == {"accelerators", "use_spot", "job_recovery"}
    assert task["resources"]["job_recovery"] == {"recover_on_exit_codes": [143]}
    assert {place: set(mount) for place, mount in task["file_mounts"].items()} == {
        "/videos": {"source", "mode"},
        "/runs": {"source", "mode"},
    }


def test_skypilot_task_starts_torchrun_on_each_machine(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "scripts" / "launch").mkdir(parents=True)
    stand_in = tmp_path / "scripts" / "launch" / "torchrun.sh"
    names = "NODES NODE_RANK GPUS MASTER_ADDR PYTHON RUN_DIR"
    stand_in.write_text(f'#!/usr/bin/env bash\nfor n in {names}; do echo "$n=${{!n}}"; done; echo "$@"\n')
    stand_in.chmod(0o755)
    given = {"SKYPILOT_NUM_NODES": "2", "SKYPILOT_NODE_RANK": "1", "SKYPILOT_NUM_GPUS_PER_NODE": "8"}
    task = _skypilot()
    done = shell(task["run"], **given, **task["envs"], SKYPILOT_NODE_IPS="10.0.0.1\n10.0.0.2")
    assert done.stdout.splitlines() == [
        *["NODES=2", "NODE_RANK=1", "GPUS=8", "MASTER_ADDR=10.0.0.1", "PYTHON=.venv/bin/python"],
        "RUN_DIR=/runs/slowonly_r50_8x8",
        "--config kinetics400/slowonly_r50_8x8 --data.classes=null --data.manifest /videos/manifest.csv",
    ]
