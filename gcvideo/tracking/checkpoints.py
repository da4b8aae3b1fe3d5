"""Which checkpoints a run keeps: the best and the last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning import Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor


class BestCheckpoint(ModelCheckpoint):
    """``best.ckpt``: highest video-level validation top-1; of equal ones, that with the lower validation loss.

    A small validation set is soon all right, and the first epoch of those is seldom the best.
    """

    def __init__(self) -> None:
        super().__init__(
            filename="best", monitor="val/top1", mode="max", enable_version_counter=False, save_on_train_epoch_end=True
        )
        self.best_loss = float("inf")

    def check_monitor_top_k(self, trainer: Trainer, current: Tensor | None = None) -> bool:
        """Whether the present network is the best so far."""
        if current is None:
            return False
        loss = float(trainer.callback_metrics["val/loss"])
        is_tie = self.best_model_score is not None and float(current) == float(self.best_model_score)
        is_best = loss < self.best_loss if is_tie else super().check_monitor_top_k(trainer, current)
        if is_best:
            self.best_loss = loss
        return is_best

    def state_dict(self) -> dict[str, Any]:
        """Kept in every checkpoint, so that a continued run goes on comparing."""
        return {**super().state_dict(), "best_loss": self.best_loss}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the comparison up again, also where the run folder was moved or is named in another way."""
        here = Path(str(self.dirpath)) / "best.ckpt"
        if not here.is_file():  # another run folder: its best is still to come
            return
        self.best_loss = state_dict["best_loss"]
        score = state_dict["best_model_score"]
        places = {"best_model_path": str(here), "kth_best_model_path": str(here), "best_k_models": {str(here): score}}
        super().load_state_dict({**state_dict, **places, "dirpath": self.dirpath})


class LastCheckpoint(ModelCheckpoint):
    """``last.ckpt``: written after every epoch; it compares nothing, so there is nothing to take up again."""

    def __init__(self) -> None:
        super().__init__(filename="last", enable_version_counter=False, save_on_train_epoch_end=True)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing."""


def checkpoint_callbacks() -> list[ModelCheckpoint]:
    """What every fit keeps."""
    return [BestCheckpoint(), LastCheckpoint()]


def checkpoints_without_folder(trainer: Trainer) -> list[ModelCheckpoint]:
    """Those of the trainer's checkpoint callbacks that have no folder of their own."""
    callbacks = [c for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint)]
    return [callback for callback in callbacks if callback.dirpath is None]
