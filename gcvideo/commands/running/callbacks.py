"""What watches every run: folder and logs, speed, failures, progress, checkpoints."""

from __future__ import annotations

from typing import Any

from lightning import Callback
from lightning.pytorch.callbacks import LearningRateMonitor

from gcvideo.tracking.checkpoints import checkpoint_callbacks
from gcvideo.tracking.failures import FailedVideos
from gcvideo.tracking.last_validation import LastValidation
from gcvideo.tracking.other_ranks import OtherRanks
from gcvideo.tracking.progress import progress_callbacks, shows_bar
from gcvideo.tracking.run import RunTracker
from gcvideo.tracking.throughput import Throughput
from gcvideo.training.run_length import HasSteps


def run_callbacks(tracker: RunTracker, options: Any, max_failed: float, time_limit: Callback | None) -> list[Callback]:
    """The callbacks of a run, in the order in which they are called.

    Args:
        tracker: makes the run folder, of a run that has steps; it comes before the others that write there.
        options: of the command.
        max_failed: share of the training videos that may be unreadable.
        time_limit: ends the run when its time is over.
    """
    throughput = Throughput(tracker)
    watching = [HasSteps(), tracker, throughput, FailedVideos(tracker, max_failed)]
    watching += progress_callbacks(throughput, bar=shows_bar(options.trainer.enable_progress_bar))
    limits = [LastValidation(), OtherRanks(), *([time_limit] if time_limit is not None else [])]
    return [*watching, *limits, *(_of_fit(options) if tracker.job_type == "fit" else [])]


def _of_fit(options: Any) -> list[Callback]:
    rates: list[Callback] = [LearningRateMonitor("step")]
    if options.trainer.enable_checkpointing is False:
        return rates
    return [*rates, *checkpoint_callbacks(options.best_after, options.save_every_minutes, options.save_every_steps)]
