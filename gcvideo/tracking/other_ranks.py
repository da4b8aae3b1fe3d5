"""A run that goes on with another number of processes: the order of the videos stays; a line says what may differ."""

from __future__ import annotations

import logging
from typing import Any

from lightning import Callback, LightningModule, Trainer

log = logging.getLogger(__name__)

_KEY = "ranks"  # in a checkpoint


class OtherRanks(Callback):
    """Counts the batches of a checkpoint within an epoch anew where they have become larger or smaller.

    The videos that all ranks have trained on, in the order that all share, are what is kept (``data/loader.py``).
    """

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """How many processes there are, and how many videos make a batch and a step."""
        checkpoint[_KEY] = _sizes(trainer)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Says what differs, and puts the new numbers of batches into the progress that Lightning is about to read."""
        then, now = checkpoint.get(_KEY), _sizes(trainer)
        if trainer.state.fn != "fit" or then is None or then == now:
            return
        if trainer.is_global_zero:
            log.warning(_line(then, now))
        loop = checkpoint["loops"]["fit_loop"]
        progress = loop["epoch_loop.batch_progress"]
        done = loop["state_dict"]["combined_loader"][0]["videos"] // now["batch"]
        for name in ("ready", "started", "processed", "completed"):
            progress["total"][name] += done - progress["current"][name]
            progress["current"][name] = done


def _sizes(trainer: Trainer) -> dict[str, int]:
    batch = trainer.datamodule.batch_size * trainer.world_size  # type: ignore[attr-defined]
    return {"ranks": trainer.world_size, "batch": batch, "step": batch * trainer.accumulate_grad_batches}


def _line(then: dict[str, int], now: dict[str, int]) -> str:
    line = f"the run goes on with {now['ranks']} processes, and began with {then['ranks']}"
    if then["step"] == now["step"]:
        return f"{line}: every step sees the same videos; sums, and norms by their batch, may differ"
    return (
        f"{line}: a step sees {now['step']} videos instead of {then['step']}, in the same order; the learning rates "
        f"are those of {then['step']} and go by steps (--trainer.accumulate_grad_batches keeps the steps equal)"
    )
