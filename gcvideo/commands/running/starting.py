"""What a training is refused for before it has a run folder, and a plan before anything is measured."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from gcvideo.commands.running.trainer_options import check_optimizer, check_precision, check_processor, time_limit
from gcvideo.models.weights import check_source, load_pretrained
from gcvideo.training.task import ActionRecognition

log = logging.getLogger(__name__)


def check_weights(task: ActionRecognition, ckpt_path: str | None) -> None:
    """Refuses weights to start from that are neither a file nor published; opens none.

    Args:
        task: that would be trained.
        ckpt_path: the checkpoint that would be continued, and whose weights then hold.

    Raises:
        InputError: naming the option.
    """
    if task.pretrained is not None and ckpt_path is None:
        check_source(task.pretrained, task.network)


def check_plan(task: ActionRecognition, options: Any) -> None:
    """Refuses what ``fit`` refuses on any machine, with or without the devices that are planned for.

    Args:
        task: is given the weights it would start from, where these are a file; published ones are not downloaded.
        options: of the command; ``trainer.max_time`` is taken out.

    Raises:
        InputError: naming the option.
    """
    check_precision(options.trainer)
    if options.trainer.accelerator == "cpu":
        check_processor(options.trainer, task.network)
    time_limit(options.max_time, options.trainer)
    check_optimizer(task)
    check_weights(task, options.ckpt_path)
    if task.pretrained is not None and options.ckpt_path is None and Path(task.pretrained).expanduser().is_file():
        for note in load_pretrained(task.network, task.pretrained, task.inflation):
            log.warning(f"weights of {task.pretrained}: {note}")
