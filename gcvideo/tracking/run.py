"""The run folder: decided by the first process, and everything a run leaves behind is written from here."""

from __future__ import annotations

import itertools
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml
from lightning import Callback, LightningModule, Trainer
from lightning.pytorch.loggers import WandbLogger

from gcvideo.errors import InputError
from gcvideo.safe_load import load_safely
from gcvideo.tracking.checkpoints import checkpoints_without_folder
from gcvideo.tracking.metrics_log import MetricsLog, cut_metrics, sync_metrics
from gcvideo.tracking.wandb_account import wandb_settings
from gcvideo.tracking.wandb_history import rows_lost
from gcvideo.tracking.wandb_run import start_wandb
from gcvideo.tracking.whole_files import is_full, remove_leftovers, write_whole


def new_run_folder(name: str) -> Path:
    """``runs/NAME-TIME`` in the working folder."""
    return Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"


class RunTracker(Callback):
    """Makes the run folder once the videos are indexed, so that a mistake leaves none behind, and opens its logs.

    Args:
        folder: the run folder; on several processes the first one's counts.
        is_new: whether the folder must be this run's alone: where another run began in the same second, a number
            follows its name.
        name: of the run.
        job_type: fit, validate or test.
        config: the full resolved configuration.
        use_wandb: whether a W&B run is kept.
        ckpt_path: the checkpoint that is taken up, for its W&B run and its step.
    """

    def __init__(
        self,
        folder: Path,
        *,
        is_new: bool,
        name: str,
        job_type: str,
        config: dict[str, Any],
        use_wandb: bool,
        ckpt_path: str | None = None,
    ) -> None:
        self.folder, self.is_new, self.name, self.job_type = folder, is_new, name, job_type
        self.config, self.use_wandb, self.ckpt_path = config, use_wandb, ckpt_path
        self.kept_config = _with_absolute_paths(config)
        if use_wandb:
            wandb_settings()  # what W&B refuses is said before the videos are indexed
        self.wandb: WandbLogger | None = None
        self._wandb_run_id: str | None = None
        self._at_step: int | None = None
        self._step = 0
        self._is_set_up = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Folder, configuration and logs, on the first process; the others learn the folder."""
        if self._is_set_up:
            return
        self._is_set_up = True
        if trainer.is_global_zero:
            self.folder = make_folder(self.folder, is_new=self.is_new)
        self.folder = Path(trainer.strategy.broadcast(str(self.folder)))
        for checkpoint in checkpoints_without_folder(trainer):
            checkpoint.dirpath = str(self.folder.resolve())
        if trainer.is_global_zero:
            self._open_folder()
        trainer.loggers = [*trainer.loggers, MetricsLog(self.folder, self._at_step)]  # writes on the first process only
        if trainer.is_global_zero and self.use_wandb:
            self._open_wandb(trainer)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The checkpoint is taken up: what does not fit this run has been refused, and the folder left as it was."""
        if trainer.is_global_zero:
            text = yaml.safe_dump(self.config, sort_keys=False, allow_unicode=True)
            write_whole(self.folder / "config.yaml", text)
            cut_metrics(self.folder, self._step)

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """The configuration goes into the checkpoint; the rows before one are on the disk before it is."""
        checkpoint["config"] = self.kept_config
        if trainer.is_global_zero and self.job_type == "fit":
            sync_metrics(self.folder)

    def state_dict(self) -> dict[str, Any]:
        """Kept in every checkpoint."""
        return {"wandb_run_id": self._wandb_run_id}

    def _open_folder(self) -> None:
        self._wandb_run_id, self._step = _state_in(self.ckpt_path)
        self._at_step = None if self.job_type == "fit" else self._step
        if self.job_type == "fit":
            remove_leftovers(self.folder)

    def _open_wandb(self, trainer: Trainer) -> None:
        self.wandb = start_wandb(
            self.folder,
            name=self.name,
            run_id=self._wandb_run_id,
            job_type=self.job_type,
            config=self.config,
            at_step=self._at_step,
        )
        if self._wandb_run_id is not None and self.job_type == "fit":
            for row in rows_lost(self.folder, self._wandb_run_id, self._step):
                self.wandb.log_metrics({name: float(row[name]) for name in row if name != "step"}, row["step"])
        self._wandb_run_id = self.wandb.experiment.id
        trainer.loggers = [*trainer.loggers, self.wandb]


def make_folder(folder: Path, *, is_new: bool) -> Path:
    """Makes a folder that can be written into; gives the one that was made.

    Raises:
        InputError: if it cannot be made, or nothing can be written there.
        OSError: if the disk is full.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder = _make_new(folder) if is_new else folder
        folder.mkdir(exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        if is_full(error):
            raise
        raise InputError(
            f"run folder {folder} cannot be used: {error.strerror}; name another one with --run_dir=DIR"
        ) from error
    return folder


def _make_new(folder: Path) -> Path:
    """The folder, or its name with the first free number behind it; making it is what reserves it."""
    names = itertools.chain([folder.name], (f"{folder.name}-{number}" for number in itertools.count(2)))
    while True:
        try:
            candidate = folder.with_name(next(names))
            candidate.mkdir()
        except FileExistsError:
            continue
        return candidate


def _with_absolute_paths(config: dict[str, Any]) -> dict[str, Any]:
    """A configuration whose videos are found from any working folder; a checkpoint has it, config.yaml what was typed.

    Args:
        config: nested plain values, with ``data.init_args``.
    """
    data = config.get("data") or {}
    options = dict(data.get("init_args") or {})
    for name in ("root", "manifest"):
        if options.get(name):
            options[name] = os.path.abspath(Path(options[name]).expanduser())
    return {**config, "data": {**data, "init_args": options}} if options else config


def _state_in(ckpt_path: str | None) -> tuple[str | None, int]:
    """W&B run id and number of optimizer steps in a checkpoint; none and 0 without one."""
    if not ckpt_path:
        return None, 0
    checkpoint = load_safely(Path(ckpt_path), "checkpoint", verify=False)  # it was, when it was found
    state = checkpoint.get("callbacks", {}).get(RunTracker.__qualname__, {})
    return state.get("wandb_run_id"), int(checkpoint.get("global_step", 0))
