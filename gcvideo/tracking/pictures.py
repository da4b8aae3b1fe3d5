"""Pictures of a run: the curves, and which classes are taken for which."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gcvideo.tracking.lettering import drawable, families, lettered
from gcvideo.tracking.whole_files import naming

_WRITTEN_CLASSES = 40


def draw_curves(rows: list[dict[str, Any]], path: Path) -> None:
    """Loss and accuracy over the optimizer steps, from the rows of metrics.jsonl."""
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name in ("train/loss", "val/loss"):
        _draw(left, rows, name)
    for name in ("train/top1", "val/top1"):
        _draw(right, rows, name, scale=100)
    left.set(title="Loss", xlabel="optimizer step")
    right.set(title="Top-1 accuracy (%); val is of videos", xlabel="optimizer step", ylim=(0, 102))
    for axes in (left, right):
        axes.grid(alpha=0.3)
        if axes.lines:
            axes.legend()
    with naming(path):
        figure.savefig(path, dpi=110)


def draw_confusion(counts: NDArray[Any], classes: Sequence[str], path: Path, *, title: str) -> None:
    """Videos by true class (row) and predicted class (column), coloured by the share of the row."""
    num_classes = len(classes)
    side = min(12.0, 3.5 + 0.45 * num_classes)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    shares = counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues")
    figure.colorbar(image, ax=axes, shrink=0.8, label="share of the class")
    axes.set_title(drawable(title), fontfamily=list(families()))
    axes.set(xlabel="predicted", ylabel="true")
    if num_classes <= _WRITTEN_CLASSES:
        names = lettered(classes)
        axes.set_xticks(range(num_classes), labels=names, rotation=45, ha="right", fontfamily=list(families()))
        axes.set_yticks(range(num_classes), labels=names, fontfamily=list(families()))
        for row, column in zip(*counts.nonzero(), strict=True):
            colour = "white" if shares[row, column] > 0.5 else "black"
            axes.text(column, row, str(int(counts[row, column])), ha="center", va="center", color=colour)
    with naming(path):
        figure.savefig(path, dpi=110)


def _draw(axes: Axes, rows: list[dict[str, Any]], name: str, scale: float = 1.0) -> None:
    points = [(row["step"], row[name] * scale) for row in rows if isinstance(row.get(name), float)]
    if not points:
        return
    is_train = name.startswith("train")
    axes.plot(*zip(*points, strict=True), label=name, alpha=0.5 if is_train else 1, marker="" if is_train else ".")
