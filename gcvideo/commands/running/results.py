"""What a run leaves behind at its end: numbers, pictures, and a short summary with the next commands."""

from __future__ import annotations

import logging
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import wandb
from lightning import LightningModule, Trainer

from gcvideo import __version__
from gcvideo.commands.running.folders import quoted
from gcvideo.commands.running.metrics_json import Origin, key_of, measured_by, read_numbers, write_numbers
from gcvideo.commands.running.result_files import groups_of, write_results
from gcvideo.commands.running.result_folders import results_folder
from gcvideo.commands.running.summary import summary
from gcvideo.data.datamodule import VideoDataModule
from gcvideo.evaluation.metrics import accuracies
from gcvideo.evaluation.predictions import predictions_of
from gcvideo.evaluation.report import as_numbers, report
from gcvideo.records import Evaluation
from gcvideo.tracking.checkpoints import BestCheckpoint
from gcvideo.tracking.metrics_log import read_metrics
from gcvideo.tracking.pictures import draw_curves
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
    """Writes metrics.json and the files beside it, closes the W&B run, prints the summary.

    See ``metrics_json.py`` and ``result_folders.py``.
    """
    if not trainer.is_global_zero or not tracker.folder.is_dir():
        return
    folder = tracker.folder
    split = "test" if trainer.state.fn == "test" else "val"
    measured = measured_by(trainer, folder, datamodule, by_fit=tracker.job_type == "fit")
    if module.evaluation is not None:
        _record(module.evaluation, datamodule, folder, split, measured, by_fit=tracker.job_type == "fit")
    rows = read_metrics(folder)
    if tracker.job_type == "fit" and any("train/loss" in row for row in rows):
        draw_curves(rows, folder / "curves.png")
    _close_wandb(folder, tracker)
    _print_summary(folder, split, measured, tracker.job_type, has_test=bool(datamodule.test_records()))


def _record(
    evaluation: Evaluation, datamodule: VideoDataModule, folder: Path, split: str, measured: Origin, *, by_fit: bool
) -> None:
    prepared = datamodule.preprocessing
    records = datamodule.test_records() if split == "test" else datamodule.val_records()
    views = prepared.describe(prepared.test_views if split == "test" else prepared.val_views)
    groups = groups_of(records, datamodule.classes, datamodule.group)
    origin = {"split": split, "views": views, **asdict(measured), "gcvideo": __version__}
    predictions = predictions_of(evaluation, records, datamodule.classes, groups, origin)
    other = None if measured.own_data else measured.data
    found, results = report(predictions), results_folder(folder, split, measured.checkpoint, other)
    title = key_of(split, replace(measured, data=Path(measured.data).name))
    write_results(folder, results, predictions, found, title)
    missing = {
        "failed": len(evaluation.failures),
        "incomplete": len(evaluation.incomplete),
        "not_measured": len(records) - len(predictions.videos),
        "undecodable": datamodule.undecodable("test" if split == "test" else "val"),
    }
    numbers = {**accuracies(evaluation), "videos": len(evaluation.labels), **missing, "views": views}
    about = {**as_numbers(found, predictions), "results": results.relative_to(folder).as_posix()}
    write_numbers(folder, split, measured, numbers | about, by_fit=by_fit)


def _close_wandb(folder: Path, tracker: RunTracker) -> None:
    if tracker.wandb is None:
        return
    for name in ("curves", "confusion_matrix", "per_class", "reliability"):
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
        print(f"\n{summary(key_of(split, measured), numbers)}")
        if not measured.own_data:
            print("  (other videos than the training named: its own numbers are left as they are)")
        print(f"  {'files':<15}  {folder / numbers.get('results', '')}")
    print(f"run folder: {folder}")
    if job_type == "fit" and (folder / "best.ckpt").is_file():
        print("next:")
        measure = "test" if has_test else "validate"
        config, best = quoted(folder / "config.yaml"), quoted(folder / "best.ckpt")
        print(f"  gcvideo {measure} --ckpt_path {best}")
        print(f"  gcvideo fit --config {config} --run_dir {quoted(folder)} --ckpt_path last   # continue it")
