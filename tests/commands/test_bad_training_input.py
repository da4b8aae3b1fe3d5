"""Mistakes in how a run is to be trained: one line each, before anything is trained, and the right exit code."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from gcvideo.cli import run
from gcvideo.commands.running.launch import meet_other_ranks
from gcvideo.commands.running.trainer_options import check_device
from gcvideo.errors import InputError
from gcvideo.tracking.memory import num_processors
from tests.commands.conftest import SMALL

Refused = Callable[..., str]
on_a_processor = pytest.mark.skipif(torch.cuda.is_available(), reason="here is a GPU")


@pytest.fixture
def refused(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Refused:
    """Runs a fit that must fail; gives its one line."""
    monkeypatch.chdir(tmp_path)

    def go(*options: str, code: int, root: Path = videos, config: str = "demo") -> str:
        arguments = ["fit", "--config", config, "--data.root", str(root), *SMALL, "--trainer.logger=false", *options]
        assert run(arguments) == code
        said = ("indexing videos: ", "2 of 16 training videos are held out")
        lines = [line for line in capsys.readouterr().err.splitlines() if not line.startswith(said)]
        assert len(lines) == 1, lines
        assert re.match("gcvideo: error( on rank [34])?: ", lines[0])
        assert not list(tmp_path.glob("runs/*")), "a refused run leaves no folder"
        return lines[0]

    return go


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--trainer.max_epochs=0"], "--trainer.max_epochs is 0; expected at least 1, or -1 for no bound"),
        (["--trainer.max_epochs=-5"], "--trainer.max_epochs is -5; expected at least 1"),
        (["--trainer.max_steps=0"], "--trainer.max_steps is 0; expected at least 1, or -1"),
        (["--trainer.accumulate_grad_batches=0"], "--trainer.accumulate_grad_batches is 0; expected at least 1"),
        (["--trainer.accumulate_grad_batches=-2"], "--trainer.accumulate_grad_batches is -2; expected at least 1"),
        (["--trainer.check_val_every_n_epoch=0"], "--trainer.check_val_every_n_epoch is 0; expected at least 1"),
        (["--trainer.log_every_n_steps=0"], "--trainer.log_every_n_steps is 0; expected at least 1"),
        (["--trainer.num_nodes=0"], "--trainer.num_nodes is 0; expected at least 1"),
        (["--trainer.gradient_clip_val=-1"], "--trainer.gradient_clip_val is -1.*; expected at least 0"),
        (["--trainer.limit_train_batches=0"], "--trainer.limit_train_batches is 0, so nothing would be trained"),
        (
            ["--trainer.limit_train_batches=0.3"],
            r"limit_train_batches=0.3 leaves none of the 3 batches.* a whole number",
        ),
        (["--trainer.devices=0"], "--trainer.devices is 0; expected at least 1, auto, or the numbers of some"),
        (["--trainer.overfit_batches=2"], "--trainer.overfit_batches=2.*; --trainer.limit_train_batches=2 makes an"),
        (
            ["--trainer.use_distributed_sampler=true"],
            "use_distributed_sampler=True: the loaders share .*; leave it out",
        ),
        (["--trainer.barebones=true"], "--trainer.barebones=True: a run has logs and checkpoints; leave it out"),
        (["--model.pretrained=SLOW_typo.pyth"], "pretrained 'SLOW_typo.pyth': no such file, and not one of IMAGENET1K"),
        (["--model.optimizer.lr=0"], "the learning rate is 0, so nothing would be learned; set --model.optimizer.lr"),
        (["--model.optimizer.lr=-0.1"], "--model.optimizer: Invalid learning rate: -"),
        (["--model.optimizer.weight_decay=-1"], "--model.optimizer: Invalid weight_decay value: -"),
        (["--max_time=2h"], "--max_time is '2h'; expected days, hours, minutes and seconds as DD:HH:MM:SS, such as"),
        (["--max_time=00:00:00:00"], "--max_time is '00:00:00:00'; expected days, hours"),
        (["--trainer.max_time=5"], "--max_time is '5'; expected days, hours, minutes and seconds as DD:HH:MM:SS"),
        (["--max_time=90"], "--max_time is '90'; expected days, hours, minutes and seconds as DD:HH:MM:SS"),
        (["--max_time=00:01:00:00", "--trainer.max_time=00:02:00:00"], "--max_time and --trainer.max_time are one"),
    ],
)
def test_number_that_no_run_has(refused: Refused, options: list[str], message: str) -> None:
    line = refused(*options, code=2)
    assert re.search(message, line), line


def test_time_that_yaml_takes_for_a_number_is_refused(refused: Refused, tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("max_time: 1:00:00:00\n")
    assert "--max_time is 216000; expected days, hours" in refused("--config", str(tmp_path / "mine.yaml"), code=2)


@pytest.mark.parametrize("holdout", [0, 0.1])
def test_no_video_to_train_on(refused: Refused, make_folder: Callable[..., Path], holdout: float) -> None:
    root = make_folder({"val/jump": 3, "val/run": 3}, name="untrained")
    line = refused(f"--data.holdout={holdout}", code=1, root=root)
    assert re.search(r"no training videos.*; put a folder per class into train/|no training videos: put a folder", line)


def test_class_that_is_measured_and_not_trained(refused: Refused, make_folder: Callable[..., Path]) -> None:
    root = make_folder({"train/jump": 6, "train/run": 6, "val/jump": 2, "val/Runn": 2}, name="misspelt")
    for holdout in (0, 0.1):
        line = refused(f"--data.holdout={holdout}", code=1, root=root)
        assert "class Runn has videos to measure by and none to train on (is it the 'run' of train?)" in line
        assert "--data.classes=FILE" in line


@on_a_processor
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--trainer.precision=16-mixed"],
            "precision=16-mixed needs a GPU, .* on the processor; take bf16-mixed or 32",
        ),
        (
            ["--trainer.precision=bf16-true"],
            "weights are kept in 32 bits here, .*; take bf16-mixed",
        ),
        (["--trainer.accelerator=auto", "--trainer.precision=16"], "--trainer.precision=16 needs a GPU"),
        (["--trainer.precision=transformer-engine"], "needs the package transformer_engine.*; take bf16-mixed"),
        (["--trainer.accelerator=gpu", "--trainer.devices=4"], "there is no GPU that torch can use; gcvideo doctor"),
        (["--trainer.accelerator=cuda"], "--trainer.accelerator=cuda: there is no GPU that torch can use"),
        (["--trainer.devices=2", "--trainer.sync_batchnorm=true"], "sync_batchnorm of several processes needs GPUs"),
        (["--trainer.devices=2", "--model.backbone.norm=sync"], "backbone.norm=sync of several processes needs GPUs"),
    ],
)
def test_device_that_cannot_do_it(refused: Refused, options: list[str], message: str) -> None:
    line = refused(*options, code=1)
    assert re.search(message, line), line


@on_a_processor
def test_sync_norm_of_one_process_is_a_batch_norm(fit: Callable[..., Path]) -> None:
    assert (fit("here", "--model.backbone.norm=sync", "--trainer.max_epochs=1") / "best.ckpt").is_file()


def _options(**values: Any) -> SimpleNamespace:
    plain = {"accelerator": "cpu", "precision": "32-true", "devices": 1, "num_nodes": 1, "sync_batchnorm": False}
    return SimpleNamespace(**plain | values)


def test_more_processes_than_cores_are_allowed_and_said(caplog: pytest.LogCaptureFixture) -> None:
    check_device(_options(devices=num_processors()), nn.Linear(1, 1))
    assert caplog.text == ""
    check_device(_options(devices=num_processors() + 1), nn.Linear(1, 1))
    assert f"{num_processors() + 1} processes on {num_processors()} processor cores, each slower" in caplog.text


def _left_over(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    """What torchrun's processes have in their environment, as a shell may keep it."""
    plain = {"RANK": "0", "WORLD_SIZE": "4", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": _free_port()}
    for name, value in (plain | values).items():
        if value:
            monkeypatch.setenv(name, value)


def _free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "for 4 processes, and --trainer.devices times --trainer.num_nodes is 1"),
        ({"RANK": "3", "LOCAL_RANK": "3"}, "for 4 processes, and --trainer.devices times --trainer.num_nodes is 1"),
        ({"RANK": "4"}, "they contradict each other: ranks go from 0 to 3"),
        ({"WORLD_SIZE": ""}, "WORLD_SIZE is missing"),
    ],
)
def test_variables_of_an_earlier_launch_are_not_those_of_this_run(
    refused: Refused, monkeypatch: pytest.MonkeyPatch, values: dict[str, str], message: str
) -> None:
    _left_over(monkeypatch, **values)
    line = refused(code=1)
    assert message in line
    assert f"RANK={values.get('RANK', '0')}, " in line
    assert re.search(r"if they are left from an earlier job: unset RANK (WORLD_SIZE )?LOCAL_RANK MASTER_ADDR", line)


