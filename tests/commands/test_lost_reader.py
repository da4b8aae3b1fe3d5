"""What a command prints loses its reader: the work goes on and ends with the code it deserves."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.small import SMALL

KEPT = {"config.yaml", "last.ckpt", "best.ckpt", "metrics.jsonl", "metrics.json", "curves.png", "confusion_matrix.png"}


def _gcvideo(open_ends: Callable[[], tuple[int, int]], arguments: list[str], folder: Path) -> tuple[int, bytes]:
    """Runs a command, reads a little of what it says, and goes away; gives its exit code, and what was read."""
    reads, writes = open_ends()
    command = [sys.executable, "-m", "gcvideo", *arguments]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=writes, stderr=writes, cwd=folder)
    os.close(writes)
    read = os.read(reads, 10)
    os.close(reads)
    return process.wait(timeout=300), read


@pytest.mark.parametrize("open_ends", [os.pipe, pty.openpty], ids=["pipe", "terminal"])
def test_training_goes_on_and_leaves_everything(
    open_ends: Callable[[], tuple[int, int]], videos: Path, tmp_path: Path
) -> None:
    """A pipe gets lines, a terminal a moving bar; with a loader process and an offline W&B run."""
    arguments = ["fit", "--config", "demo", "--data.root", str(videos), *SMALL, "--data.num_workers=1"]
    arguments += ["--trainer.max_epochs=2", "--run_dir", "here", "--save_every_steps=1"]
    code, read = _gcvideo(open_ends, arguments, tmp_path)
    assert (code, bool(read)) == (0, True)
    assert {path.name for path in (tmp_path / "here").iterdir()} >= KEPT | {"wandb"}


def test_indexing_goes_on(videos: Path, tmp_path: Path) -> None:
    (videos / "train" / "run" / "broken.mp4").write_text("<html>")
    assert _gcvideo(os.pipe, ["index", str(videos), "--out", "m.csv"], tmp_path)[0] == 0
    assert (tmp_path / "m.csv").is_file()


def test_mistake_keeps_its_code(tmp_path: Path) -> None:
    assert _gcvideo(os.pipe, ["fit", "--config", "demo", "--data.root", "nowhere"], tmp_path)[0] == 1


@pytest.mark.parametrize(("command", "code"), [("--version", 0), ("unknown", 2)])
@pytest.mark.parametrize("closed", ["1", "2", "1 2", "0 1 2"])
def test_streams_that_were_never_open_do_no_harm(command: str, code: int, closed: str) -> None:
    closing = " ".join(f"{number}>&-" for number in closed.split())
    ended = subprocess.run(["bash", "-c", f"exec {sys.executable} -m gcvideo {command} {closing}"], check=False)
    assert ended.returncode == code


def test_file_opened_by_a_command_does_not_take_the_number_of_a_closed_stream() -> None:
    """Else a library's message would land in a checkpoint."""
    show = (
        "from gcvideo.output import outlast_readers; outlast_readers(); print(open('/dev/null').fileno(), flush=True)"
    )
    ended = subprocess.run(
        ["bash", "-c", f'exec {sys.executable} -c "{show}" 0>&- 2>&-'], capture_output=True, text=True, check=True
    )
    assert int(ended.stdout) > 2
