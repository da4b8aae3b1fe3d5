"""The files of a measurement: its table as Parquet and CSV, the table of its classes, and three pictures."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from gcvideo.commands.running.result_folders import show_in
from gcvideo.commands.running.summary import calibration
from gcvideo.data.holdout import matched_group
from gcvideo.evaluation.calibration import BINS
from gcvideo.evaluation.prediction_files import CSV, PARQUET, as_csv, as_parquet
from gcvideo.evaluation.predictions import Predictions
from gcvideo.evaluation.report import Report, per_class_csv
from gcvideo.records import VideoRecord
from gcvideo.tracking.class_pictures import draw_per_class, draw_reliability
from gcvideo.tracking.pictures import draw_confusion
from gcvideo.tracking.whole_files import write_whole


def groups_of(records: list[VideoRecord], classes: tuple[str, ...], group: str | None) -> list[str]:
    """Which videos belong together, as in ``data/holdout.py``: those of a class whose names match alike, else a file.

    Args:
        records: the videos.
        classes: names; the position is the label.
        group: the regular expression of the data's options.
    """
    pattern = re.compile(group) if group else None
    names = [matched_group(record.path, pattern) for record in records]
    return [
        record.path if name is None else f"{classes[record.label]}/{name}"
        for record, name in zip(records, names, strict=True)
    ]


def write_results(folder: Path, results: Path, predictions: Predictions, found: Report, key: str) -> None:
    """Writes the files of a measurement, and shows them in the run folder.

    Args:
        folder: the run folder.
        results: where they go; made if it is not there.
        predictions: the table.
        found: its figures.
        key: what was measured, for the titles.
    """
    results.mkdir(parents=True, exist_ok=True)
    write_whole(results / PARQUET, as_parquet(predictions))
    write_whole(results / CSV, as_csv(predictions))
    write_whole(results / "per_class.csv", per_class_csv(found, predictions.classes))
    title = f"{key}: {int(found.counts.sum())} videos"
    draw_confusion(found.counts, predictions.classes, results / "confusion_matrix.png", title=title)
    draw_per_class(
        np.array([row.recall for row in found.rows]),
        np.array([row.videos for row in found.rows]),
        predictions.classes,
        results / "per_class.png",
        title=f"{title}, recall of each class",
    )
    draw_reliability(
        found.bins.confidence.double().numpy(),
        found.bins.accuracy.double().numpy(),
        found.bins.count.numpy(),
        results / "reliability.png",
        bins=BINS,
        title=f"{title}\n{_calibration(found)}",
    )
    show_in(folder, results)


def _calibration(found: Report) -> str:
    after = found.ece_after_temperature
    return f"calibration {calibration(found.ece, None if np.isnan(after) else after, found.temperature)}"
