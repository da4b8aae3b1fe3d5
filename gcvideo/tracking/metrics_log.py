"""metrics.jsonl: one JSON object a line, flushed line by line. The record of a run that survives a kill."""

from __future__ import annotations

import json
import math
import os
from argparse import Namespace
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import Logger
from lightning.pytorch.utilities import rank_zero_only

from gcvideo.tracking.whole_files import naming, write_whole

FILE_NAME = "metrics.jsonl"


class MetricsLog(Logger):
    """Appends every logged number to ``folder/metrics.jsonl`` with its optimizer step (0-based).

    Args:
        folder: the run folder; it exists.
        at_step: stands for the step of every row, where a checkpoint is measured and the trainer counts from 0.
    """

    def __init__(self, folder: Path, at_step: int | None = None) -> None:
        super().__init__()
        self.path, self.at_step = folder / FILE_NAME, at_step

    @property
    def name(self) -> str:
        """A name for Lightning."""
        return "metrics"

    @property
    def version(self) -> str:
        """The run folder's name."""
        return self.path.parent.name

    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """Nothing: config.yaml has them."""

    @rank_zero_only
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Writes one line."""
        numbers = {name: _json_number(value) for name, value in metrics.items()}
        row = {"step": step if self.at_step is None else self.at_step, **numbers}
        with naming(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


def read_metrics(folder: Path) -> list[dict[str, Any]]:
    """The rows of a run; a last line that a kill cut short does not count."""
    path = folder / FILE_NAME
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            continue
    return rows


def cut_metrics(folder: Path, step: int) -> None:
    """Drops the rows from a step on: a run that continues there writes them again, and each stands once."""
    rows = [row for row in read_metrics(folder) if row["step"] < step]
    write_whole(folder / FILE_NAME, "".join(json.dumps(row) + "\n" for row in rows))


def sync_metrics(folder: Path) -> None:
    """Returns when the rows are on the disk, so that they outlive a power failure."""
    path = folder / FILE_NAME
    if path.is_file():
        with naming(path), path.open("rb") as file:
            os.fsync(file.fileno())


def _json_number(value: Any) -> float | int | str:
    number = value if isinstance(value, int) else float(value)
    return number if math.isfinite(number) else str(number)
