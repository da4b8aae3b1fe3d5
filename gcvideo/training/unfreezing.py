"""Gradual unfreezing: stages that stay as they were loaded until their epoch begins."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

from lightning import Callback, LightningModule, Trainer
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from gcvideo.models.network import Network
from gcvideo.training.run_length import run_length

log = logging.getLogger(__name__)


class GradualUnfreezing(Callback):
    """Holds stages of a pretrained network still, and lets one after the other go.

    A stage that is held still keeps its weights (no weight decay, no momentum that builds up) and the statistics of its
    batch norms, which are in evaluation mode. Context blocks in it are trained from the start, as in the stages that
    ``frozen_stages`` of the backbone holds for good. Its gradients are computed and thrown away before anything counts
    them, so that several processes need not agree anew on what they exchange: a step costs the time and memory of one
    in which all is trained, and the norm that gradients are clipped by is that of the rest. The learning rate goes on.

    What is held still is a function of the epoch, so there is nothing to keep in a checkpoint.

    Args:
        network: whose stages they are.
        unfreeze_at: for each stage, the epoch (0-based) that it is trained from.
        is_pretrained: whether there are weights to hold; else it is said that there are none.

    Source:
        Howard and Ruder, https://arxiv.org/abs/1801.06146, section 3.3: one layer more each epoch, the last one first.
    """

    def __init__(self, network: Network, unfreeze_at: Mapping[str, int], *, is_pretrained: bool) -> None:
        self.network, self.unfreeze_at, self.is_pretrained = network, unfreeze_at, is_pretrained
        self._held: list[nn.Parameter] = []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Says what is probably not meant."""
        length = run_length(trainer)
        for note in self._notes(-(-length.total_steps // max(1, length.steps_per_epoch))):
            if trainer.is_global_zero:
                log.warning(note)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """A run may go on within an epoch, which then does not start."""
        self._hold(trainer.current_epoch)

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lets the stages of this epoch go."""
        self._hold(trainer.current_epoch)

    def on_after_backward(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Without a gradient, an optimizer passes a parameter over, and clipping does not count it."""
        for parameter in self._held:
            parameter.grad = None

    def _notes(self, epochs: int) -> Iterator[str]:
        if not self.is_pretrained:
            yield "--model.unfreeze_at holds stages as they were drawn at random; name weights with --model.pretrained"
        never = [f"{stage} (epoch {epoch})" for stage, epoch in self.unfreeze_at.items() if epoch >= epochs]
        if never:
            yield (
                f"--model.unfreeze_at lets {', '.join(never)} go after the end of the run, whose last epoch is "
                f"{epochs - 1} (counted from 0): not trained"
            )

    def _hold(self, epoch: int) -> None:
        self._held = []
        for stage, first in self.unfreeze_at.items():
            for module in own_modules(self.network, stage):
                if isinstance(module, _BatchNorm):
                    module.train(epoch >= first)
                if epoch < first:
                    self._held += module.parameters(recurse=False)


def own_modules(network: Network, stage: str) -> Iterator[nn.Module]:
    """All modules of a stage but those of the context blocks that were put into it."""
    inserted = tuple(f"{path}." for path in network.block_paths)
    for root in network.stages()[stage]:
        for path, module in network.get_submodule(root).named_modules(prefix=root):
            if not f"{path}.".startswith(inserted):
                yield module


def check_unfreezing(network: Network, unfreeze_at: Mapping[str, int]) -> None:
    """Refuses what cannot be held still and let go.

    Raises:
        ValueError: if a stage does not exist or never learns, or an epoch is negative; the message names it.
    """
    stages = [stage for stage in network.stages() if stage != "head"]
    for stage, epoch in unfreeze_at.items():
        if stage not in stages:
            raise ValueError(f"unfreeze_at names {stage!r}; expected some of {', '.join(stages)}")
        if epoch < 0:
            raise ValueError(f"unfreeze_at.{stage} is {epoch}; expected an epoch, 0 (from the start) or more")
        parameters = [p for module in own_modules(network, stage) for p in module.parameters(recurse=False)]
        if not any(parameter.requires_grad for parameter in parameters):
            raise ValueError(
                f"unfreeze_at.{stage} is {epoch}, but backbone.frozen_stages holds {stage} for good; "
                "take it out of one of the two"
            )
