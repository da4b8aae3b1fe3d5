from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gcvideo.cli import run
from gcvideo.data.manifest import read_manifest


@pytest.fixture
def broken(tmp_path: Path) -> dict[str, str]:
    """An environment whose decord is installed and cannot be loaded."""
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "decord.py").write_text('raise OSError("libdecord.so: cannot open shared object file")\n')
    return {**os.environ, "PYTHONPATH": str(tmp_path / "broken")}


def _gcvideo(arguments: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gcvideo", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_decoder_that_cannot_be_loaded_is_told_and_the_others_index(
    broken: dict[str, str], videos: Path, tmp_path: Path
) -> None:
    told = _gcvideo(["doctor"], broken)
    assert told.returncode == 0
    assert "is installed and cannot be loaded (libdecord.so: cannot open shared object file): PyAV" in told.stdout
    indexed = _gcvideo(["index", str(videos), "--out", str(tmp_path / "m.csv")], broken)
    assert indexed.returncode == 0, indexed.stderr
    records = read_manifest(tmp_path / "m.csv").records
    assert len(records) == 22
    assert all("pyav:" in record.readers and "decord" not in record.readers for record in records)


def test_torch_that_cannot_be_loaded_is_missing(broken: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "broken" / "torch.py").write_text('raise OSError("libcudart.so: cannot open shared object file")\n')
    told = _gcvideo(["doctor"], broken)
    assert (told.returncode, told.stderr) == (1, "")
    rows = {line.split()[1]: line for line in told.stdout.splitlines() if len(line.split()) > 2}
    assert rows["torch"].startswith("MISSING torch")
    assert "cannot be loaded (libcudart.so: cannot open shared object file)" in rows["torch"]
    assert rows["devices"].startswith("MISSING devices")
    assert rows["working"].startswith("ok"), "what comes after it is looked at, too"


def test_extra_decoder_is_mentioned(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == 0
    (row,) = [line for line in capsys.readouterr().out.splitlines() if line.split()[1:2] == ["torchcodec"]]
    assert row.startswith("ok") or "pip install 'gcvideo[torchcodec]'" in row


@pytest.mark.parametrize(
    ("variables", "row"),
    [
        ({}, "note    W&B             runs are recorded offline (no API key"),
        ({"WANDB_MODE": "offline"}, "ok      W&B             runs are recorded offline (as set by WANDB_MODE"),
        ({"WANDB_MODE": "disabled", "WANDB_API_KEY": "k"}, "ok      W&B             off, by WANDB_MODE"),
        ({"WANDB_MODE": "online"}, "note    W&B             runs should be online (online) and will be recorded off"),
        (
            {"WANDB_API_KEY": "k", "WANDB_BASE_URL": "http://mine.example"},
            "ok      W&B             runs are online: an API key for http://mine.example is configured",
        ),
        ({"WANDB_MODE": "off"}, "MISSING W&B             WANDB_MODE is 'off'; expected 'online', 'offline'"),
    ],
)
def test_wandb_is_told_as_it_is_set(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variables: dict[str, str], row: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert run(["doctor"]) == (variables.get("WANDB_MODE") == "off")
    assert any(line.startswith(row) for line in capsys.readouterr().out.splitlines())
