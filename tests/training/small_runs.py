"""A training of seconds on real videos through the real trainer, for what happens around its steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint

from gcvideo.data.annotations import Annotations, Entry
from gcvideo.data.encode import write_video
from gcvideo.data.folder import VideoFolder
from gcvideo.data.indexing.index import index_videos
from gcvideo.models.backbones.slow import SlowOnly
from gcvideo.training.task import ActionRecognition

TRAINED_ON, BATCH = 12, 2


def write_manifest(folder: Path) -> Path:
    """Twelve videos of noise to train on and three to validate on, of two classes."""
    generator, entries = np.random.default_rng(0), []
    for number in range(TRAINED_ON + 3):
        path = folder / f"{number}.mp4"
        write_video(path, generator.integers(0, 256, (8, 40, 40, 3), dtype=np.uint8), fps=25, crf=30)
        entries.append(Entry(path, number % 2, "train" if number < TRAINED_ON else "val"))
    index_videos(Annotations(("a", "b"), tuple(entries)), folder / "manifest.csv", num_workers=1)
    return folder / "manifest.csv"


def small_data(manifest: Path, **options: Any) -> VideoFolder:
    """Six batches an epoch."""
    plain = {"num_frames": 2, "frame_stride": 2, "crop_px": 32, "batch_size": BATCH, "num_workers": 0, "seed": 3}
    return VideoFolder(manifest=str(manifest), **plain | options)


def small_task(**options: Any) -> ActionRecognition:
    """The same weights each time; the rate is a fiftieth of the default, with which noise in twos diverges."""
    torch.manual_seed(1)
    fixed = {"seed": 3, "base_batch": 100}
    return ActionRecognition(SlowOnly(width=8, zero_init_last_bn=False), 2, **fixed | options)


def small_fit(
    task: ActionRecognition,
    data: VideoFolder,
    *callbacks: Callback,
    epochs: int = 2,
    continues: Path | None = None,
    **options: Any,
) -> Trainer:
    """Trains, from a checkpoint where one is given to continue; gives the trainer."""
    trainer = Trainer(
        accelerator="cpu",
        devices=1,
        max_epochs=epochs,
        logger=False,
        callbacks=list(callbacks),
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        enable_checkpointing=any(isinstance(callback, ModelCheckpoint) for callback in callbacks),
        **{"num_sanity_val_steps": 0, **options},
    )
    trainer.fit(task, datamodule=data, ckpt_path=continues, weights_only=True)
    return trainer
