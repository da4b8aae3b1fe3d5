"""Runs of the real command that any number of ranks must train alike, and what is compared of them."""

from __future__ import annotations

from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gcvideo.data.annotations import Annotations, Entry
from gcvideo.data.encode import write_video
from gcvideo.data.indexing.index import index_videos
from gcvideo.tracking.metrics_log import read_metrics
from tests.commands.conftest import SMALL
from tests.training.batch_record import read_batches

NUM_STEPS, NUM_EPOCHS = 20, 4
NUM_VIDEOS = 21  # a global batch has 4, so one is left over in each epoch
RATE, MEANT_FOR = 0.0002, 16

# Nothing random but what is a function of (seed, epoch, video), and no statistics of a batch. A rate that is a tenth
# higher changes the second loss by 6e-3 of it.
_EXACT = [
    "--trainer.precision=32",
    "--model.backbone.norm=frozen",
    "--model.optimizer=torch.optim.SGD",
    f"--model.optimizer.lr={RATE}",
    f"--model.base_batch={MEANT_FOR}",
    "--model.schedule={kind: constant, warmup: 0}",
    "--data.holdout=0",
]
SHORT = [f"--trainer.max_epochs={NUM_EPOCHS}", f"--trainer.check_val_every_n_epoch={NUM_EPOCHS}"]
ENDLESS = ["--trainer.max_epochs=1000", "--trainer.check_val_every_n_epoch=1000", "--data.num_workers=1"]


def write_videos(folder: Path, counts: dict[str, int]) -> Path:
    """So many videos of noise in each split, of two classes; gives their manifest."""
    generator, entries = np.random.default_rng(0), []
    for split, count in counts.items():
        for number in range(count):
            path = folder / f"{split}{number}.mp4"
            pictures = generator.integers(0, 256, (12, 12, 16, 3), dtype=np.uint8).repeat(4, axis=1).repeat(4, axis=2)
            write_video(path, pictures, fps=25)
            entries.append(Entry(path, number % 2, split))
    index_videos(Annotations(("a", "b"), tuple(entries)), folder / "manifest.csv", num_workers=1)
    return folder / "manifest.csv"


def exact_options(manifest: Path, folder: Path, *, batch_size: int) -> list[str]:
    """Options of a fit whose batches are recorded in ``folder/batches``, its run folder being ``folder/run``."""
    (folder / "batches").mkdir(parents=True)
    return [
        "--config=demo",
        *SMALL,
        *_EXACT,
        f"--data.manifest={manifest}",
        f"--data.batch_size={batch_size}",
        f"--run_dir={folder / 'run'}",
        "--trainer.logger=false",
        "--trainer.log_every_n_steps=1",
        "--trainer.callbacks+=tests.training.batch_record.BatchRecord",
        f"--trainer.callbacks.folder={folder / 'batches'}",
    ]


def logged(folder: Path, name: str) -> list[Any]:
    """What stands in metrics.jsonl under a name, in order."""
    return [row[name] for row in read_metrics(folder / "run") if name in row]


def global_batches(folder: Path, world_size: int) -> list[tuple[int, list[int]]]:
    """Of each step: the epoch, and the videos of all ranks."""
    ranks = [read_batches(folder / "batches", rank) for rank in range(world_size)]
    assert len({len(rows) for rows in ranks}) == 1
    steps = zip(*ranks, strict=True)
    return [(rows[0]["epoch"], sorted(chain.from_iterable(row["videos"] for row in rows))) for rows in steps]


def assert_same_losses(folder: Path, alone: Path) -> None:
    """The losses of the first steps are those of one process, but for the rounding of sums in another order."""
    expected = logged(alone, "train/loss")
    assert len(expected) == NUM_STEPS
    assert len({round(loss, 3) for loss in expected}) > NUM_STEPS / 2, "losses that do not differ prove nothing"
    assert logged(folder, "train/loss")[:NUM_STEPS] == pytest.approx(expected, rel=1e-5)
