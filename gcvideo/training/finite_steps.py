"""A step whose gradient is not finite is left out, so that weights, averages and checkpoints stay finite."""

from __future__ import annotations

import logging
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor, distributed

from gcvideo.errors import InputError, plain
from gcvideo.records import Batch
from gcvideo.training.precise_bn import norms_in_training

log = logging.getLogger(__name__)

_NAMED = 8  # videos in a message


class FiniteSteps(Callback):
    """Leaves out steps with a gradient that is not finite, counts them, and stops after too many in a row.

    A loss that is not finite, and statistics of a batch norm that are not, make such a gradient (see ``saw``), on all
    ranks, for the gradients are averaged over them. What such a step leaves behind is what it found: weights, the
    optimizer's state, the statistics of the batch norms. The learning rate goes on. It costs the norms of the gradient
    (which clipping needs anyway) and of the statistics, and one look at them a step.

    Args:
        max_in_a_row: steps, at least 1; with 16-bit floats the first ones seek the scale of the loss.
    """

    def __init__(self, max_in_a_row: int) -> None:
        if max_in_a_row < 1:
            raise ValueError(f"max_skipped is {max_in_a_row}; expected at least 1 step in a row")
        self.max_in_a_row, self.skipped, self.in_a_row = max_in_a_row, 0, 0
        self._kept: list[tuple[Tensor, Tensor]] = []
        self._videos: list[Tensor] = []  # of each batch of the step
        self._losses: list[Tensor] = []

    def state_dict(self) -> dict[str, Any]:
        """Kept in every checkpoint."""
        return {"skipped": self.skipped, "in_a_row": self.in_a_row}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Goes on counting."""
        self.skipped, self.in_a_row = state_dict["skipped"], state_dict["in_a_row"]

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        """Keeps the statistics of the norms as they are before a step; those of 53 norms are 0.2 MB."""
        if batch_idx % trainer.accumulate_grad_batches == 0:
            buffers = [buffer for norm in norms_in_training(pl_module) for buffer in norm.buffers()]
            self._kept = [(buffer, buffer.clone()) for buffer in buffers]
            self._videos, self._losses = [], []
        self._videos.append(batch.video_indices)

    def saw(self, loss: Tensor) -> Tensor:
        """Remembers the loss of a batch of this rank, so that the videos can be named that spoiled a step.

        Returns:
            The loss; where it is not finite (and its gradient may be, all the same), or the statistics of a norm are
            not, one whose gradient is NaN.
        """
        statistics = [buffer for buffer, _ in self._kept if buffer.is_floating_point()]
        size = torch.nn.utils.get_total_norm(statistics) if statistics else torch.zeros_like(loss)
        marked = loss * torch.where(torch.isfinite(loss.detach() + size.to(loss)), 1.0, torch.nan)
        self._losses.append(marked.detach())
        return marked

    def judge(self, trainer: Trainer, pl_module: LightningModule, norm: Tensor) -> bool:
        """Whether the step may be taken; else its gradients are dropped and the statistics put back.

        Args:
            trainer: of the run.
            pl_module: whose gradients they are.
            norm: of all gradients together, the same on all ranks.

        Raises:
            InputError: after too many in a row; names the videos.
        """
        if bool(torch.isfinite(norm)):
            self.in_a_row = 0
            return True
        self.skipped, self.in_a_row = self.skipped + 1, self.in_a_row + 1
        for parameter in pl_module.parameters():
            parameter.grad = None  # an optimizer leaves such a parameter and its own state alone
        for buffer, value in self._kept:
            buffer.copy_(value)
        self._report(trainer)
        return False

    def _report(self, trainer: Trainer) -> None:
        names = self._spoiled_by(trainer)
        what = f"step {trainer.global_step}: the gradient is not finite"
        whose = f"; videos: {'; '.join(names[:_NAMED])}" if names else " though every loss is"
        if self.in_a_row >= self.max_in_a_row:
            raise InputError(
                f"{what}{whose}; {self.in_a_row} such steps in a row (--model.max_skipped), so the run stops; the last "
                "checkpoint is finite. A lower learning rate, --trainer.gradient_clip_val=40 or "
                "--trainer.precision=bf16-mixed helps where it is not the videos"
            )
        if trainer.is_global_zero:
            log.warning(f"{what}, and the step is left out ({self.skipped} so far){whose}")

    def _spoiled_by(self, trainer: Trainer) -> list[str]:
        """The videos of the batches with a loss that is not finite, of all ranks."""
        records = trainer.datamodule.train_records()  # type: ignore[attr-defined]
        steps = zip(self._videos, self._losses, strict=True)
        bad = [videos for videos, loss in steps if not bool(torch.isfinite(loss))]
        mine = [plain(records[int(index)].path) for videos in bad for index in videos]
        if trainer.world_size == 1:
            return mine
        of_ranks: list[list[str]] = [[] for _ in range(trainer.world_size)]
        distributed.all_gather_object(of_ranks, mine)
        return [name for names in of_ranks for name in names]


def gradient_norm(module: LightningModule) -> Tensor:
    """The Euclidean norm of all gradients together."""
    gradients = [parameter.grad for parameter in module.parameters() if parameter.grad is not None]
    return torch.nn.utils.get_total_norm(gradients)
