"""Steps of a real run that go wrong on one rank: a callback for ``--trainer.callbacks``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor


class SpoiledSteps(Callback):
    """Spoils steps, or undoes them, and appends a line for each step to ``folder/RANK.steps``.

    A line holds a digest of the weights and the optimizer's state after the step, and how many were left out so far.

    Args:
        folder: exists.
        steps: 0-based.
        rank: makes NaN of the features of this rank; -1 spoils nothing, but puts back, on all ranks, weights, buffers
            and the optimizer's state as they were before the step.
    """

    def __init__(self, folder: str, steps: list[int], rank: int) -> None:
        self.folder, self.steps, self.rank = Path(folder), steps, rank

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """The last layer's bias makes a loss of NaN, and the norms see NaN as well."""
        network: Any = pl_module.network
        self.step = trainer.global_step
        self.before = [(value, value.detach().clone()) for value in _learned(trainer, pl_module)]
        self.before += [(buffer, buffer.clone()) for buffer in pl_module.buffers()]
        if self.step in self.steps and trainer.global_rank == self.rank:
            spoil = network.blocks[0].register_forward_hook(lambda module, inputs, output: output * torch.nan)
            self.spoils = [spoil]

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """What each rank has now."""
        for spoil in self.__dict__.pop("spoils", []):
            spoil.remove()
        if self.step in self.steps and self.rank < 0:
            with torch.no_grad():
                for value, before in self.before:
                    value.copy_(before)
        digest = hashlib.sha256()
        for value in _learned(trainer, pl_module):
            digest.update(value.detach().contiguous().numpy().tobytes())
        skipped = pl_module.finite_steps.skipped  # type: ignore[union-attr]
        with (self.folder / f"{trainer.global_rank}.steps").open("a") as file:
            file.write(json.dumps({"step": self.step, "digest": digest.hexdigest(), "skipped": skipped}) + "\n")


def _learned(trainer: Trainer, module: LightningModule) -> list[Tensor]:
    states = trainer.optimizers[0].state.values()
    return [*module.parameters(), *(value for state in states for value in state.values() if torch.is_tensor(value))]


def read_steps(folder: Path, rank: int) -> list[dict[str, Any]]:
    """The lines of one rank."""
    return [json.loads(line) for line in (folder / f"{rank}.steps").read_text().splitlines()]
