"""A run folder on a disk that fills up: one line, exit code 75, nothing of before is lost, and no rank waits."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from gcvideo.cli import run
from gcvideo.safe_load import check_digest, load_safely
from gcvideo.tracking.metrics_log import read_metrics
from tests.commands.conftest import SMALL

GCVIDEO = f"{sys.executable} -m gcvideo"


def _can_mount() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return (
        subprocess.run(["unshare", "-m", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode == 0
    )


on_a_small_disk = pytest.mark.skipif(not _can_mount(), reason="only root mounts a small disk")


def _shell(script: str, size: str) -> subprocess.CompletedProcess[str]:
    """Runs a script where ``run`` is a disk of that size, which only the script sees, and ``kept`` a common folder."""
    whole = f"mkdir run kept; mount -t tmpfs -o size={size} none run\n{script}"
    return subprocess.run(["unshare", "-m", "sh", "-c", whole], capture_output=True, text=True, timeout=300)


def _fit(videos: Path, *options: str) -> str:
    arguments = ["fit", "--config=demo", f"--data.root={videos}", "--run_dir=run", *SMALL, "--trainer.max_epochs=3"]
    return " ".join([GCVIDEO, *arguments, "--trainer.log_every_n_steps=1", *options])


def _error(output: str) -> str:
    """The one line that says what is wrong."""
    lines = [line for line in output.splitlines() if "error" in line.lower() or "Traceback" in line]
    assert len(lines) == 1, output
    return lines[0]


def _step(path: Path) -> int:
    assert check_digest(path, "checkpoint")
    return int(load_safely(path, "checkpoint")["global_step"])


@pytest.mark.long
@on_a_small_disk
def test_run_whose_disk_is_full_keeps_its_checkpoint_and_goes_on_when_there_is_room(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """20 MB hold the best and the last checkpoint of the first epoch (8.4 MB each), and none of the second."""
    monkeypatch.chdir(tmp_path)
    again = f"{GCVIDEO} fit --config run/config.yaml --run_dir run --ckpt_path last"
    done = _shell(
        f"{_fit(videos)}; echo exit $?; ls -a run; cp run/*.ckpt kept\n"
        f"mount -o remount,size=100m run; {again} --trainer.logger=false; echo exit $?; cp run/*.jsonl kept",
        "20m",
    )
    assert re.findall("exit ([0-9]+)", done.stdout) == ["75", "0"]
    assert re.fullmatch(
        r"gcvideo: error: checkpoint \S+/run/(best|last).ckpt cannot be written: the disk is full \(8.4 MB needed, "
        rf"[0-9.]+ MB free\); make room, then continue with: {re.escape(again.removeprefix(sys.executable + ' -m '))}",
        _error(done.stderr),
    )
    assert ".tmp" not in done.stdout
    assert _step(tmp_path / "kept" / "last.ckpt") == 3
    assert [row["step"] for row in read_metrics(tmp_path / "kept") if "train/loss" in row] == list(range(9))


@pytest.mark.long
@on_a_small_disk
def test_two_ranks_end_together_when_the_first_cannot_save(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing fits into 2 MB. Real processes, gloo; the second rank waits for the first while it saves."""
    monkeypatch.chdir(tmp_path)
    ranks = ["--trainer.devices=2", "--trainer.strategy=ddp", "--data.batch_size=2", "--trainer.logger=false"]
    done = _shell(f"{_fit(videos, *ranks)}; echo exit $?; ls -a run", "2m")
    assert "exit 75" in done.stdout, done.stderr
    line = _error(done.stderr)
    assert "best.ckpt cannot be written: the disk is full (8.4 MB needed" in line
    assert line.endswith("make room, or name another place with --run_dir=DIR, then start again")
    assert ".ckpt" not in done.stdout


@pytest.mark.long
@on_a_small_disk
def test_record_and_wandb_run_that_do_not_fit_end_in_one_line(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """8 kB are left: the config takes a half, W&B what it gets, and then there is no place for a number."""
    monkeypatch.chdir(tmp_path)
    done = _shell(f"dd if=/dev/zero of=run/filler bs=1k count=2040\n{_fit(videos)}; echo exit $?", "2m")
    assert "exit 75" in done.stdout
    assert "gcvideo: error: run/metrics.jsonl cannot be written: the disk is full" in _error(done.stderr)
    assert "socket" not in done.stderr


def test_checkpoint_that_cannot_be_written_ends_the_run_and_leaves_nothing_half(
    fit: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    """A limit on the size of a file stands for the disk here; only root can make a small one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, before[1]))
    try:
        folder = fit("here", code=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    line = _error(capsys.readouterr().err)
    assert re.fullmatch(rf"gcvideo: error: checkpoint {folder}/last.ckpt cannot be written: File too large; .*", line)
    assert {path.name for path in folder.iterdir()} == {"config.yaml", "metrics.jsonl"}


def test_picture_that_does_not_fit_is_named(fit: Callable[..., Path], capsys: pytest.CaptureFixture[str]) -> None:
    folder = fit("here", "--trainer.max_epochs=1")
    for name, command in {"results/val/per_class.png": "validate", "metrics.jsonl": "test"}.items():
        (folder / name).unlink()
        (folder / name).symlink_to("/dev/full")
        options = ["--config", str(folder / "config.yaml"), "--ckpt_path", "here/best.ckpt", "--trainer.logger=false"]
        capsys.readouterr()
        assert run([command, *options]) == 75
        line = _error(capsys.readouterr().err)
        assert line.startswith(f"gcvideo: error: here/{name} cannot be written: the disk is full (")
        assert re.search(r"MB free in here, [0-9.]+ MB free in \S+\); make room, .* then start again$", line), line
