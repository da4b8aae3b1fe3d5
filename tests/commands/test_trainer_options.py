"""Options of Lightning's trainer that change how often loaders are made, or how far a run goes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from gcvideo.tracking.metrics_log import read_metrics

Fit = Callable[..., Path]


def _losses(folder: Path) -> list[Any]:
    return [row["train/loss"] for row in read_metrics(folder) if "train/loss" in row]


def test_loaders_that_are_made_anew_each_epoch_change_nothing(fit: Fit) -> None:
    losses = _losses(fit("plain"))
    assert len(losses) == 6
    assert _losses(fit("anew", "--trainer.reload_dataloaders_every_n_epochs=1")) == losses


def test_fast_run_trains_a_batch_and_measures_one(fit: Fit) -> None:
    folder = fit("fast", "--trainer.fast_dev_run=true")
    assert (folder / "metrics.json").is_file()
    assert not list(folder.glob("*.ckpt"))
