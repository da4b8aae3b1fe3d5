"""A checkpoint is measured without naming its configuration."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from gcvideo.cli import run
from gcvideo.commands.running.checkpoint_config import config_of_checkpoint
from gcvideo.errors import InputError

Fit = Callable[..., Path]
QUIET = ["--trainer.logger=false", "--trainer.accelerator=cpu"]


def _changed(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    state = torch.load(path, weights_only=True)
    change(state)
    other = path.with_name("other.ckpt")
    torch.save(state, other)
    return other


def test_validation_needs_the_checkpoint_alone_and_gives_what_fit_gave(fit: Fit) -> None:
    folder = fit("here")
    before = json.loads((folder / "metrics.json").read_text())["val"]
    assert run(["validate", "--ckpt_path", str(folder / "best.ckpt"), *QUIET]) == 0
    after = json.loads((folder / "metrics.json").read_text())["val"]
    assert before == after


def test_last_checkpoint_of_a_folder_is_found_and_an_option_overrides_its_configuration(
    fit: Fit, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    folder = fit("here")
    options = ["--ckpt_path=last", f"--run_dir={folder}", "--data.frame_stride=1", *QUIET]
    assert run(["validate", *options]) == 0
    assert "4 frames x stride 1" in capsys.readouterr().out
    assert caplog.text.count("the checkpoint was trained on other clips: frame_stride 2, here 1 (data.*)") == 1


def test_what_only_a_training_needs_is_not_taken_over(fit: Fit) -> None:
    folder = fit("here")
    taken = json.loads(config_of_checkpoint(["--ckpt_path", str(folder / "last.ckpt")])[1])
    assert set(taken["trainer"]) == {"precision"}
    assert not {"optimizer", "schedule", "mixing", "pretrained"} & set(taken["model"])


@pytest.mark.parametrize("name", ["antigravity.fly", "my.own.Backbone"])
def test_a_class_of_a_checkpoint_that_is_not_ours_is_not_imported(fit: Fit, name: str) -> None:
    def ask(state: dict[str, Any]) -> None:
        state["config"]["model"]["backbone"] = {"class_path": name}

    other = _changed(fit("here") / "best.ckpt", ask)
    with pytest.raises(InputError, match=f"asks for {name}, which is no part of gcvideo.*--config FILE"):
        config_of_checkpoint(["--ckpt_path", str(other)])


def test_a_checkpoint_without_its_configuration_is_refused(fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    other = _changed(fit("here") / "best.ckpt", lambda state: state.pop("config"))
    assert run(["test", "--ckpt_path", str(other)]) == 1
    assert "does not say how its network is built" in capsys.readouterr().err


def test_without_checkpoint_and_configuration_the_cure_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["test"]) == 2
    assert "--ckpt_path" in capsys.readouterr().err
