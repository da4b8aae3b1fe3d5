from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from gcvideo.cli import run

TINY = ["--num_train", "4", "--num_test", "1", "--trainer.max_epochs=1", "--trainer.logger=false"]


def _demo(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gcvideo", "demo", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_demo_writes_fits_and_tests_and_a_second_one_takes_its_videos(tmp_path: Path) -> None:
    result = _demo(tmp_path, *TINY, "--run_dir", "here")
    assert result.returncode == 0, result.stderr
    assert "\n$ gcvideo fit --config demo --data.root gcvideo-demo/videos-easy-seed0-4x1" in result.stdout
    assert "\n$ gcvideo test --ckpt_path here/best.ckpt" in result.stdout
    assert "test: 8 videos" in result.stdout
    assert "Look at here/curves.png" in result.stdout
    assert set(json.loads((tmp_path / "here" / "metrics.json").read_text())) == {"val", "test"}
    assert "(written earlier)" not in result.stdout
    second = _demo(tmp_path, *TINY, "--model.backbone.widht=3")
    assert "(written earlier)" in second.stdout
    assert second.returncode == 2, "the code of the command that failed"
    assert "SlowOnly has no option 'widht'" in second.stderr


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--num_train", "0"], 2, "--num_train and --num_test are at least 1"),
        (["--seed=-1"], 2, "--seed is not negative"),
        (["--dir", "FILE/below"], 1, "cannot be written.*name another folder with --dir"),
    ],
)
def test_impossible_demo_is_refused(
    tmp_path: Path, options: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    assert run(["demo", *[option.replace("FILE", str(tmp_path / "file")) for option in options]]) == code
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(message, line), line
