"""Pictures of an evaluation: how well each class is recognised, and whether the probabilities mean what they say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from gcvideo.tracking.lettering import drawable, families, lettered
from gcvideo.tracking.whole_files import naming

_ROWS = 60  # classes in a column of the picture
_BLUE, _GREY = "#1f77b4", "#9a9a9a"


def draw_per_class(
    recall: NDArray[np.float64], videos: NDArray[np.int64], classes: Sequence[str], path: Path, *, title: str
) -> None:
    """A bar a class, the worst first, with the number of its videos; in columns of 60.

    Args:
        recall: ``(K,)``, 0 to 1; NaN for a class without videos, which comes last.
        videos: ``(K,)``.
        classes: K names.
        path: of the PNG.
        title: above it.
    """
    order = np.argsort(np.nan_to_num(recall, nan=2.0), kind="stable")
    columns = math.ceil(len(order) / _ROWS)
    rows = math.ceil(len(order) / columns)
    figure = Figure(figsize=(max(6.0, 4.4 * columns), 1.3 + 0.2 * rows), layout="constrained")
    names = lettered(classes)
    for axes, part in zip(figure.subplots(1, columns, squeeze=False)[0], np.array_split(order, columns), strict=True):
        _draw_column(axes, recall[part], videos[part], [names[label] for label in part], rows)
    figure.suptitle(drawable(title), fontfamily=list(families()))
    with naming(path):
        figure.savefig(path, dpi=110)


def draw_reliability(
    confidence: NDArray[np.float64],
    accuracy: NDArray[np.float64],
    count: NDArray[np.int64],
    path: Path,
    *,
    bins: int,
    title: str,
) -> None:
    """Accuracy of the videos that the network was equally sure of; on the diagonal it says what it knows.

    Args:
        confidence: ``(R,)``, mean of the bins that hold videos, 0 to 1.
        accuracy: ``(R,)``, 0 to 1.
        count: ``(R,)``, videos.
        path: of the PNG.
        bins: of equal width, of which R hold videos.
        title: above it.
    """
    figure = Figure(figsize=(5.6, 6.4), layout="constrained")
    upper, lower = figure.subplots(2, 1, height_ratios=[3, 1], sharex=True)
    middle = (np.clip(np.ceil(confidence * bins - 1e-4), 1, bins) - 0.5) / bins
    upper.bar(middle, accuracy, width=0.94 / bins, color=_BLUE, label="accuracy")
    upper.plot([0, 1], [0, 1], color="black", linestyle="--", linewidth=1, label="as sure as right")
    upper.plot(confidence, accuracy, "o", color="black", markersize=4, label="bin: mean confidence, accuracy")
    upper.set_title(drawable(title), fontfamily=list(families()))
    upper.set(ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.02))
    upper.legend(loc="upper left", fontsize="small")
    lower.bar(middle, count, width=0.94 / bins, color=_GREY)
    for place, number in zip(middle, count, strict=True):
        lower.annotate(str(number), (place, number), ha="center", va="bottom", fontsize=7)
    lower.set(xlabel="confidence: probability of the predicted class", ylabel="videos")
    lower.set_ylim(0, 1.25 * max(count.max(), 1))
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
        axes.set_axisbelow(True)
    with naming(path):
        figure.savefig(path, dpi=110)


def _draw_column(
    axes: Axes, recall: NDArray[np.float64], videos: NDArray[np.int64], names: list[str], rows: int
) -> None:
    places = np.arange(len(names))
    axes.barh(places, 100 * np.nan_to_num(recall), color=_BLUE, height=0.75)
    for place, share, number in zip(places, recall, videos, strict=True):
        text = "no videos" if math.isnan(share) else f"{share:.0%} of {number}"
        inside = share > 0.6  # false for NaN
        axes.annotate(
            text,
            (100 * share if not math.isnan(share) else 0, place),
            xytext=(-3 if inside else 3, 0),
            textcoords="offset points",
            ha="right" if inside else "left",
            va="center",
            color="white" if inside else "black",
            fontsize=7,
        )
    axes.set_yticks(places, labels=names, fontfamily=list(families()), fontsize=8)
    axes.set(xlim=(0, 100), ylim=(rows - 0.4, -0.6), xlabel="recall (%)")
    axes.grid(axis="x", alpha=0.3)
    axes.set_axisbelow(True)
