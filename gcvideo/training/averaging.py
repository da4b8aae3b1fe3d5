"""What is validated and saved in place of the trained weights: their moving average, with precise batch norms."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol, runtime_checkable

import torch
from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import WeightAveraging
from lightning.pytorch.utilities.seed import isolate_rng
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from gcvideo.errors import InputError
from gcvideo.training.precise_bn import norms_in_training, set_precise_statistics

log = logging.getLogger(__name__)

_Average = Callable[[list[Tensor], list[Tensor], Tensor | int], None]
_TRAINED = "current_model_state"  # where Lightning keeps the trained weights in a checkpoint


def check_averaging(ema: float, precise_bn: int) -> None:
    """Refuses numbers that mean nothing.

    Raises:
        ValueError: naming the value and what was expected.
    """
    if not 0 <= ema < 1:
        raise ValueError(f"ema is {ema}; expected a decay a step, 0 (off) to below 1 (0.999 is usual)")
    if precise_bn < 0:
        raise ValueError(f"precise_bn is {precise_bn}; expected a number of training batches, or 0 (off)")


def decay_after(averaged: int, decay: float) -> float:
    """What the average keeps of itself when the weights of one more step come to it; short in the beginning.

    Args:
        averaged: steps in the average already, at least 1 (the first is the average).
        decay: at most this.

    Source:
        ``num_updates`` of https://www.tensorflow.org/api_docs/python/tf/train/ExponentialMovingAverage.
    """
    return min(decay, (1 + averaged) / (10 + averaged))


@runtime_checkable
class _Listening(Protocol):
    """A callback that may end a run which was told to stop (``tracking.LastCheckpoint``)."""

    def stop_if_told(self, trainer: Trainer) -> None: ...


class AveragedWeights(WeightAveraging):
    """Validates and saves an exponential moving average of the weights with precise batch norms, and trains on.

    Before every validation of a fit: (1) the average takes the place of the weights, (2) the statistics of the batch
    norms are computed at these weights, from a subset of the training videos that is a function of (seed, epoch),
    (3) they are validated, (4) weights, statistics and random state are again what they were. The norms that stand
    still in training stand still here. In a checkpoint ``state_dict`` is the average as it was validated, so that
    whatever reads one takes that; ``current_model_state`` and ``averaging_state`` are what a fit goes on with.

    Running statistics are averaged as the weights are (counters are copied); precise ones take their place at each
    validation, and are averaged on from there.

    Args:
        decay: of the average, a step, 0 to below 1; 0 takes the weights of the last step.
        precise_bn: global training batches (each device reads its share of every one) that the statistics are computed
            from; 0 leaves them.
    """

    def __init__(self, decay: float, precise_bn: int) -> None:
        super().__init__(multi_avg_fn=_averaging_with(decay))
        self.precise_bn = precise_bn
        self._norms: list[_BatchNorm] = []
        self._is_swapped = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Makes room for the average, of the network alone: the base class would copy all that the task refers to.

        Raises:
            InputError: if the weights have too few digits for one.
        """
        if stage != "fit":
            return
        if trainer.precision in ("bf16-true", "16-true"):
            raise InputError(
                f"--model.ema and --model.precise_bn need weights of 32 bits, and trainer.precision is "
                f"{trainer.precision}; set --trainer.precision={trainer.precision.replace('true', 'mixed')}"
            )
        parts = nn.ModuleDict(dict(pl_module.named_children()))  # the names in a checkpoint stay
        self._average_model = AveragedModel(parts, use_buffers=self._use_buffers, **self._kwargs)

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The weights are loaded and on their device by now; so is the average from here on."""
        assert self._average_model is not None
        self._average_model.to(pl_module.device)
        if not self._average_model.n_averaged:
            self._average_model.module.load_state_dict(pl_module.state_dict())

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The steps before a continued run are in the average."""
        self._latest_update_step = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Averages, once a step; notes which norms learned."""
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        self._norms = norms_in_training(pl_module)

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The average with its precise statistics takes the place of the weights."""
        super().on_validation_epoch_start(trainer, pl_module)
        self._is_swapped = self._average_model is not None
        if self._is_swapped and self.precise_bn and self._norms and not trainer.sanity_checking:
            self._set_statistics(trainer, pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The weights and their running statistics come back."""
        super().on_validation_epoch_end(trainer, pl_module)
        self._is_swapped = False

    def state_dict(self) -> dict[str, Any]:
        """Nothing: all that is needed stands beside the weights, and a run without averages does not miss it."""
        return {}

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Puts the average into ``state_dict``, also where a signal asks for a checkpoint while it is validated."""
        if self._average_model is None:
            return
        super().on_save_checkpoint(trainer, pl_module, checkpoint)
        if self._is_swapped:
            checkpoint["state_dict"], checkpoint[_TRAINED] = checkpoint[_TRAINED], checkpoint["state_dict"]

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """A fit goes on with both; what is only measured has the average already."""
        if self._average_model is None:
            return
        if _TRAINED in checkpoint:
            super().on_load_checkpoint(trainer, pl_module, checkpoint)
        elif trainer.is_global_zero:
            log.warning("the checkpoint holds no average of the weights; it begins with this run")

    def _set_statistics(self, trainer: Trainer, pl_module: Any) -> None:
        with isolate_rng(), trainer.precision_plugin.forward_context():
            data = trainer.datamodule  # type: ignore[attr-defined]
            loader = data.statistics_dataloader(trainer.current_epoch, self.precise_bn)
            batches = (trainer.strategy.batch_to_device(batch) for batch in _unless_told(trainer, loader))
            set_precise_statistics(pl_module.network, self._norms, batches)


def _unless_told(trainer: Trainer, loader: Iterable[Any]) -> Iterator[Any]:
    """Many batches take long; before each a run that was told to stop ends."""
    listening = [callback for callback in trainer.callbacks if isinstance(callback, _Listening)]  # type: ignore[attr-defined]
    for batch in loader:
        for callback in listening:
            callback.stop_if_told(trainer)
        yield batch


def trained_state(checkpoint: dict[str, Any]) -> dict[str, Tensor]:
    """The weights that a fit without averages goes on with, from any checkpoint."""
    state: dict[str, Tensor] = checkpoint.get(_TRAINED, checkpoint["state_dict"])
    return state


def _averaging_with(decay: float) -> _Average:
    """What torch's ``AveragedModel`` calls with all tensors of one kind, once there is an average."""

    @torch.no_grad()
    def average(averages: list[Tensor], weights: list[Tensor], averaged: Tensor | int) -> None:
        if averages[0].is_floating_point():
            step = get_ema_multi_avg_fn(decay_after(int(averaged), decay))  # type: ignore[no-untyped-call]
            step(averages, weights, averaged)
        else:  # counters
            for counter, now in zip(averages, weights, strict=True):
                counter.copy_(now)

    return average
