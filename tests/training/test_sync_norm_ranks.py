"""Synchronised batch norms on two GPUs: two ranks train what one does with the same global batches."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.training.exact_runs import NUM_STEPS, NUM_VIDEOS, SHORT, exact_options, global_batches, logged, write_videos
from tests.training.rank_runs import fit_command, run_to_the_end

_FULL_FLOATS = {"NVIDIA_TF32_OVERRIDE": "0"}  # convolutions of ten bits would hide what the norms do
_NO_WORSE = (
    1e-3  # sums in another order, twenty steps long; norms of half a batch are up to 1.5e-2 off (seen on processors)
)


@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_ranks_with_synchronised_norms_have_the_losses_of_one(tmp_path: Path) -> None:
    manifest = write_videos(tmp_path, {"train": NUM_VIDEOS, "val": 1})
    alone = _fit(manifest, tmp_path / "alone", devices=1, norm="batch")
    two = _fit(manifest, tmp_path / "two", devices=2, norm="sync")
    apart = _fit(manifest, tmp_path / "apart", devices=2, norm="batch")
    assert global_batches(two, 2) == global_batches(apart, 2) == global_batches(alone, 1)
    expected = pytest.approx(logged(alone, "train/loss"), rel=_NO_WORSE)
    assert len(logged(two, "train/loss")) == NUM_STEPS
    assert logged(two, "train/loss") == expected
    assert logged(apart, "train/loss") != expected, "norms that are not synchronised would do, too"


def _fit(manifest: Path, folder: Path, *, devices: int, norm: str) -> Path:
    """Batches of four videos in all."""
    options = exact_options(manifest, folder, batch_size=4 // devices)
    here = ["--trainer.accelerator=gpu", f"--trainer.devices={devices}", f"--model.backbone.norm={norm}"]
    assert run_to_the_end(fit_command(*options, *SHORT, *here), folder / "log", **_FULL_FLOATS) == 0
    return folder
