"""How many clips make a step, and how many steps a run: asked of loader and trainer, and computed here."""

from __future__ import annotations

from dataclasses import dataclass

from lightning import Callback, LightningModule, Trainer

from gcvideo.errors import InputError


@dataclass(frozen=True)
class RunLength:
    """The size of a step and the number of steps.

    Attributes:
        devices: processes that train, over all nodes.
        videos: in a batch, on each device.
        clips_per_video: of each video in a batch (repeated augmentation).
        accumulation: batches that make one step.
        batches_per_epoch: on each device.
        steps_per_epoch: optimizer steps; the last of an epoch may have fewer batches.
        total_steps: optimizer steps of the run.
        max_steps: the bound on them that was set; -1 for none.
    """

    devices: int
    videos: int
    clips_per_video: int
    accumulation: int
    batches_per_epoch: int
    steps_per_epoch: int
    total_steps: int
    max_steps: int = -1

    @property
    def clips_per_step(self) -> int:
        """Clips that one optimizer step sees, over all devices and accumulated batches."""
        return self.devices * self.videos * self.clips_per_video * self.accumulation

    def __str__(self) -> str:
        """How a step comes to its clips, such as ``8 devices x 16 videos = 128 clips a step``."""
        parts = [f"{self.devices} device{'s' * (self.devices > 1)}", f"{self.videos} videos"]
        parts += [f"{self.clips_per_video} clips"] if self.clips_per_video > 1 else []
        parts += [f"{self.accumulation} batches"] if self.accumulation > 1 else []
        return f"{' x '.join(parts)} = {self.clips_per_step} clips a step"


def run_length(trainer: Trainer) -> RunLength:
    """Of a trainer whose data module is set up.

    Raises:
        InputError: if the run has no end, or no step.
    """
    data = trainer.datamodule  # type: ignore[attr-defined]
    batches = _batches_per_epoch(len(data.train_dataloader()), trainer.limit_train_batches)
    epochs = -1 if trainer.max_epochs is None else trainer.max_epochs
    accumulation = trainer.accumulate_grad_batches
    return RunLength(
        devices=trainer.world_size,
        videos=data.batch_size,
        clips_per_video=data.clips_per_video,
        accumulation=accumulation,
        batches_per_epoch=batches,
        steps_per_epoch=-(-batches // accumulation),
        total_steps=num_optimizer_steps(batches, epochs, accumulation, trainer.max_steps),
        max_steps=trainer.max_steps,
    )


class HasSteps(Callback):
    """Refuses a run that has no end, or no step, as soon as its data are there: before the callbacks behind this one.

    Raises:
        InputError: naming the option to change.
    """

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Computes the length of a fit."""
        if stage == "fit":
            run_length(trainer)


def _batches_per_epoch(read: int, limit: int | float) -> int:
    """Of the batches that the loader has, those that Lightning's ``limit_train_batches`` leaves."""
    batches = min(read, limit) if isinstance(limit, int) else int(read * limit)
    if batches > 0:
        return batches
    if not read:
        raise InputError("the training videos do not fill one batch on each device; lower --data.batch_size")
    raise InputError(
        f"--trainer.limit_train_batches={limit:g} leaves none of the {read} batch{'es' * (read > 1)} that an epoch has "
        "on each device, so nothing would be trained; leave it out, or take a whole number of batches",
        exit_code=2,
    )


def num_optimizer_steps(batches: int, epochs: int, accumulation: int, max_steps: int) -> int:
    """Optimizer steps of a run.

    Args:
        batches: in an epoch, on each rank.
        epochs: of the run; -1 for no end but ``max_steps``.
        accumulation: batches that make one step; the last step of an epoch may have fewer.
        max_steps: upper bound; -1 for none.

    Raises:
        InputError: if the run has no end; a schedule needs one.
    """
    if epochs < 0 and max_steps < 0:
        raise InputError(
            "the run has no end, and a schedule needs one: set --trainer.max_epochs or --trainer.max_steps", exit_code=2
        )
    steps = epochs * -(-batches // accumulation)
    return max_steps if epochs < 0 else steps if max_steps < 0 else min(steps, max_steps)
