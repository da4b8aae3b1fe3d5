"""Moving averages and precise batch norms through the whole command."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gcvideo.cli import run
from gcvideo.tracking.metrics_log import read_metrics
from tests.commands.conftest import SMALL

Fit = Callable[..., Path]
AVERAGED = ["--model.ema=0.9", "--model.precise_bn=2"]


def _validate(folder: Path) -> dict[str, float]:
    """The row that measuring the best checkpoint adds."""
    config = ["--config", str(folder / "config.yaml"), "--ckpt_path", str(folder / "best.ckpt")]
    assert run(["validate", *config, "--trainer.logger=false", "--trainer.devices=1", "--trainer.strategy=auto"]) == 0
    row: dict[str, float] = read_metrics(folder)[-1]
    return row


def _best(folder: Path) -> dict[str, float]:
    rows = [row for row in read_metrics(folder) if "val/top1" in row]
    return max(rows, key=lambda row: (row["val/top1"], -row["val/loss"]))


def test_best_checkpoint_gives_the_numbers_that_its_epoch_gave(fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    folder = fit("here", "--trainer.max_epochs=3", *AVERAGED)
    plain = fit("plain", "--trainer.max_epochs=3")
    said = capsys.readouterr()
    assert "WeightAveraging" not in said.out + said.err
    losses = [[row["val/loss"] for row in read_metrics(of) if "val/loss" in row] for of in (folder, plain)]
    assert len(losses[0]) == 3
    assert not set(losses[0]) & set(losses[1])
    best = _best(folder)
    assert json.loads((folder / "metrics.json").read_text())["val"]["loss"] == best["val/loss"]
    measured = _validate(folder)
    names = [name for name in best if name.startswith("val/")]
    assert len(names) > 5
    assert [measured[name] for name in names] == [best[name] for name in names]


@pytest.mark.parametrize("option", ["--model.ema=1.0", "--model.precise_bn=-1"])
def test_option_that_means_nothing_is_one_line(fit: Fit, option: str, capsys: pytest.CaptureFixture[str]) -> None:
    fit("here", option, code=1)
    name, value = option.removeprefix("--model.").split("=")
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"{name} is {value}; expected" in line


@pytest.mark.long
def test_two_processes_save_what_they_validated(videos: Path, tmp_path: Path) -> None:
    """Real processes, gloo; one process gives their numbers again."""
    command = ["fit", "--config", "demo", "--data.root", str(videos), *SMALL, *AVERAGED, "--run_dir", "here"]
    command += ["--trainer.devices=2", "--trainer.strategy=ddp", "--trainer.max_epochs=2", "--data.batch_size=2"]
    command += ["--trainer.logger=false", "--trainer.log_every_n_steps=1", "--trainer.precision=32"]
    subprocess.run([sys.executable, "-m", "gcvideo", *command], cwd=tmp_path, check=True, timeout=300)
    folder = tmp_path / "here"
    assert _validate(folder)["val/loss"] == pytest.approx(_best(folder)["val/loss"], rel=1e-6)
