"""Every command in the README runs, in the order of the README."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import yaml

from gcvideo.cli import run
from gcvideo.models.backbones.slow import SlowOnly
from gcvideo.models.network import Network
from tests.commands.conftest import SMALL

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def _commands() -> list[str]:
    blocks = re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def test_readme_has_the_two_commands_first() -> None:
    assert _commands()[:2] == ["make demo", "make test"]


def test_make_commands_are_what_the_readme_says() -> None:
    for target, text in {"demo": "gcvideo demo", "test": "-m pytest"}.items():
        plan = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=True).stdout
        assert text in plan


def test_gcvideo_commands_run_in_order(
    make_folder: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Reduced in size, with the small videos of the tests for MY_VIDEOS and KINETICS400."""
    make_folder({"train/jump": 8, "train/run": 8, "val/jump": 3, "val/run": 3}, name="MY_VIDEOS")
    make_folder({"train/abseiling": 5, "train/zumba": 5, "val/zumba": 2}, name="KINETICS400")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    torch.save({"model_state": Network(SlowOnly(width=8), 400).state_dict()}, "SLOW_8x8_R50.pyth")
    commands = [shlex.split(line) for line in _commands()[2:] if line.startswith("gcvideo ")]
    assert len(commands) == 26
    for _, *arguments in commands:
        fresh = arguments[0] == "fit" and not arguments[2].startswith("runs/")
        small = [*SMALL, "--trainer.max_epochs=1", *_crops(arguments)] if fresh else []
        small += ["--num", "2", "--rounds", "1"] if arguments[0] == "benchmark" else []
        if "--print_config" in arguments:
            with pytest.raises(SystemExit) as stop:
                run(arguments)
            assert stop.value.code == 0
        else:
            assert run([*arguments, *small]) == 0, arguments
    shutil.copy(next(Path("MY_VIDEOS/val").rglob("*.mp4")), "video.mp4")
    for program in re.findall(r"```python\n(.*?)```", README, re.DOTALL):
        exec(program, {})
    assert "video.mp4" in capsys.readouterr().out.splitlines()[-1]


# Stand-ins for the programs of a cluster that is one task on this machine.
_CLUSTER = {
    "sbatch": 'exec bash "$@"',
    "scontrol": "echo localhost",
    "srun": 'shift; SLURM_NTASKS=1 SLURM_PROCID=0 SLURM_LOCALID=0 SLURM_NODEID=0 exec "$@"',
}


def test_launch_commands_reach_gcvideo(tmp_path: Path) -> None:
    """They print the config that would be trained; tests/training/test_ranks.py trains through them."""
    commands = [shlex.split(line) for line in _commands()[2:] if not line.startswith("gcvideo ")]
    assert [command[0] for command in commands] == ["scripts/launch/torchrun.sh", "sbatch"]
    for name, body in _CLUSTER.items():
        (tmp_path / name).write_text(f"#!/usr/bin/env bash\n{body}\n")
        (tmp_path / name).chmod(0o755)
    slurm = {"SLURM_JOB_ID": "7", "SLURM_JOB_NODELIST": "here", "SLURM_NNODES": "1", "SLURM_NTASKS_PER_NODE": "1"}
    path = f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, **slurm, "PATH": path, "GPUS": "1", "RUN_DIR": str(tmp_path / "run")}
    for command in commands:
        text = subprocess.check_output([*command, "--print_config"], cwd=ROOT, env=environment, text=True, timeout=120)
        config = yaml.safe_load(text)
        assert (config["data"]["init_args"]["root"], config["run_dir"]) == ("KINETICS400", str(tmp_path / "run"))
        assert (int(config["trainer"]["devices"]), config["trainer"]["num_nodes"]) == (1, 1)


def _crops(arguments: list[str]) -> list[str]:
    """The configs that jitter sizes need sizes that fit the small crop."""
    return ["--data.augmentation.short_side_px=[32, 40]"] if "ucf101/slowonly_r50_8x8_gc_all" in arguments else []


def test_every_file_the_readme_points_at_is_there() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", README):
        assert (ROOT / target).is_file(), target
