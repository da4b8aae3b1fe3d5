"""How a run would learn: the size of a step, the groups of parameters, and the learning rate along the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from lightning import Trainer
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from gcvideo.data.datamodule import VideoDataModule
from gcvideo.training.precise_bn import norms_in_training
from gcvideo.training.run_length import RunLength, run_length
from gcvideo.training.task import ActionRecognition

_MOST_POINTS = 2000


@dataclass(frozen=True)
class Learning:
    """The steps of a run, as ``fit`` would make them.

    Attributes:
        length: of the run.
        optimizer: with its groups; ``initial_lr`` is the full rate of each.
        scheduler: the rate of a step as a share of the full one.
        val_batches: batches of a validation, on each device.
        norm_batches: batches that each device reads before it for precise norms.
    """

    length: RunLength
    optimizer: Optimizer
    scheduler: LambdaLR
    val_batches: int
    norm_batches: int = 0

    @property
    def epochs(self) -> float:
        """Of the run; broken where it ends within one."""
        return self.length.total_steps / max(1, self.length.steps_per_epoch)

    def share(self, step: int) -> float:
        """The learning rate of a step (0-based), as a share of the full one."""
        return float(self.scheduler.lr_lambdas[0](step))

    def steps(self) -> list[int]:
        """Steps that show the whole curve, the first and the last one among them."""
        last = max(0, self.length.total_steps - 1)
        return sorted({round(last * k / _MOST_POINTS) for k in range(_MOST_POINTS + 1)})

    def rate(self, step: int) -> float:
        """The highest learning rate of a step (0-based)."""
        return max(float(group["initial_lr"]) for group in self.optimizer.param_groups) * self.share(step)


def plan_learning(task: ActionRecognition, data: VideoDataModule, trainer: Trainer, devices: int) -> Learning:
    """The optimizer and schedule that ``fit`` on so many devices would make, by the code that makes them there.

    Args:
        task: is left as it is.
        data: is prepared; here it is set up, and says what ``fit`` would say.
        trainer: of one device, with the options of the run.
        devices: processes that would train.

    Raises:
        InputError: if the run has no end, no step or no learning rate, or the videos are too few for the devices.
    """
    names = ("limit_train_batches", "max_epochs", "max_steps", "accumulate_grad_batches")
    options = {name: getattr(trainer, name) for name in names}
    planned: Any = SimpleNamespace(datamodule=data, world_size=devices, global_rank=0, is_global_zero=True, **options)
    before = data.trainer
    try:
        data.trainer = task.trainer = planned
        data.setup("fit")
        planned.is_global_zero = False  # how the learning rate is scaled stands in the plan
        made: dict[str, Any] = task.configure_optimizers()
        length, val_batches = run_length(planned), len(data.val_dataloader())
        reads = task.precise_bn and norms_in_training(task.network)
        norm_batches = len(data.statistics_dataloader(0, task.precise_bn)) if reads else 0
        return Learning(length, made["optimizer"], made["lr_scheduler"]["scheduler"], val_batches, norm_batches)
    finally:
        data.trainer, task.trainer = before, None


def describe_learning(task: ActionRecognition, learning: Learning) -> list[list[str]]:
    """Rows of a table: what, and how it is."""
    length = learning.length
    batches = f" of {length.accumulation} batches" if length.accumulation > 1 else ""
    return [
        ["a step", str(length)],
        ["an epoch", f"{_steps(length.steps_per_epoch)}{batches}, {length.batches_per_epoch:,} batches on each device"],
        ["in all", f"{_steps(length.total_steps)}, {learning.epochs:.4g} epochs"],
        ["optimizer", _optimizer(learning.optimizer)],
        ["learning rate", _rate(task, learning)],
        ["schedule", task.schedule.kind],
        ["warm-up", _warm_up(task, learning)],
        *([["milestones", _milestones(task, learning)]] if task.schedule.kind == "step" else []),
    ]


def group_rows(optimizer: Optimizer) -> list[list[str]]:
    """A row for each group of parameters: how many, weight decay, full learning rate."""
    return [
        [
            f"{sum(p.numel() for p in group['params']):,}",
            str(len(group["params"])),
            f"{group.get('weight_decay', 0.0):g}",
            f"{group['initial_lr']:.4g}",
        ]
        for group in optimizer.param_groups
    ]


def curve_text(learning: Learning, *, width: int = 64, height: int = 8) -> str:
    """The learning rate along the run as lines of characters: as high as the rate, as long as the run."""
    last = max(1, learning.length.total_steps - 1)
    columns = [learning.rate(round(last * (k + 0.5) / width)) for k in range(width)]
    top = max(learning.rate(step) for step in learning.steps()) or 1.0
    heights = [max(1, round(height * rate / top)) if rate > 0 else 0 for rate in columns]
    rows = ["".join("#" if high >= level else " " for high in heights) for level in range(height, 0, -1)]
    labels = [f"{top:.3g}", *[""] * (height - 1)]
    left = len(labels[0])
    lines = [f"  {label:>{left}} |{row}".rstrip() for label, row in zip(labels, rows, strict=True)]
    axis = f"  {'0':>{left}} +{'-' * width}\n  {'':>{left}}  epoch 0{f'{learning.epochs:g}':>{width - 7}}"
    return "\n".join([*lines, axis])


def _steps(number: int) -> str:
    return f"{number:,} step{'s' * (number != 1)}"


def _optimizer(optimizer: Optimizer) -> str:
    """``SGD: momentum 0.9, nesterov True``; the groups have the rest."""
    shown = ("momentum", "nesterov", "betas")
    values = [f"{name} {optimizer.defaults[name]}" for name in shown if optimizer.defaults.get(name)]
    return ": ".join([type(optimizer).__name__, *([", ".join(values)] if values else [])])


def _rate(task: ActionRecognition, learning: Learning) -> str:
    base, length = float(learning.optimizer.defaults["lr"]), learning.length
    if task.base_batch is None:
        return f"{base:g}, as it is (model.base_batch is null)"
    scaled = base * length.clips_per_step / task.base_batch
    return f"{scaled:.4g} ({base:g} is meant for {task.base_batch} clips a step; here are {length.clips_per_step})"


def _warm_up(task: ActionRecognition, learning: Learning) -> str:
    steps = round(task.schedule.warmup * learning.length.total_steps)
    if not steps:
        return "none"
    epochs = steps / max(1, learning.length.steps_per_epoch)
    return f"{steps:,} steps ({epochs:.1f} epochs), from {learning.rate(0):.3g} to {learning.rate(steps):.3g}"


def _milestones(task: ActionRecognition, learning: Learning) -> str:
    total, each = learning.length.total_steps, max(1, learning.length.steps_per_epoch)
    places: Sequence[int] = sorted({round(share * total) for share in task.schedule.milestones})
    told = [f"epoch {step / each:.4g} (step {step:,}): to {learning.rate(step):.3g}" for step in places if step < total]
    return ", ".join(told) or "none"
