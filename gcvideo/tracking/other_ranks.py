"""A run that goes on under other conditions: the order of the videos stays; a line says what may differ."""

from __future__ import annotations

import logging
from typing import Any

from lightning import Callback, LightningModule, Trainer

from gcvideo.errors import InputError
from gcvideo.tracking.agreement import any_rank

log = logging.getLogger(__name__)

_RANKS, _ORDER = "ranks", "order"  # in a checkpoint


class OtherRanks(Callback):
    """Counts the batches of a checkpoint within an epoch anew where they have become larger or smaller.

    The videos that all ranks have trained on, in the order that all share, are what is kept (``data/loader.py``). Where
    a step has become larger or smaller, the learning rate goes on at the same share of the run.
    """

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """How many processes there are, how many videos make a batch and a step, and what the order is made of."""
        checkpoint[_RANKS], checkpoint[_ORDER] = _sizes(trainer), _order(trainer)

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Says what differs, and puts the new numbers of batches into the progress that Lightning is about to read."""
        if trainer.state.fn != "fit":
            return
        then, now = checkpoint.get(_RANKS), _sizes(trainer)
        notes = _other_order(checkpoint.get(_ORDER), _order(trainer))
        if then is not None and then != now:
            notes.append(_other_sizes(then, now))
            _count_anew(checkpoint, then, now)
        for note in notes if trainer.is_global_zero else ():
            log.warning(note)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """All ranks begin at the same step.

        Raises:
            InputError: if they have not taken up the same checkpoint.
        """
        last, first = any_rank(trainer, [trainer.global_step, -trainer.global_step])
        if last != -first:
            raise InputError(
                f"one process goes on from step {-first:g}, another from step {last:g}: all machines must see the same "
                "run folder (--run_dir), with the same checkpoint"
            )


def _sizes(trainer: Trainer) -> dict[str, int]:
    batch = trainer.datamodule.batch_size * trainer.world_size  # type: ignore[attr-defined]
    return {"ranks": trainer.world_size, "batch": batch, "step": batch * trainer.accumulate_grad_batches}


def _order(trainer: Trainer) -> dict[str, int]:
    data = trainer.datamodule  # type: ignore[attr-defined]
    return {"seed": data.seed, "videos": len(data.train_records())}


def _count_anew(checkpoint: dict[str, Any], then: dict[str, int], now: dict[str, int]) -> None:
    loop = checkpoint["loops"]["fit_loop"]
    progress = loop["epoch_loop.batch_progress"]
    done = loop["state_dict"]["combined_loader"][0]["videos"] // now["batch"]
    for name in ("ready", "started", "processed", "completed"):
        progress["total"][name] += done - progress["current"][name]
        progress["current"][name] = done
    for schedule in checkpoint["lr_schedulers"]:
        schedule["last_epoch"] = round(schedule["last_epoch"] * then["step"] / now["step"])


def _other_sizes(then: dict[str, int], now: dict[str, int]) -> str:
    of = f"{now['ranks']} process{'es' * (now['ranks'] > 1)}"
    line = f"the run goes on with {of} ({then['ranks']} before)" if then["ranks"] != now["ranks"] else "the run goes on"
    if then["step"] == now["step"]:
        return f"{line}: every step sees the same videos; sums, and norms by their batch, may differ"
    return (
        f"{line}: a step sees {now['step']} videos instead of {then['step']}, in the same order; the learning rate "
        f"goes on at the same share of the run, and at the height for {then['step']} videos "
        "(--trainer.accumulate_grad_batches keeps the steps equal)"
    )


def _other_order(then: dict[str, int] | None, now: dict[str, int]) -> list[str]:
    notes = []
    if then is not None and then["seed"] != now["seed"]:
        notes.append(
            f"the run began with seed {then['seed']} and goes on with {now['seed']}: videos of this epoch may come "
            f"twice or not at all (--seed_everything={then['seed']} goes on exactly)"
        )
    if then is not None and then["videos"] != now["videos"]:
        notes.append(
            f"the run began with {then['videos']} training videos and goes on with {now['videos']}: of this epoch some "
            "may come twice or not at all"
        )
    return notes
