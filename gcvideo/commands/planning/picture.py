"""Draws the learning rate of a planned run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from gcvideo.commands.planning.steps import Learning
from gcvideo.training.task import ActionRecognition


def draw_rates(task: ActionRecognition, learning: Learning, path: Path, *, title: str) -> None:
    """The learning rate of every group over the epochs, with the end of the warm-up and the milestones marked."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    axes = figure.subplots()
    steps, each = learning.steps(), max(1, learning.length.steps_per_epoch)
    shares = [learning.share(step) for step in steps]
    rates = sorted({float(group["initial_lr"]) for group in learning.optimizer.param_groups}, reverse=True)
    for rate in rates:
        axes.plot([step / each for step in steps], [rate * share for share in shares], label=f"full rate {rate:.4g}")
    for name, share in _marks(task):
        place = round(share * learning.length.total_steps) / each
        axes.axvline(place, color="grey", linestyle=":", linewidth=1)
        axes.annotate(f"{name}: epoch {place:.4g}", (place, 1), xycoords=("data", "axes fraction"), **_BESIDE)
    axes.set(title=title, xlabel="epoch", ylabel="learning rate", xlim=(0, learning.epochs), ylim=(0, None))
    axes.grid(alpha=0.3)
    if len(rates) > 1:
        axes.legend()
    figure.savefig(path, dpi=110)


_BESIDE: dict[str, Any] = {"rotation": 90, "va": "top", "ha": "right", "fontsize": 8, "color": "grey"}


def _marks(task: ActionRecognition) -> list[tuple[str, float]]:
    warm_up = [("warm-up ends", task.schedule.warmup)] if task.schedule.warmup else []
    return warm_up + [
        ("milestone", share) for share in (task.schedule.milestones if task.schedule.kind == "step" else ())
    ]
