from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gcvideo.cli import run

Fit = Callable[..., Path]


def _entries(folder: Path) -> dict[str, tuple[Any, ...]]:
    entries = json.loads((folder / "metrics.json").read_text())
    return {key: (entry["checkpoint"], entry["step"], entry["epoch"]) for key, entry in entries.items()}


def _measure(command: str, folder: Path, checkpoint: Path | str, *options: str) -> None:
    config = ["--config", str(folder / "config.yaml"), "--ckpt_path", str(checkpoint), "--trainer.logger=false"]
    assert run([command, *config, *options]) == 0


def test_numbers_say_of_which_checkpoint_they_are_and_stand_apart(fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    folder = fit("here", "--trainer.max_epochs=3")
    best = torch.load(folder / "best.ckpt", weights_only=True)
    of_best = ("best.ckpt", best["global_step"], best["epoch"] + 1)
    assert _entries(folder) == {"val": of_best}
    first = json.loads((folder / "metrics.json").read_text())["val"]
    _measure("validate", folder, folder / "last.ckpt")
    _measure("test", folder, folder / "best.ckpt")
    assert "val of last.ckpt: 2 videos" in capsys.readouterr().out
    assert _entries(folder) == {"val": of_best, "val of last.ckpt": ("last.ckpt", 9, 3), "test": of_best}
    assert json.loads((folder / "metrics.json").read_text())["val"] == first


def test_checkpoint_of_elsewhere_is_named_by_its_path(fit: Fit, tmp_path: Path) -> None:
    folder = fit("here", "--trainer.max_epochs=1")
    (folder / "best.ckpt").rename(tmp_path / "mine.ckpt")
    _measure("validate", folder, tmp_path / "mine.ckpt", "--run_dir", str(folder))
    path = str(tmp_path / "mine.ckpt")
    assert _entries(folder)[f"val of {path}"] == (path, 3, 1)


def test_numbers_of_a_checkpoint_that_was_written_anew_are_dropped(fit: Fit) -> None:
    folder = fit("here", "--trainer.max_epochs=1", "--best_after=0.9")
    for checkpoint in ("last", "best"):
        _measure("test", folder, folder / f"{checkpoint}.ckpt")
    assert set(_entries(folder)) == {"val", "test", "test of last.ckpt"}
    fit("here", "--trainer.max_epochs=2", "--best_after=0.9", "--ckpt_path=last")
    assert _entries(folder) == {"val": ("best.ckpt", 6, 2)}


def test_numbers_of_a_best_that_stays_are_kept(fit: Fit) -> None:
    """Nothing is left to train where all epochs are done."""
    folder = fit("here")
    before = _entries(folder)
    _measure("test", folder, folder / "best.ckpt")
    fit("here", "--ckpt_path=last")
    assert _entries(folder) == {"val": before["val"], "test": before["val"]}


def test_network_that_no_checkpoint_was_kept_of_is_said(fit: Fit) -> None:
    folder = fit("here", "--trainer.max_epochs=2", "--trainer.enable_checkpointing=false")
    assert _entries(folder) == {"val": (None, 6, 2)}
