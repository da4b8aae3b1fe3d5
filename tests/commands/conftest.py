from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

# Options that make a run of any shipped config a matter of a second.
SMALL = [
    "--trainer.accelerator=cpu",
    "--trainer.devices=1",
    "--model.backbone.width=8",
    "--data.num_frames=4",
    "--data.frame_stride=2",
    "--data.crop_px=32",
    "--data.batch_size=4",
    "--data.num_workers=0",
]


@pytest.fixture
def videos(make_folder: Callable[..., Path]) -> Path:
    """Two classes, eight training videos each and three for the end."""
    return make_folder({"train/jump": 8, "train/run": 8, "val/jump": 3, "val/run": 3})


@pytest.fixture
def fit(videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Runs ``gcvideo fit`` in this process, in a folder of its own; gives the run folder."""
    from gcvideo.cli import run

    monkeypatch.chdir(tmp_path)

    def go(name: str, *options: str, config: str = "demo", code: int = 0, wandb: bool = False) -> Path:
        arguments = ["fit", "--config", config, "--data.root", str(videos), "--run_dir", name, *SMALL]
        arguments += [] if wandb else ["--trainer.logger=false"]
        assert run([*arguments, "--trainer.max_epochs=2", "--trainer.log_every_n_steps=1", *options]) == code
        return tmp_path / name

    return go
