"""What each rank of a real run is given, written down: a callback for ``--trainer.callbacks``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from lightning import Callback, LightningModule, Trainer

from gcvideo.records import Batch


class BatchRecord(Callback):
    """Appends a line for each training batch to ``folder/RANK.jsonl``: process, epoch, step, videos.

    Args:
        folder: exists.
    """

    def __init__(self, folder: str) -> None:
        self.folder = Path(folder)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        row = {
            "process": os.getpid(),
            "epoch": trainer.current_epoch,
            "step": trainer.global_step,
            "videos": batch.video_indices.tolist(),
        }
        with (self.folder / f"{trainer.global_rank}.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")


def read_batches(folder: Path, rank: int) -> list[dict[str, Any]]:
    """The lines of one rank."""
    path = folder / f"{rank}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
