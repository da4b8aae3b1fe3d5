"""What is seen when in a long video: a picture of its classes over time, and a table of its segments."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Sequence
from io import BytesIO, StringIO
from itertools import pairwise
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from gcvideo.errors import plain
from gcvideo.evaluation.prediction_files import for_spreadsheets
from gcvideo.predicting.prediction import Prediction
from gcvideo.predicting.segments import merged
from gcvideo.predicting.written import replace_file, seconds

_MOST_CLASSES = 10
_LONGEST_NAME = 40


def draw_timeline(path: Path, predictions: Sequence[Prediction], classes: Sequence[str]) -> None:
    """A line a class, dark where it is probable: the ten classes that are highest at some time, by when that is.

    Args:
        path: a PNG; its folder is made.
        predictions: of the windows of one video, by time.
        classes: K names.

    Raises:
        InputError: if it cannot be written.
    """
    scores = np.array([prediction.scores for prediction in predictions])  # (windows, K)
    highest = np.argsort(-scores.max(axis=0), kind="stable")[:_MOST_CLASSES]
    shown = sorted(highest.tolist(), key=lambda number: int(scores[:, number].argmax()))
    figure = Figure(figsize=(11, 1.4 + 0.32 * len(shown)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    picture = axes.pcolormesh(
        _edges(predictions), np.arange(len(shown) + 1), scores[:, shown].T, vmin=0, vmax=1, cmap="Blues"
    )
    axes.set_yticks(np.arange(len(shown)) + 0.5, [plain(classes[number])[:_LONGEST_NAME] for number in shown])
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.invert_yaxis()
    axes.set_xlabel("seconds")
    axes.set_title(plain(Path(predictions[0].path).name).replace("\n", " "), parse_math=False, fontsize=10)
    figure.colorbar(picture, ax=axes, label="probability")
    png = BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # an empty box stands for it
        figure.savefig(png, format="png", dpi=110)
    replace_file(path, png.getvalue())


def write_segments(path: Path, predictions: Sequence[Prediction], classes: Sequence[str]) -> None:
    """A CSV with a row a segment (``merged``): start and end in seconds, the best classes, their mean probabilities.

    Args:
        path: its folder is made.
        predictions: of the windows of one video, by time.
        classes: K names.

    Raises:
        InputError: if it cannot be written.
    """
    ranks = range(1, len(predictions[0].labels) + 1)
    file = StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["start", "end", *(name for k in ranks for name in (f"label_{k}", f"probability_{k}"))])
    for segment in merged(predictions, classes):
        best = zip(segment.labels, segment.probabilities, strict=True)
        cells = [cell for label, probability in best for cell in (for_spreadsheets(label), f"{probability:.8g}")]
        writer.writerow([seconds(segment.start), seconds(segment.end), *cells])
    replace_file(path, file.getvalue().encode())


def _edges(predictions: Sequence[Prediction]) -> list[float]:
    """Where one window gives way to the next: half way between their middles."""
    middles = [(prediction.start + prediction.end) / 2 for prediction in predictions]
    between = [(before + after) / 2 for before, after in pairwise(middles)]
    return [predictions[0].start, *between, predictions[-1].end]
