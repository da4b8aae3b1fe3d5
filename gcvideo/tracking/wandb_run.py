"""The W&B run of a run folder: online where there is a key, else offline, and everything of it inside the folder."""

from __future__ import annotations

import logging
import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import wandb
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.utilities import rank_zero_only

from gcvideo.tracking.wandb_account import planned_mode, wandb_settings

log = logging.getLogger(__name__)

_INIT_SECONDS, _FINISH_SECONDS = 10, 60


class RunLogger(WandbLogger):
    """Lightning's logger, for a run that is started already.

    Args:
        run: the W&B run.
        at_step: stands for the step of every row, where a checkpoint is measured and the trainer counts from 0.
    """

    def __init__(self, run: Any, at_step: int | None = None) -> None:
        super().__init__(experiment=run)
        self.at_step = at_step

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Logs one row."""
        super().log_metrics(metrics, step if self.at_step is None else self.at_step)


def start_wandb(
    folder: Path, *, name: str, run_id: str | None, job_type: str, config: dict[str, Any], at_step: int | None = None
) -> RunLogger:
    """Starts (or continues) a W&B run; an unreachable server makes it an offline one, with one line that says so.

    Args:
        folder: the run folder; W&B's files and the staging of its artifacts go there.
        name: shown in W&B.
        run_id: the id of the run to continue; None starts a new one.
        job_type: fit, validate or test.
        config: the resolved configuration.
        at_step: see RunLogger.
    """
    for variable, place in {"WANDB_DATA_DIR": "wandb/data", "WANDB_CACHE_DIR": "wandb/cache"}.items():
        os.environ.setdefault(variable, str((folder / place).absolute()))
    _hush_failing_logs()
    configured = wandb_settings()
    wanted = planned_mode(configured)
    options = dict(
        project=os.environ.get("WANDB_PROJECT", "gcvideo"),
        dir=str(folder),
        name=name,
        id=run_id,
        resume="allow",
        job_type=job_type,
        config=config,
        settings=wandb.Settings(init_timeout=_INIT_SECONDS, finish_timeout=_FINISH_SECONDS, silent=True),
    )
    try:
        run = wandb.init(mode=wanted, **options)  # type: ignore[arg-type]
    except (wandb.errors.CommError, wandb.errors.UsageError) as error:
        log.warning(f"W&B cannot be reached ({str(error).splitlines()[0]})")
        run = wandb.init(mode="offline", **options)  # type: ignore[arg-type]
    if run.offline:
        why = "no API key is configured, " if wanted == "offline" and configured.mode == "online" else ""
        log.info(f"W&B: {why}recorded offline; upload later with: {_to_upload(run, run_id)}")
    elif run.url:
        log.info(f"W&B: {run.url}")
    return RunLogger(run, at_step)


def _to_upload(run: Any, run_id: str | None) -> str:
    """The command; a run that was continued has a folder for each time it was started."""
    folder = Path(run.dir).parent
    if run_id is None:
        return f"wandb sync {shlex.quote(str(folder))}"
    return f"wandb sync --id {run_id} {shlex.quote(str(folder.parent))}/*-{run_id}"


def _hush_failing_logs() -> None:
    """W&B logs into the run folder and to a process of its own; where the disk is full, both fail at every line.

    Without this each of them prints a traceback, or that a socket failed, in the midst of a run that goes on.
    """
    logging.raiseExceptions = False
    logging.getLogger("asyncio").setLevel(logging.ERROR)