@pytest.mark.parametrize(
    "values",
    [
        {"RANK": "0"},  # would wait for the others
        {"RANK": "2", "LOCAL_RANK": "2"},  # would look for the first one
        {"TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_USE_AGENT_STORE": "True"},  # would look for torchrun
    ],
)
def test_ranks_that_never_come_are_not_waited_for(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    _left_over(monkeypatch, **values)
    with pytest.raises(
        InputError, match=r"waited up to 2 s for 3 other ranks at 127.0.0.1:\d+, and not all of them came"
    ):
        meet_other_ranks(4, timedelta(seconds=2))


def test_rank_that_is_no_number_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    _left_over(monkeypatch, RANK="x")
    with pytest.raises(InputError, match="RANK is 'x', which is no number"):
        meet_other_ranks(4)


def test_ranks_without_a_local_rank_are_no_launch(monkeypatch: pytest.MonkeyPatch) -> None:
    _left_over(monkeypatch, LOCAL_RANK="")
    with pytest.raises(InputError, match="LOCAL_RANK is missing, which a launcher such as torchrun sets too"):
        meet_other_ranks(4, timedelta(seconds=2))


def test_single_process_meets_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    assert meet_other_ranks(1) is None
    _left_over(monkeypatch, WORLD_SIZE="1")
    assert meet_other_ranks(1) is None


@pytest.mark.long
def test_command_ends_within_its_patience_with_a_clear_line(videos: Path, tmp_path: Path) -> None:
    stale = {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": _free_port()}
    command = ["fit", "--config", "demo", "--data.root", str(videos), *SMALL, "--trainer.devices=2"]
    done = subprocess.run(
        [sys.executable, "-m", "gcvideo", *command, "--trainer.logger=false"],
        cwd=tmp_path,
        env=os.environ | stale,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 1
    lines = [line for line in done.stderr.splitlines() if "indexing" not in line]
    assert lines[0].startswith("waiting for 1 other rank at 127.0.0.1:")
    assert "waited up to 60 s for 1 other rank" in lines[1]
    assert len(lines) == 2
