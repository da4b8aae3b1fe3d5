"""Which checkpoints a run keeps: the best and the last."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from gcvideo.tracking.checkpoint_io import is_whole
from gcvideo.tracking.last_checkpoint import LastCheckpoint


class BestCheckpoint(ModelCheckpoint):
    """``best.ckpt``: highest video-level validation top-1; of equal ones, that with the lower validation loss.

    A small validation set is soon all right, and the first epoch of those is seldom the best. While the learning rate
    is high, epochs differ by luck; after the share ``best_after`` of the run's optimizer steps the comparison begins
    anew. The end that this counts from is that of max_epochs or max_steps, whichever comes first; where the run is
    stopped earlier (a time limit), it is the stop. The last validation of a run always counts.

    Args:
        best_after: share of the steps; what was best before them is not the best in the end, 0 to below 1.
    """

    def __init__(self, best_after: float = 0.0) -> None:
        super().__init__(
            filename="best", monitor="val/top1", mode="max", enable_version_counter=False, save_on_train_epoch_end=True
        )
        self.best_after, self.best_loss, self.best_step = best_after, float("inf"), 0
        self._validated = False

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The numbers of an earlier validation are not this epoch's."""
        self._validated = False

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Now they are."""
        super().on_validation_end(trainer, pl_module)
        self._validated = True

    def check_monitor_top_k(self, trainer: Trainer, current: Tensor | None = None) -> bool:
        """Whether the present network is the best so far."""
        if current is None or not self._validated:
            return False
        loss = float(trainer.callback_metrics["val/loss"])
        is_tie = self.best_model_score is not None and float(current) == float(self.best_model_score)
        is_best = loss < self.best_loss if is_tie else super().check_monitor_top_k(trainer, current)
        step, end = trainer.global_step, trainer.global_step if _ends(trainer) else trainer.estimated_stepping_batches
        begins_anew = self.best_step <= self.best_after * end < step
        if is_best or begins_anew:
            self.best_loss, self.best_step = loss, step
        return is_best or begins_anew

    def state_dict(self) -> dict[str, Any]:
        """Kept in every checkpoint, so that a continued run goes on comparing."""
        return {**super().state_dict(), "best_loss": self.best_loss, "best_step": self.best_step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the comparison up again, also where the run folder was moved or is named in another way."""
        here = Path(str(self.dirpath)) / "best.ckpt"
        score = state_dict["best_model_score"]
        if score is None or not is_whole(here):  # a kill came just after the first best one; another folder; damage
            return  # the best is still to come
        self.best_loss, self.best_step = state_dict["best_loss"], state_dict.get("best_step", 0)  # 0: before there was
        places = {"best_model_path": str(here), "kth_best_model_path": str(here), "best_k_models": {str(here): score}}
        super().load_state_dict({**state_dict, **places, "dirpath": self.dirpath})


def _ends(trainer: Trainer) -> bool:
    """Whether this epoch is the run's last."""
    return trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs


def checkpoint_callbacks(best_after: float, every_minutes: float = 0.0, every_steps: int = 0) -> list[ModelCheckpoint]:
    """What every fit keeps."""
    return [BestCheckpoint(best_after), LastCheckpoint(every_minutes, every_steps)]


def checkpoints_without_folder(trainer: Trainer) -> list[ModelCheckpoint]:
    """Those of the trainer's checkpoint callbacks that have no folder of their own."""
    callbacks = [c for c in trainer.checkpoint_callbacks if isinstance(c, ModelCheckpoint)]
    return [callback for callback in callbacks if callback.dirpath is None]
