"""What a run leaves behind at its end: numbers, pictures, and a short summary with the next commands."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import wandb
from lightning import LightningModule, Trainer

from gcvideo.commands.running.folders import quoted
from gcvideo.commands.running.metrics_json import Origin, key_of, measured_by, read_numbers, write_numbers
from gcvideo.data.datamodule import VideoDataModule
from gcvideo.evaluation.metrics import accuracies, confusion
from gcvideo.records import Evaluation
from gcvideo.tracking.checkpoints import BestCheckpoint
from gcvideo.tracking.metrics_log import read_metrics
from gcvideo.tracking.pictures import draw_confusion, draw_curves
from gcvideo.tracking.run import RunTracker

log = logging.getLogger(__name__)


def evaluate_best(trainer: Trainer, module: LightningModule, datamodule: VideoDataModule, *, on_test: bool) -> None:
    """Measures the best checkpoint of a finished fit: on the test videos, or again on those that chose it."""
    best = next((c.best_model_path for c in trainer.checkpoint_callbacks if isinstance(c, BestCheckpoint)), None)
    if not best:
        if best is not None:
            log.warning("no validation was run, so there is no best checkpoint and no final figure")
        return
    if on_test and not datamodule.test_records():
        of = "held out of train" if datamodule.holdout else "of val"
        log.warning(f"no videos were kept for the end: the figures are of those {of}, which chose the checkpoint")
        on_test = False
    options: dict[str, Any] = {"datamodule": datamodule, "ckpt_path": best, "weights_only": True, "verbose": False}
    if on_test:
        trainer.test(module, **options)
        return
    loggers, trainer.loggers = trainer.loggers, []  # these numbers are in the log already, at their step
    trainer.validate(module, **options)
    trainer.loggers = loggers


def finish(trainer: Trainer, module: Any, datamodule: VideoDataModule, tracker: RunTracker) -> None:
    """Writes metrics.json (see metrics_json.py) and the pictures, closes the W&B run, prints the summary."""
    if not trainer.is_global_zero or not tracker.folder.is_dir():
        return
    folder = tracker.folder
    split = "test" if trainer.state.fn == "test" else "val"
    measured = measured_by(trainer, folder)
    if module.evaluation is not None:
        prepared = datamodule.preprocessing
        views = prepared.test_views if split == "test" else prepared.val_views
        numbers = _numbers(module.evaluation, prepared.describe(views))
        write_numbers(folder, split, measured, numbers, by_fit=tracker.job_type == "fit")
        counts = confusion(module.evaluation).numpy()
        title = f"{key_of(split, measured)}: {len(module.evaluation.labels)} videos"
        draw_confusion(counts, datamodule.classes, folder / "confusion_matrix.png", title=title)
    rows = read_metrics(folder)
    if tracker.job_type == "fit" and any("train/loss" in row for row in rows):
        draw_curves(rows, folder / "curves.png")
    _close_wandb(folder, tracker)
    _print_summary(folder, split, measured, tracker.job_type, has_test=bool(datamodule.test_records()))


def _numbers(evaluation: Evaluation, views: str) -> dict[str, Any]:
    counts = {"videos": len(evaluation.labels), "failed": len(evaluation.failures)}
    return {**accuracies(evaluation), **counts, "views": views}


def _close_wandb(folder: Path, tracker: RunTracker) -> None:
    if tracker.wandb is None:
        return
    for name in ("curves", "confusion_matrix"):
        if (folder / f"{name}.png").is_file():
            tracker.wandb.log_image(name, [str(folder / f"{name}.png")])
    run = tracker.wandb.experiment
    if tracker.job_type == "fit" and (folder / "best.ckpt").is_file():
        artifact = wandb.Artifact(f"model-{run.id}", type="model")
        artifact.add_file(str(folder / "best.ckpt"))
        run.log_artifact(artifact, aliases=["latest", "best"])
    run.finish()


def _print_summary(folder: Path, split: str, measured: Origin, job_type: str, *, has_test: bool) -> None:
    numbers = read_numbers(folder, split, measured)
    if numbers:
        print(f"\n{key_of(split, measured)}: {numbers['videos']} videos, {numbers['views']}")
        print(f"  video level  top-1 {numbers['top1']:6.1%}   top-5 {numbers['top5']:6.1%}")
        print(f"  clip level   top-1 {numbers['clip_top1']:6.1%}   top-5 {numbers['clip_top5']:6.1%}")
        if numbers["failed"]:
            print(f"  {numbers['failed']} videos could not be read and have no score")
    print(f"run folder: {folder}")
    if job_type == "fit" and (folder / "best.ckpt").is_file():
        print("next:")
        measure = "test" if has_test else "validate"
        config, best = quoted(folder / "config.yaml"), quoted(folder / "best.ckpt")
        print(f"  gcvideo {measure} --config {config} --ckpt_path {best}")
        print(f"  gcvideo fit --config {config} --run_dir {quoted(folder)} --ckpt_path last   # continue it")
